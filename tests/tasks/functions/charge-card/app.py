from prices import PRICE


def lambda_handler(event, context):
    return {"charged": PRICE}
