"""A database as slow as a real one, which counts how often it is asked; one file, so that all handlers see the same."""

import os
import sqlite3
import time
from contextlib import closing, contextmanager

PRICES = {"green-tea": 14, "tea-cup": 9, "tea-pot": 39}
SECONDS = 0.12


@contextmanager
def asked():
    """A connection, after the time it takes to get through."""
    time.sleep(SECONDS)
    # Each function has a /tmp and a process of its own; the processes of a run have one parent.
    path = os.environ.get("PRICE_TABLE") or f"/var/tmp/sfnrun-prices-{os.getppid()}.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS calls (count INTEGER)")
        connection.execute("CREATE TABLE IF NOT EXISTS prices (sku TEXT PRIMARY KEY, price INTEGER)")
        connection.executemany("INSERT OR IGNORE INTO prices VALUES (?, ?)", PRICES.items())
        if not connection.execute("SELECT 1 FROM calls").fetchone():
            connection.execute("INSERT INTO calls VALUES (0)")
        connection.execute("UPDATE calls SET count = count + 1")
        yield connection


def price_of(connection, sku):
    """What every handler answers: the price, and the number of questions until now."""
    row = connection.execute("SELECT price FROM prices WHERE sku = ?", (sku,)).fetchone()
    count = connection.execute("SELECT count FROM calls").fetchone()[0]
    return {"sku": sku, "price": row[0], "database_calls": count}
