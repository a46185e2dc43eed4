"""Keys of cached results, and hashes of the code behind a handler.

A key is a hash of the task's name, of the selected part of the payload and of the environment variables in `vary`. The
handler's code, the resource and the version are in the entry and not in the key: so a miss can report which of them
changed, and a Task that writes can compute the key of the Task that reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from sfnrun.cache.policy import Policy
from sfnrun.payload import Json, canonical

__all__ = ["code_files", "key_of", "key_text", "select_key", "tag_key"]

_READABLE_LENGTH = 300
_MASK = "•••"


def select_key(policy: Policy, payload: Json) -> Json:
    """Return the part of the payload that the policy uses as key. Raises KeyNotFound."""
    return payload if policy.key is None else policy.key(payload)


def key_of(policy: Policy, selected: Json, environment: Mapping[str, str], resource: str = "") -> str:
    """Return the key of a selected part of the payload: 40 hexadecimal digits, in less than 2 ms for 200 KB."""
    where = resource if policy.by_resource else ""
    values = tuple((name, environment.get(name)) for name in policy.vary) if policy.vary else ()
    return hashlib.sha256(_about(policy.task, where, values) + canonical(selected)).hexdigest()[:40]


@lru_cache(maxsize=1024)
def _about(task: str, resource: str, values: tuple[tuple[str, str | None], ...]) -> bytes:
    return canonical([task, resource, values]) + b"\n"


def tag_key(task: str) -> str:
    """Return the key of a task's tag: entries with another version of it are invalid, so a new version drops all."""
    return "gen-" + hashlib.sha256(task.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def key_text(selected: Json, redact: frozenset[str]) -> str:
    """Return the selected part of the payload for listings: redacted keys masked, cut to 300 characters."""
    text = canonical(masked(selected, redact) if redact else selected).decode("utf-8", "replace")
    return text if len(text) <= _READABLE_LENGTH else text[: _READABLE_LENGTH - 1] + "…"


def masked(value: Json, redact: frozenset[str]) -> Json:
    """Return the value with the values of these keys masked, at every depth."""
    if isinstance(value, dict):
        return {name: _MASK if name in redact else masked(member, redact) for name, member in value.items()}
    if isinstance(value, list):
        return [masked(item, redact) for item in value]
    return value


def code_files(handler: Path, roots: tuple[Path, ...], home: Path) -> Mapping[str, str]:
    """Return the first 16 digits of the SHA-256 of a handler's file and of every local module that it imports, by path.

    Nothing is imported. Imports inside functions count, and literal `importlib.import_module("x")`; module names that
    are computed at run time cannot be seen. `roots` are the directories to search after that of the handler. Paths
    within `home` are relative to it. A file that cannot be read counts as empty.
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
    import ast  # only a run with a cache needs it

    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return  # the handler's own import reports it
    for node in ast.walk(tree):
        for folder, name in _names(node, file, folders):
            yield from _files(folder, name)


def _names(node: object, file: Path, folders: tuple[Path, ...]) -> Iterator[tuple[Path, str]]:
    """The modules that a statement may import, each with a directory to search."""
    import ast

    match node:
        case ast.Import(names=names):
            yield from ((folder, alias.name) for alias in names for folder in folders)
        case ast.ImportFrom(module=module, names=names, level=level):
            searched = (file.parents[level - 1],) if 0 < level <= len(file.parents) else folders
            stems = [".".join(filter(None, (module, alias.name))) for alias in names]
            yield from ((folder, stem) for stem in [*filter(None, [module]), *stems] for folder in searched)
        case ast.Call(func=ast.Name("__import__") | ast.Attribute(attr="import_module") | ast.Name("import_module")):
            if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
                yield from ((folder, node.args[0].value) for folder in folders)


def _files(folder: Path, name: str) -> Iterator[Path]:
    """Yield the existing files that importing `a.b.c` runs: those of its parent packages, and the module."""
    path = folder
    for part in name.split("."):
        if not part.isidentifier():
            return
        path = path / part
        for file in (path / "__init__.py", path.with_name(f"{part}.py")):
            if file.is_file():
                yield file.resolve()
                break
