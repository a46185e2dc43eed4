"""What an evaluation of JSONata costs, in microseconds, beside the library's own time for the same work.

python tests/bench/jsonata.py

The library's own time is that of the expression read straight from its input document, without bounds: the least that
any caller pays. A 1,000-item $map is to cost at most 1.2 times that.
"""

from __future__ import annotations

import timeit

import jlens

from sfnrun.expr.jsonata import compile_jsonata
from sfnrun.expr.scope import PlainScope

ITEMS = [{"name": f"item {i}", "price": i, "tags": ["a", "b"]} for i in range(1000)]
STATES = {"input": {"a": 3, "id": "x1", "items": ITEMS}}
VARIABLES = {"n": 3, "limit": 2000, "items": ITEMS}

# Ours, and the same with the document as the library would be given it.
EXPRESSIONS = (
    ("$n + 1", "n + 1"),
    ("$n < $limit", "n < limit"),
    ("$n", "n"),
    ("$states.input.a", "input.a"),
    ("$states.input", "input"),
    ("$states.input.a + $n", "input.a + n"),
    ("'order-' & $states.input.id", "'order-' & input.id"),
    ("$uuid()", "$string(1)"),
    ("$sum($states.input.items.price)", "$sum(input.items.price)"),
    ("$states.input.items[price > 500].name", "input.items[price > 500].name"),
    ("$map($states.input.items, function($i){ $i.price * 2 })", "$map(input.items, function($i){ $i.price * 2 })"),
    ("$map($items, function($i){ $i.price * 2 })", "$map(items, function($i){ $i.price * 2 })"),
)


def microseconds(stmt: object) -> float:
    timer = timeit.Timer(stmt)  # type: ignore[arg-type]
    number, taken = timer.autorange()
    number = max(1, int(number * 0.05 / taken))
    return min(timer.repeat(5, number)) / number * 1e6


def main() -> None:
    scope = PlainScope(variables=VARIABLES)
    document = {**STATES, **VARIABLES}
    print(f"{'expression':58} {'sfnrun':>9} {'library':>9} {'ratio':>6}")
    for ours, theirs in EXPRESSIONS:
        compiled = compile_jsonata(ours, "Output")
        expression = jlens.Expression(theirs)
        mine = microseconds(lambda compiled=compiled: compiled.evaluate(STATES, scope))
        own = microseconds(lambda expression=expression: expression.evaluate(document))
        print(f"{ours:58} {mine:9.2f} {own:9.2f} {mine / own:6.2f}")
    source = "$map($states.input.items, function($i){ $i.price * $n })"
    print(f"compile {source:50} {microseconds(lambda: compile_jsonata(source, 'Output')):9.1f}")


if __name__ == "__main__":
    main()
