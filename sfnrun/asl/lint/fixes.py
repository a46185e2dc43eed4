"""Problems are mended by changing the text where they are, and nothing else: comments, order and style stay.

Each change is proved before it is kept: the new text is read again, and has to give exactly the value that was meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from sfnrun.asl.lint.inspection import Inspection, Wanted
from sfnrun.asl.lint.machines import machines_in
from sfnrun.asl.lint.outline import Outline
from sfnrun.asl.text.place import LinesInside, Place
from sfnrun.asl.text.source import Source, from_text
from sfnrun.errors import DefinitionError, Fix
from sfnrun.payload import Json, dumps, loads

__all__ = ["Mended", "mended"]

Pointer = tuple[str | int, ...]


class Mended(NamedTuple):
    """A file's text with changes, and how many there are."""

    text: str
    changes: int


class _Edit(NamedTuple):
    """What is put in the place of a part of the text; an empty part is a place to put something in."""

    start: int
    end: int
    text: str


class _Change(NamedTuple):
    """A fix of one machine in a file, as an edit of the file."""

    source: Source
    fix: Fix
    edit: _Edit


def mended(found: Inspection, wanted: Wanted) -> Mended | None:
    """The text of a file with everything mended that can be done safely; None if there is nothing of the kind."""
    changes = list(_changes(found))
    if not changes:
        return None
    text = changes[0].source.rows.text
    if _holds(text, changes, wanted):
        return Mended(_edited(text, changes), len(changes))
    # One of them does more than it should, as in a YAML anchor that is used twice: each has to prove itself.
    kept: list[_Change] = []
    for change in changes:
        if _holds(text, [*kept, change], wanted):
            kept.append(change)
    return Mended(_edited(text, kept), len(kept)) if kept else None


def _changes(found: Inspection) -> Iterator[_Change]:
    told = set(found.problems)
    seen: set[_Edit] = set()
    for source, problems in found.machines:
        for fix in dict.fromkeys(problem.fix for problem in problems if problem.fix and problem in told):
            edit = _edit(source, fix)
            if edit is not None and edit not in seen:
                seen.add(edit)
                yield _Change(source, fix, edit)


def _edit(source: Source, fix: Fix) -> _Edit | None:
    if fix.kind == "add" and not _may_end(source, fix.pointer):
        return None
    edit = _EDITS[fix.kind](source, fix)
    if edit is None or not isinstance(source.rows, LinesInside):
        return edit
    if source.rows.write is None:
        return None
    at = source.rows.offsets(edit.start, edit.end) if edit.end > edit.start else (_after(source.rows, edit.start),) * 2
    return _Edit(*at, source.rows.write(edit.text))


def _after(rows: LinesInside, offset: int) -> int:
    return rows.offsets(offset - 1, offset)[1]


def _may_end(source: Source, pointer: Pointer) -> bool:
    """Whether a state that says nothing may be the last: if another one is never reached, that one was meant."""
    around = pointer[:-3]  # …, "States", name, "End"
    scope = next(scope for scope in Outline.of(source.value).scopes if scope.pointer == around)
    return scope.reachable == set(scope.states)


def _rename(source: Source, fix: Fix) -> _Edit | None:
    place, found = source.find(fix.pointer)
    if found < len(fix.pointer) or place.key_start < 0:
        return None
    quotes = int(source.text[place.key_start] in "\"'")
    start, end = place.key_start + quotes, place.key_end - quotes
    return _Edit(start, end, fix.name) if source.text[start:end] == fix.pointer[-1] else None


def _remove(source: Source, fix: Fix) -> _Edit | None:
    place, found = source.find(fix.pointer)
    if found < len(fix.pointer) or place.key_start < 0:
        return None
    text, parent = source.text, source.find(fix.pointer[:-1])[0]
    if text[parent.start] == "{":
        return _Edit(*_with_comma(text, place.key_start, place.end), "")
    line, after = text.rfind("\n", 0, place.key_start) + 1, text.find("\n", place.end)
    if text[line : place.key_start].strip():
        return None  # it stands behind something else on its line
    return _Edit(line, after + 1, "") if after >= 0 else _Edit(max(0, line - 1), len(text), "")


