"""`--fix` and `--diff`: what is safe is mended, again until nothing is left to mend, and shown before."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff

from msgspec import Struct

from sfnrun.asl.lint.fixes import Fixed
from sfnrun.asl.lint.inspection import Inspection
from sfnrun.asl.load import fix
from sfnrun.cli.checking import Checker, Round
from sfnrun.errors import UsageError

__all__ = ["Mending", "mend"]

# Mending one thing can show the next; more often than this it never did.
_ROUNDS = 5
_BOM = b"\xef\xbb\xbf"


class Mending(Struct):
    """What was mended, or could be: files as they were by path, as they are now, and how many changes there are."""

    before: dict[str, str] = {}
    after: dict[str, str] = {}
    changes: int = 0

    def diff(self) -> Iterator[str]:
        """The lines of a unified diff."""
        for path, before in self.before.items():
            lines = before.splitlines(keepends=True), self.after[path].splitlines(keepends=True)
            for line in unified_diff(*lines, path, path):
                yield line.removesuffix("\n")
                if not line.endswith("\n"):
                    yield "\\ No newline at end of file"


def mend(checker: Checker, names: list[str], found: Round, *, write: bool) -> tuple[Mending, Round]:
    """Mend the files of a round; the Round that follows if they are written, else the same one.

    Raises UsageError if a file cannot be written.
    """
    mending = Mending({}, {})
    for _ in range(_ROUNDS if write else 1):
        changed = [(one, new) for one in found.inspections if (new := _mended(checker, one)) is not None]
        if not changed:
            break
        for one, new in changed:
            mending.changes += new.changes
            mending.before.setdefault(one.path, one.machines[0][0].lines.text)
            mending.after[one.path] = new.text
            if write:
                _write(one.path, new.text)
        if write:
            found = checker.round(names)
    return mending, found


def _mended(checker: Checker, one: Inspection) -> Fixed | None:
    return None if one.path == "-" else fix(one, checker.wanted(one.path))


def _write(path: str, text: str) -> None:
    try:
        with open(path, "r+b") as file:
            mark = _BOM if file.read(3) == _BOM else b""
            file.seek(0)
            file.write(mark + text.encode())
            file.truncate()
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
