"""Writes a price, and answers as get_price would, so that its answer can be kept in place of that."""

from _price_table import asked, price_of


def handler(event, context):
    with asked() as connection:
        connection.execute("UPDATE prices SET price = ? WHERE sku = ?", (event["price"], event["sku"]))
        return price_of(connection, event["sku"])
