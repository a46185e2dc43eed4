"""Reserves one article of an order. What is not on the shelf raises OutOfStock, which the workflow catches."""

STOCK = {"tea-pot": (7, 39), "tea-cup": (40, 9), "green-tea": (12, 14)}


class OutOfStock(Exception):
    pass


def handler(event, context):
    sku, quantity = event["item"]["sku"], event["item"]["quantity"]
    available, price = STOCK.get(sku, (0, 0))
    if quantity > available:
        raise OutOfStock(f"{quantity} of {sku} wanted, {available} there")
    print(f"{quantity} of {sku} reserved for {event['order']}")
    return {"sku": sku, "quantity": quantity, "price": price}
