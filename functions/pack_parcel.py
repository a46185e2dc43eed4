"""Packs what was reserved."""


def handler(event, context):
    pieces = sum(item["quantity"] for item in event)
    return {"parcel": {"pieces": pieces, "articles": [item["sku"] for item in event]}}
