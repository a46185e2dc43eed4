"""A fuzzer for expressions: whatever the text and the document, they give a value or fail in the language's own errors.

    python tests/fuzz/expressions.py [TARGET …] [--seconds 60] [--seed 1]

Targets: jsonpath, templates, intrinsics, choice and jsonata raise nothing else. `text` compares $split and $replace
with the engine, `scan` the scan with its parser, `reference` JSONata with jsonata 2.0.6 in node, which is taken
from npm's cache or from the folder SFNRUN_JSONATA. Cases that take more than 2 s of CPU or 300 MB are printed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import jlens

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # what tests share, where this is run as a program

from fuzz.generators import (
    SMALL_NUMBERS,
    Documents,
    Intrinsics,
    Jsonata,
    Paths,
)  # the folder of the script is on the path

from sfnrun.errors import ExpressionError, StatesError
from sfnrun.expr.choice import OPERATORS, compile_rule
from sfnrun.expr.intrinsics import compile_intrinsic
from sfnrun.expr.jsonata import Bounds, compile_jsonata
from sfnrun.expr.jsonata.engine import EvaluationFailed, Program, Undefined
from sfnrun.expr.jsonata.scan import BUILTINS, find_mentions
from sfnrun.expr.jsonata.text_functions import TEXT_FUNCTIONS, rewritten
from sfnrun.expr.jsonpath import PathError, compile_path, compile_reference_path
from sfnrun.expr.scope import PlainScope
from sfnrun.expr.template import jsonpath_template
from sfnrun.payload import dumps

HERE = Path(__file__).parent
ALL = frozenset({"input", "result", "errorOutput", "context"})
CONTEXT = {"Execution": {"Name": "e"}, "State": {"Name": "S", "EnteredTime": "2026-01-01T00:00:00Z"}}
OURS = (ExpressionError, PathError, StatesError)

Case = Callable[[Random], str]
"""Makes one case and tries it; gives its text. Raises AssertionError, or what should not have been raised."""


class Failed(AssertionError):
    """What a case did that it must not do."""


def scope(chance: Random, value: Any = None) -> PlainScope:
    return PlainScope(context=CONTEXT, variables={"v": value, "w": {"b": [1, 2]}}, random=Random(chance.random()))


def refuse(at: Any, error: ExpressionError) -> None:
    raise error


def document(chance: Random) -> Any:
    documents = Documents(chance)
    return documents.hostile() if chance.random() < 0.3 else documents.value()


# --- one case of each target ------------------------------------------------------------------------------------------


def jsonpath(chance: Random) -> str:
    text, given = Paths(chance).path(), document(chance)
    with contextlib.suppress(*OURS):
        dumps(compile_path(text).evaluate(given, scope(chance, given)))
    with contextlib.suppress(*OURS):
        dumps(compile_reference_path(text).put(given, 1))
    return text


def templates(chance: Random) -> str:
    paths, calls = Paths(chance), Intrinsics(chance)
    count = chance.choice([1, 2, 5, 50])
    node = {f"k{n}.$": calls.call() if chance.random() < 0.3 else paths.path() for n in range(count)}
    text, given = json.dumps([node, {"c": 1}]), document(chance)
    with contextlib.suppress(*OURS):
        dumps(jsonpath_template([node, {"c": 1}], refuse).evaluate(given, scope(chance, given)))
    return text


def intrinsics(chance: Random) -> str:
    text, given = Intrinsics(chance).call(), document(chance)
    with contextlib.suppress(*OURS):
        dumps(compile_intrinsic(text).evaluate(given, scope(chance, given)))
    return text


def choice(chance: Random) -> str:
    def rule(depth: int) -> dict[str, Any]:
        if depth < 3 and chance.random() < 0.3:
            return {chance.choice(["And", "Or"]): [rule(depth + 1) for _ in range(chance.randrange(1, 4))]}
        if depth < 3 and chance.random() < 0.1:
            return {"Not": rule(depth + 1)}
        operand = chance.choice(["$.a", "a*b*", "*" * 200, 1, True, None, "2026-01-01T00:00:00Z", "x" * 1000])
        return {"Variable": Paths(chance).path("$"), chance.choice(list(OPERATORS)): operand}

    made, given = rule(0), document(chance)
    with contextlib.suppress(*OURS):
        compile_rule(made, refuse).matches(given, scope(chance, given))
    return json.dumps(made)


def jsonata(chance: Random) -> str:
    text, given = Jsonata(chance).expression(), document(chance)
    if chance.random() < 0.1:
        text = Paths(chance).mutated(text)
    if chance.random() < 0.1:
        text = f"$count({Jsonata(chance).text_call()})"
    with contextlib.suppress(*OURS):
        compiled = compile_jsonata(text, "Output", allowed=ALL)
        dumps(compiled.evaluate({"input": given}, scope(chance, given)))
    return text


def outcome(program: Program, given: Any, values: PlainScope) -> str:
    try:
        value = program.run(given, values)
    except EvaluationFailed as failed:
        return failed.ending
    return repr(value) if isinstance(value, Undefined) else dumps(value)


def text(chance: Random) -> str:
    """Our $split and $replace against the engine's own."""
    written = Jsonata(chance).text_call()
    try:
        jlens.Expression(written)
    except jlens.JlensError:
        return written
    found = find_mentions(written)
    changed, ours = rewritten(written, found, ())
    hosts = [TEXT_FUNCTIONS[name] for name in ours]
    values = PlainScope()
    expected = outcome(Program(written, {}, frozenset(), plain=False, bounds=Bounds()), None, values)
    got = outcome(Program(changed, {}, frozenset(), plain=False, bounds=Bounds(), ours=hosts), None, values)
    if got != expected:
        raise Failed(f"{written}: {got}, the engine {expected}")
    return written


