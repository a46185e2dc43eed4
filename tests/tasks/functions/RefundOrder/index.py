def handler(event, context):
    return "refunded"
