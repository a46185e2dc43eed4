"""The house keeps its rooms: imports run one way, the core knows no clock, and every module says what is public."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "sfnrun"
FILES = sorted(PACKAGE.rglob("*.py"))

# room -> what it may import of the house besides itself; a longer name allows that module alone
FLOOR = {"errors", "payload"}
MAY_IMPORT = {
    "errors": set(),
    "payload": set(),
    "expr": FLOOR,
    "asl": FLOOR | {"expr"},
    "config": FLOOR | {"asl"},
    "engine": FLOOR | {"expr", "asl.model"},
    "history": FLOOR | {"__version__"},
    "tasks": FLOOR | {"engine.effects", "asl.model", "config", "cache"},
    "cache": FLOOR | {"engine.effects", "asl.model", "config"},
    "drivers": FLOOR | {"engine.effects"},
    "replay": FLOOR | {"asl", "drivers", "engine", "history", "run"},
    "run": FLOOR | {"__version__"} | {"asl", "cache", "config", "drivers", "engine", "expr", "history", "tasks"},
    "view": FLOOR | {"history"},
    "cli": FLOOR | {"", "__version__", "asl", "config", "history", "run", "view"},
    "": FLOOR | {"asl", "engine.effects", "replay", "run"},
    "__main__": {"cli"},
}

# The core is a function of what it is given.
CORE = ("asl", "engine", "expr")
NO_WORLD = {"asyncio", "multiprocessing", "concurrent", "socket", "sqlite3", "subprocess", "threading", "time"}
NO_CLOCK = {"now", "today", "utcnow"}

# A person's eyes cost no start-up: these are imported when they are used.
HEAVY = {"diskcache", "jlens", "jsonschema", "jsonschema_rs", "pymemcache", "redis", "rich", "yaml"}
RICH_ROOM = {"view/live.py"}

# Modules that are one heavy thing, imported lazily as a whole by those who need it.
LAZY_MODULES = re.compile(r"view/live|yaml_text|jsonata|cache/backends/|asl/shape|asl/json_schema")

MAX_LINES = 400


def name_of(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def room_of(file: Path) -> str:
    first = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported anywhere in a tree, as `package.module`; names of a package count as modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_at_start(tree: ast.Module) -> Iterator[str]:
    """What importing the module imports: its own statements, but not functions and `if TYPE_CHECKING`."""
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Try):
            yield from imported(node)


def is_all(node: ast.stmt) -> bool:
    return any(target.id == "__all__" for target in targets_of(node))


def targets_of(node: ast.stmt) -> list[ast.Name]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target for target in targets if isinstance(target, ast.Name)]


def names_of(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        else:
            names.update(target.id for target in targets_of(node))
    return names


@pytest.mark.parametrize("file", [file for file in FILES if file.read_text(encoding="utf-8").strip()], ids=name_of)
def test_the_first_line_says_the_law(file: Path) -> None:
    docstring = ast.get_docstring(tree_of(file))
    assert docstring, "a module begins with what it is for"
    assert docstring.splitlines()[0].endswith((".", ":", "?")) or "," in docstring.splitlines()[0]


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_files_are_no_halls(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_no_room_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "util", "common", "base", "helpers", "helper", "manager", "misc"}
    assert {name_of(file) for file in FILES if {part.removesuffix(".py") for part in file.parts} & empty} == set()