def _with_comma(text: str, start: int, end: int) -> tuple[int, int]:
    """From the start of a member to that of the next one; of the last, from the comma before it."""
    after = len(text) - len(text[end:].lstrip())
    if text[after : after + 1] == ",":
        return start, len(text) - len(text[after + 1 :].lstrip())
    before = len(text[:start].rstrip())
    return (before - 1 if text[before - 1] == "," else start), end


def _add(source: Source, fix: Fix) -> _Edit | None:
    parent, found = source.find(fix.pointer[:-1])
    if found < len(fix.pointer) - 1 or not isinstance(parent.children, dict) or not parent.children:
        return None
    last = max(parent.children.values(), key=lambda child: child.start)
    if not parent.start <= last.key_start < len(source.text[: last.end].rstrip()) <= parent.end:
        return None  # merged in from elsewhere
    add = _add_to_flow if source.text[parent.start] == "{" else _add_to_block
    return add(source.text, parent, last, fix.name)


def _add_to_flow(text: str, parent: Place, last: Place, name: str) -> _Edit:
    """Behind the last member, with the blanks, quotes and colon that it has."""
    before = text[parent.start + 1 : last.key_start]
    quote = text[last.key_start] if text[last.key_start] in "\"'" else ""
    colon = text[last.key_end : last.start]
    colon = colon if colon.strip() == ":" else ": "
    is_first = not before.strip() and "\n" not in before
    blank = colon.strip(":") if is_first else before[len(before.rstrip()) :]
    return _Edit(last.end, last.end, f",{blank}{quote}{name}{quote}{colon}true")


def _add_to_block(text: str, parent: Place, last: Place, name: str) -> _Edit | None:
    """On a line of its own, below the last member and what is said of it there."""
    first = min(parent.children.values(), key=lambda child: child.start) if isinstance(parent.children, dict) else last
    indent = text[text.rfind("\n", 0, first.key_start) + 1 : first.key_start]
    if indent.strip():
        return None
    end = text.find("\n", _end_of(text, last))
    end = len(text) if end < 0 else end
    newline = "\r\n" if text[end - 1 : end] == "\r" else "\n"
    end -= newline == "\r\n"
    return _Edit(end, end, f"{newline}{indent}{name}: true")


def _end_of(text: str, place: Place) -> int:
    """Where the last line of a block ends that is not a comment below it."""
    while place.children and text[place.start] not in "{[*":
        children = place.children.values() if isinstance(place.children, dict) else place.children
        place = max(children, key=lambda child: child.start)
    return len(text[: place.end].rstrip())


_EDITS: Mapping[str, Callable[[Source, Fix], _Edit | None]] = {"add": _add, "remove": _remove, "rename": _rename}


def _edited(text: str, changes: list[_Change]) -> str:
    for edit in sorted((change.edit for change in changes), reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _holds(text: str, changes: list[_Change], wanted: Wanted) -> bool:
    """Whether the edited text gives, for every machine, what its fixes should make of its value."""
    edited = _edited(text, changes)
    try:
        return all(
            _value_in(edited, source, wanted) == _expected(source, [c.fix for c in changes if c.source is source])
            for source in {id(change.source): change.source for change in changes}.values()
        )
    except DefinitionError:
        return False


def _value_in(text: str, source: Source, wanted: Wanted) -> Json:
    """What the machine is in a new text of its file."""
    if not source.within:
        return from_text(text, source.name, source.format, source.substitutions.values).value
    parts = machines_in(source.name, wanted.substitutions, text=text)
    return next((part.source.value for part in parts if part.source and part.source.within == source.within), None)


def _expected(source: Source, fixes: list[Fix]) -> Json:
    value = loads(dumps(source.value))
    for fix in sorted(fixes, key=lambda fix: -len(fix.pointer)):  # what is inside goes before what is around it
        holder: Any = value
        for step in fix.pointer[:-1]:
            holder = holder[step]
        name = fix.pointer[-1]
        if fix.kind == "add":
            holder[name] = True
        elif fix.kind == "remove":
            del holder[name]
        else:
            holder[fix.name] = holder.pop(name)
    return value
