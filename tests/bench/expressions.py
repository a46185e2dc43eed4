"""What an evaluation costs, in microseconds: `python tests/bench/expressions.py`. A definite path may cost 0.3."""

from __future__ import annotations

import sys
import timeit
from typing import Any

from sfnrun.expr.choice import compile_rule
from sfnrun.expr.intrinsics import compile_intrinsic
from sfnrun.expr.jsonpath import compile_path, compile_reference_path
from sfnrun.expr.scope import PlainScope
from sfnrun.expr.template import jsonpath_template

ITEMS = [{"id": n, "name": f"n{n}", "price": n, "tags": ["x"]} for n in range(20)]
DOCUMENT = {"n": 1, "a": {"b": {"c": 1}}, "a b": {"c": 2}, "items": ITEMS, "list": [1, 2, 3]}
SCOPE = PlainScope(context={"State": {"Name": "S"}}, variables={"v": {"w": 1}})
PATHS = (
    "$ $.n $.a.b $.a.b.c $.items[0].name $$.State.Name $v.w $['a'].b $.list[1:3] $.list[(@.length-1)] "
    "$.items[*].id $..price $.items[?(@.price>10)].name"
)


def refuse(at: Any, error: Exception) -> None:
    raise error


def rows() -> list[tuple[str, Any]]:
    template = {"a.$": "$.n", "b": {"c.$": "$.a.b.c", "d": [1, 2]}, "e": "constant"}
    rule = {"And": [{"Variable": "$.n", "NumericLessThan": 3}, {"Variable": "$.a.b.c", "NumericEquals": 1}]}
    put = compile_reference_path("$.a.b.d").put
    return [
        *((path, compile_path(path).evaluate) for path in PATHS.split()),
        ("compile $.a.b.c", lambda document, scope: compile_path("$.a.b.c")),
        ("put at $.a.b.d", lambda document, scope: put(document, 1)),
        ("States.MathAdd($.n, 1)", compile_intrinsic("States.MathAdd($.n, 1)").evaluate),
        ("States.Format('{}-{}', $.n, 'x')", compile_intrinsic("States.Format('{}-{}', $.n, 'x')").evaluate),
        ("template of 2 paths", jsonpath_template(template, refuse).evaluate),
        ("Choice And of 2", compile_rule(rule, refuse).matches),
    ]


def microseconds(evaluate: Any) -> float:
    timer = timeit.Timer(lambda: evaluate(DOCUMENT, SCOPE))
    count = max(1, int(0.02 / max(timer.timeit(10) / 10, 1e-8)))
    empty = min(timeit.repeat(lambda: None, number=count, repeat=3))
    return max(0.0, min(timer.repeat(5, count)) - empty) / count * 1e6


if __name__ == "__main__":
    for name, evaluate in rows():
        sys.stdout.write(f"{microseconds(evaluate):8.2f} µs  {name}\n")
