"""Change the core at random places and report the changes that no test notices.

    python tests/mutation.py                              # 60 mutations of all rooms
    python tests/mutation.py cache engine --sample 200 --seed 7
    python tests/mutation.py --at cache/store.py:112      # all mutations of one line

Each mutation is one changed operator, constant, condition or statement. It is made in a copy of the repository, where
the tests of its room run, the fastest first, until one fails. Exits with 1 if fewer than `--at-least` percent of the
mutations are noticed. The same seed chooses the same mutations of the same source.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("sfnrun", "tests", "statemachines", "functions", "pyproject.toml", "README.md", "RULES.md", "sfnrun.yaml")
SECONDS = 600  # a mutation after which the tests have not ended by then has been noticed

# The tests of each room. Those that compare with recordings outside the repository are left out on purpose.
TESTS = {
    "cache": [
        *("store", "parts", "scenarios", "backends", "tools", "runs", "single_flight", "on_disk", "on_servers"),
        *("never_too_old", "faults"),
    ],
    "engine": ["engine/test_tables", "engine/test_loop", "test_run", "test_redrive", "test_resume", "explain"],
    "expr": ["expr/test_choice", "expr/test_intrinsics", "expr/test_jsonpath", "expr/test_templates", "expr", "engine"],
    "history": ["history/test_file", "history", "test_run", "test_replay", "test_resume", "cli/test_trace"],
    "replayer": ["test_replay", "test_replay_changes", "test_what_if", "test_resume", "test_redrive", "history"],
    "world": ["world", "test_run", "test_stop", "tasks/test_runs", "engine/test_loop"],
}


class Mutation(NamedTuple):
    """The change number `number` of a file."""

    file: Path
    number: int
    line: int
    what: str

    def source(self) -> str:
        """Return the text of the file with the change."""
        tree = ast.parse(self.file.read_text(encoding="utf-8"))
        for number, _ in enumerate(changes(tree)):
            if number == self.number:
                return ast.unparse(ast.fix_missing_locations(tree))
        raise AssertionError("the file has changed")

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT / 'sfnrun')}:{self.line}  {self.what}"


SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Break: ast.Continue,
    ast.Continue: ast.Break,
}


def changes(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Change the tree in one place after the other; yield the line and the change while it is made."""
    for node in list(walk(tree)):
        for field, index, before, after in replacements(node):
            holder = getattr(node, field)
            put(node, field, index, after)
            line = getattr(before, "lineno", getattr(node, "lineno", 0))
            yield line, f"{shown(before, node)} -> {shown(after, node)}"
            if index is None:
                setattr(node, field, holder)
            else:
                holder[index] = before


def put(node: ast.AST, field: str, index: int | None, value: object) -> None:
    if index is None:
        setattr(node, field, value)
    else:
        getattr(node, field)[index] = value


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes that run, without annotations, texts of messages and lists of public names."""
    yield node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params", "bases", "keywords_of_class"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.JoinedStr | ast.Raise | ast.Import | ast.ImportFrom):
                continue
            if isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) == "__all__":
                continue
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.AST):
                yield from walk(child)


def replacements(node: ast.AST) -> Iterator[tuple[str, int | None, object, object]]:
    """What can be put in the place of a part of a node: the field, the index in it, before and after."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in SWAPPED:
            yield "ops", 0, op, SWAPPED[type(op)]()
        case ast.BoolOp(op=op) | ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in SWAPPED:
            if not (isinstance(node, ast.BinOp) and is_text(node)):
                yield "op", None, op, SWAPPED[type(op)]()
        case ast.Constant(value=bool(value)):
            yield "value", None, value, not value
        case ast.Constant(value=int(value)):
            yield "value", None, value, value + 1
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield "value", None, value, ast.Constant(None)
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        test = node.test
        yield "test", None, test, test.operand if is_not(test) else ast.UnaryOp(ast.Not(), test)
    for field in ("body", "orelse", "finalbody"):
        statements = getattr(node, field, None)
        for index, statement in enumerate(statements if isinstance(statements, list) else ()):
            if isinstance(statement, ast.Break | ast.Continue):
                yield field, index, statement, SWAPPED[type(statement)]()
            elif is_removable(statement):
                yield field, index, statement, ast.Pass()


