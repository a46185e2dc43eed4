"""The house keeps its rooms: imports run one way, the core knows no clock, and every module says what is public."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import sfnrun

PACKAGE = Path(__file__).resolve().parents[1] / "sfnrun"
FILES = sorted(PACKAGE.rglob("*.py"))

# room -> what it may import of the house besides itself; a longer name allows that module alone
FLOOR = {"addresses", "digest", "effects", "errors", "payload", "private", "record", "version"}
MAY_IMPORT = {
    "addresses": {"errors"},
    "digest": set(),
    "errors": set(),
    "payload": {"errors"},
    "private": set(),
    "record": {"effects", "payload"},
    "effects": {"errors", "payload"},
    "version": set(),
    "expr": FLOOR,
    "asl": FLOOR | {"expr"},
    "config": FLOOR | {"asl"},
    "engine": FLOOR | {"expr", "asl.integrations", "asl.model"},
    "history": FLOOR,
    "replayer": FLOOR | {"asl.field_table", "asl.load", "asl.model", "asl.text", "engine", "history"},
    "world": FLOOR | {"asl.model", "engine"},
    "tasks": FLOOR | {"asl.integrations", "asl.load", "asl.model", "asl.text", "config", "cache"},
    "cache": FLOOR | {"asl.model", "config"},
    "view": FLOOR | {"cache.admin", "cache.outcome", "explain.explanation", "history"},
    "api": FLOOR | {"asl", "cache", "config", "engine", "expr", "history", "replayer", "tasks", "world"},
    "explain": FLOOR | {"asl", "cache.outcome", "engine", "expr", "history", "replayer"},
    "cli": FLOOR | {"", "api", "asl", "config", "explain", "history", "view"},
    "": FLOOR | {"api", "asl", "config", "history.listing", "history.store"},
    "__main__": {"cli"},
}

ROOMS = set(MAY_IMPORT) - FLOOR - {"", "__main__"}

# The core is a function of what it is given; asl/load.py reads its files.
CORE = ("asl", "engine", "expr")
EDGES = {"asl/load.py"}
NO_WORLD = {"asyncio", "multiprocessing", "concurrent", "socket", "sqlite3", "subprocess", "threading", "time"}
NO_FILES = {"io", "os", "pathlib", "shutil", "tempfile"}
NO_PROCESS = {"argv", "environ", "exit", "path", "stderr", "stdin", "stdout"}
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


def is_allowed(module: str, allowed: set[str]) -> bool:
    inside = module.removeprefix("sfnrun").removeprefix(".")
    # `import sfnrun`, which is the Python API, leaves nothing inside: the room "".
    return any(inside == name or (name and inside.startswith(f"{name}.")) for name in allowed)


def test_the_rooms_are_known() -> None:
    assert {file.parent.name for file in PACKAGE.glob("*/__init__.py")} == ROOMS


def test_no_room_hides_a_public_name() -> None:
    """Importing `sfnrun.x` sets the attribute `x` of the package, whatever `sfnrun.x` was before."""
    assert ROOMS & set(sfnrun.__all__) == set()


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_run_one_way(file: Path) -> None:
    room = room_of(file)
    allowed = MAY_IMPORT[room] | ({room} if room else set())
    ours = {module for module in imported(tree_of(file)) if module.split(".")[0] == "sfnrun"}
    assert {module for module in ours if not is_allowed(module, allowed)} == set()


@pytest.mark.parametrize("file", [file for file in FILES if room_of(file) in CORE], ids=name_of)
def test_the_core_knows_no_world(file: Path) -> None:
    tree = tree_of(file)
    modules = {module.split(".")[0] for module in imported(tree)}
    assert modules & NO_WORLD == set()
    if name_of(file) not in EDGES:
        assert modules & NO_FILES == set()
        assert {module for module in imported(tree) if module.startswith("sys.")} == set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and name_of(file) not in EDGES:
            assert not (node.value.id == "sys" and node.attr in NO_PROCESS), f"line {node.lineno}: the process"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert not (node.value.id in ("date", "datetime") and node.attr in NO_CLOCK), f"line {node.lineno}: a clock"
            assert not (node.value.id == "random" and node.attr != "Random"), f"line {node.lineno}: chance of its own"


@pytest.mark.parametrize("file", [file for file in FILES if room_of(file) == "world"], ids=name_of)
def test_the_world_knows_clocks_and_threads_and_nothing_else(file: Path) -> None:
    """Journals and mailboxes are handed in; whatever reaches the network or another process is a handler's business."""
    modules = {module.split(".")[0] for module in imported(tree_of(file))}
    assert modules & (NO_WORLD - {"threading", "time"} | NO_FILES | {"signal"}) == set()


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_heavy_modules_are_imported_when_used(file: Path) -> None:
    if LAZY_MODULES.search(name_of(file)):
        return
    assert {module.split(".")[0] for module in imported_at_start(tree_of(file))} & HEAVY == set()


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_only_the_live_trace_knows_rich(file: Path) -> None:
    uses_rich = any(module.split(".")[0] == "rich" for module in imported(tree_of(file)))
    assert uses_rich == (name_of(file) in RICH_ROOM)


def test_what_is_imported_is_required() -> None:
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    requirements = [*project["dependencies"], *extras["redis"], *extras["memcached"]]
    required = {re.split(r"[^\w-]", requirement)[0].replace("-", "_") for requirement in requirements}
    used = {module.split(".")[0] for file in FILES for module in imported(tree_of(file))}
    used = {"pyyaml" if name == "yaml" else name for name in used - {"sfnrun"} - sys.stdlib_module_names}
    assert used == required


def isort_style(name: str) -> tuple[int, list[object]]:
    """CONSTANTS, then Classes, then the rest; numbers inside names by their value."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_public_names_are_sorted_and_exist(file: Path) -> None:
    tree = tree_of(file)
    public = next((ast.literal_eval(node.value) for node in tree.body if is_all(node)), None)
    if public is None:
        assert file.name in ("__init__.py", "__main__.py"), "a module says what is public"
        return
    assert public == sorted(public, key=isort_style)
    assert set(public) <= names_of(tree) or "__getattr__" in names_of(tree)


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


def modules_imported(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported in a tree, in functions too, but not for types alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imported(node)
        yield from modules_imported(node)


def test_modules_do_not_import_each_other_in_circles() -> None:
    modules = {".".join(("sfnrun", *file.relative_to(PACKAGE).with_suffix("").parts)): file for file in FILES}
    modules = {name.removesuffix(".__init__"): file for name, file in modules.items()}

    def module_of(name: str) -> str:
        while name not in modules and name:
            name = name.rpartition(".")[0]
        return name

    arrows = {
        name: {module_of(other) for other in modules_imported(tree_of(file))} - {"", name}
        for name, file in modules.items()
    }
    # Modules without arrows are removed until only those of circles are left.
    while free := {name for name, others in arrows.items() if not others & arrows.keys()}:
        arrows = {name: others for name, others in arrows.items() if name not in free}
    assert arrows == {}