def scanned(chance: Random) -> str:
    """The scan against what the engine says that an expression reads, which errs on the side of more."""
    written = Jsonata(chance).expression()
    try:
        compiled = compile_jsonata(written, "Output", allowed=ALL)
    except ExpressionError:
        return written
    reads = jlens.Expression(written).reads()["bindings"]
    found = {mention.name for mention in find_mentions(written).variables} - BUILTINS
    if not found >= set(reads) - BUILTINS:
        raise Failed(f"{written}: {sorted(found)}, the engine {sorted(reads)}")
    given, values = {"input": document(chance)}, scope(chance)
    quick = run(compiled, given, values)
    grouped = run(compile_jsonata(f"$map and false ? 0 : ({written})", "Output", allowed=ALL), given, values)
    single = run(compile_jsonata(f"({written})", "Output", allowed=ALL), given, values)
    if find_mentions(written).plain and not grouped == single == quick and "Stack overflow" not in grouped:
        raise Failed(f"{written}: {quick[:99]}, in a group {grouped[:99]}")
    return written


def run(compiled: Any, given: Any, values: PlainScope) -> str:
    try:
        return dumps(compiled.evaluate(given, values))
    except StatesError as error:
        return str(error.cause).partition("specified for the field 'Output'")[2]


# --- the reference ----------------------------------------------------------------------------------------------------


def reference_folder() -> Path | None:
    """The folder of the npm package jsonata 2.0.6, if node is here and npm has it in its cache."""
    given = os.environ.get("SFNRUN_JSONATA")
    if given or not shutil.which("node") or not shutil.which("npm"):
        return Path(given) if given and shutil.which("node") else None
    folder = Path(tempfile.gettempdir()) / "sfnrun-jsonata-2.0.6"
    package = folder / "node_modules" / "jsonata"
    if not package.is_dir():
        command = ["npm", "install", "--offline", "--no-save", "--prefix", str(folder), "jsonata@2.0.6"]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
        if done.returncode or not package.is_dir():
            return None
    return package


class Reference:
    """The reference implementation in a process of node."""

    def __init__(self, package: Path) -> None:
        command = ["node", str(HERE / "reference.js"), str(package)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def __enter__(self) -> Reference:
        return self

    def __exit__(self, *args: object) -> None:
        self.process.kill()
        self.process.communicate()

    def evaluate(self, expression: str, bindings: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"id": 0, "expr": expression, "bindings": bindings}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


def against(reference: Reference) -> Case:
    """JSONata against the reference: the same value, undefined in both, or an error in both."""

    def case(chance: Random) -> str:
        documents = Documents(chance, SMALL_NUMBERS)
        written, given = Jsonata(chance).expression(), documents.value()
        values = scope(chance, documents.value())
        states = {"input": given, "context": CONTEXT}
        expected = reference.evaluate(written, {"states": states, **values.variables})
        try:
            compiled = compile_jsonata(written, "Output", allowed=ALL)
            got = {"kind": "value", "value": compiled.evaluate({"input": given}, values)}
        except ExpressionError as error:
            if error.code != "UNSUPPORTED_JSONATA_EXPRESSION" and not expected.get("code", "").startswith("S"):
                raise
            return written
        except StatesError as error:
            nothing = "returned nothing" in str(error.cause)
            got = {"kind": "undefined" if nothing else "error", "cause": error.cause}
        wanted = "error" if expected["kind"] == "function" else expected["kind"]
        if got["kind"] != wanted or (wanted == "value" and not equal(got["value"], expected["value"])):
            # The reference throws raw errors of JavaScript, without a code; AWS limits the depth.
            known = expected.get("code") == "" or "Stack overflow" in str(got)
            if not known:
                raise Failed(
                    f"{written} on {json.dumps(given)} and {dumps(values.variables)}: {got}, the reference {expected}"
                )
        return written

    return case


def equal(left: Any, right: Any) -> bool:
    """Equal but for the order of keys and the last digits of large numbers."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, int | float) and isinstance(right, int | float) and not isinstance(left, bool):
        return left == right or float(left) == float(right)
    return type(left) is type(right) and left == right


# --- running ----------------------------------------------------------------------------------------------------------

CASES: dict[str, Case] = {
    "jsonpath": jsonpath,
    "templates": templates,
    "intrinsics": intrinsics,
    "choice": choice,
    "jsonata": jsonata,
    "text": text,
    "scan": scanned,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz expressions.")
    parser.add_argument("targets", nargs="*", default=[*CASES, "reference"])
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    failures = 0
    for target in options.targets:
        with contextlib.ExitStack() as stack:
            if target == "reference":
                package = reference_folder()
                if package is None:
                    print("reference: node or the npm package jsonata 2.0.6 not found")
                    continue
                case = against(stack.enter_context(Reference(package)))
            else:
                case = CASES[target]
            failures += report(target, case, options.seed, options.seconds)
    return failures > 0


def report(target: str, case: Case, seed: int, seconds: float) -> int:
    until, number, failures = time.monotonic() + seconds, -1, 0
    memory = 0
    while time.monotonic() < until and failures < 10:
        number += 1
        began = time.process_time()
        try:
            tried = case(Random(f"{seed}/{number}"))
        except Exception as error:
            failures += 1
            print(f"{target} {seed}/{number}: {type(error).__name__}: {error}"[:600])
            continue
        took = time.process_time() - began
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        if took > 2 or (used > 300 and used > memory + 10):
            print(f"{target} {seed}/{number}: {took:.1f} s, {used} MB: {tried[:200]}")
        memory = max(memory, used)
    print(f"{target}: {number + 1} cases, {failures} failures, {memory} MB at most")
    return failures


if __name__ == "__main__":
    sys.exit(main())
