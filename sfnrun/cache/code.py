"""The code behind a handler: its module and every local module that it imports, by content. Nothing is imported.

Editing a file makes exactly the Tasks miss whose handlers import it, however far down. Imports inside functions count;
names put together at run time cannot be seen, literal `importlib.import_module("x")` can.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["code_files"]


def code_files(handler: Path, roots: tuple[Path, ...], home: Path) -> Mapping[str, str]:
    """Of each file that the handler's file leads to, its path and the first 16 digits of its SHA-256.

    `roots` are the folders that modules are looked for in, after the handler's own. Paths within `home` are relative to
    it. A file that cannot be read counts as empty.
    """
    handler = handler.resolve()
    folders = tuple(dict.fromkeys(folder.resolve() for folder in (handler.parent, *roots)))
    hashes: dict[str, str] = {}
    waiting, seen = [handler], {handler}
    while waiting:
        file = waiting.pop()
        source = file.read_bytes() if file.is_file() else b""
        hashes[_shown(file, home.resolve())] = hashlib.sha256(source).hexdigest()[:16]
        for imported in _imported(source, file, folders):
            if imported not in seen:
                seen.add(imported)
                waiting.append(imported)
    return dict(sorted(hashes.items()))


def _shown(file: Path, home: Path) -> str:
    return (file.relative_to(home) if file.is_relative_to(home) else file).as_posix()


def _imported(source: bytes, file: Path, folders: tuple[Path, ...]) -> Iterator[Path]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return  # the handler will say so itself
    for node in ast.walk(tree):
        for folder, name in _names(node, file, folders):
            yield from _files(folder, name)


def _names(node: ast.AST, file: Path, folders: tuple[Path, ...]) -> Iterator[tuple[Path, str]]:
    """The modules that a statement may mean, each with the folder to look for it in."""
    match node:
        case ast.Import(names=names):
            yield from ((folder, alias.name) for alias in names for folder in folders)
        case ast.ImportFrom(module=module, names=names, level=level):
            places = (file.parents[level - 1],) if 0 < level <= len(file.parents) else folders
            stems = [".".join(filter(None, (module, alias.name))) for alias in names]
            yield from ((folder, stem) for stem in [*filter(None, [module]), *stems] for folder in places)
        case ast.Call(func=ast.Name("__import__") | ast.Attribute(attr="import_module") | ast.Name("import_module")):
            if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
                yield from ((folder, node.args[0].value) for folder in folders)


def _files(folder: Path, name: str) -> Iterator[Path]:
    """The files that importing `a.b.c` runs, as far as they are there: the packages on the way and the module."""
    place = folder
    for part in name.split("."):
        if not part.isidentifier():
            return
        place = place / part
        for file in (place / "__init__.py", place.with_name(f"{part}.py")):
            if file.is_file():
                yield file.resolve()
                break
