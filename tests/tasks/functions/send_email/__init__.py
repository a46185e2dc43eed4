from .template import text


def handler(event, context):
    return text(event["to"])
