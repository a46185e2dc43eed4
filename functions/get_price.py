"""Reads a price from a slow database."""

from _price_table import asked, price_of


def handler(event, context):
    with asked() as connection:
        return price_of(connection, event["sku"])