def is_not(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def is_text(node: ast.BinOp) -> bool:
    return any(isinstance(side, ast.JoinedStr) or is_string(side) for side in (node.left, node.right))


def is_string(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


def is_removable(statement: ast.stmt) -> bool:
    """A call for its effect, or a value that is put somewhere."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Call)
    return isinstance(statement, ast.AugAssign | ast.Delete) or (
        isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Attribute | ast.Subscript)
    )


def shown(part: object, node: ast.AST) -> str:
    if isinstance(part, ast.operator | ast.cmpop | ast.boolop):
        around = copy.copy(node)
        setattr(around, "op" if hasattr(node, "op") else "ops", part if hasattr(node, "op") else [part])
        part = around
    text = ast.unparse(part) if isinstance(part, ast.AST) else repr(part)
    return text if len(text) <= 70 else f"{text[:69]}…"


def mutations(room: str) -> Iterator[Mutation]:
    for file in sorted((ROOT / "sfnrun" / room).rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for number, (line, what) in enumerate(changes(tree)):
            yield Mutation(file, number, line, what)


def room_of(mutation: Mutation) -> str:
    return mutation.file.relative_to(ROOT / "sfnrun").parts[0]


def tests_of(room: str) -> list[str]:
    names = [f"cache/test_{name}" for name in TESTS[room]] if room == "cache" else TESTS[room]
    paths = [f"tests/{name}" if (ROOT / "tests" / name).is_dir() else f"tests/{name}.py" for name in names]
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert not missing, f"tests of {room} that are not there: {missing}"
    return paths


def is_noticed(mutation: Mutation, tree: Path) -> bool:
    file = tree / mutation.file.relative_to(ROOT)
    before = file.read_bytes()
    file.write_text(mutation.source(), encoding="utf-8")
    try:
        return fails(tree, tests_of(room_of(mutation)))
    finally:
        file.write_bytes(before)


def fails(tree: Path, tests: list[str]) -> bool:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    pipe = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=tree, env=environment, stdout=pipe, stderr=pipe, start_new_session=True) as run:
        try:
            return run.wait(SECONDS) != 0
        except subprocess.TimeoutExpired:
            return True
        finally:
            if os.name == "posix":
                end(run.pid)
            run.kill()


def end(group: int) -> None:
    """End what the tests have started, too."""
    with suppress(ProcessLookupError):
        os.killpg(group, 9)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rooms", nargs="*", default=sorted(TESTS), metavar="ROOM", help=", ".join(sorted(TESTS)))
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--at-least", type=float, default=90.0, metavar="PERCENT")
    parser.add_argument("--at", metavar="FILE:LINE", help="all mutations of one line")
    options = parser.parse_args()
    if options.at:
        name, _, line = options.at.rpartition(":")
        chosen = [each for each in mutations(name.split("/")[0]) if str(each).startswith(f"{name}:{line} ")]
    else:
        found = [each for room in options.rooms for each in mutations(room)]
        chosen = random.Random(options.seed).sample(found, min(options.sample, len(found)))
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder, ThreadPoolExecutor(options.jobs) as pool:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.jobs):
            trees.put(copied(Path(folder) / str(number)))
        tree = trees.get()
        broken = [room for room in sorted({room_of(each) for each in chosen}) if fails(tree, tests_of(room))]
        trees.put(tree)
        if broken:
            print(f"tests fail without any mutation: {', '.join(broken)}")
            return 2

        def tried(mutation: Mutation) -> bool:
            tree = trees.get()
            try:
                noticed = is_noticed(mutation, tree)
            finally:
                trees.put(tree)
            print("noticed " if noticed else "SURVIVED", mutation, flush=True)
            return noticed

        noticed = sum(pool.map(tried, chosen))
    percent = 100 * noticed / max(1, len(chosen))
    print(f"{noticed} of {len(chosen)} mutations noticed: {percent:.0f} %")
    return 0 if percent >= options.at_least else 1


def copied(tree: Path) -> Path:
    """A copy of what the tests need, which has no recordings beside it."""
    for name in COPIED:
        ignored = shutil.ignore_patterns("__pycache__", ".sfnrun", "conformance", "fuzz")
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, tree / name)
    return tree


if __name__ == "__main__":
    sys.exit(main())
