"""Puts what was reserved back on the shelf."""


def handler(event, context):
    for item in event:
        print(f"{item['quantity']} of {item['sku']} back on the shelf")
