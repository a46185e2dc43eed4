"""Raises a price by one, directly in the database: no cache hears of it."""

from _price_table import asked, price_of


def handler(event, context):
    with asked() as connection:
        connection.execute("UPDATE prices SET price = price + 1 WHERE sku = ?", (event["sku"],))
        return price_of(connection, event["sku"])
