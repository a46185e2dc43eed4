"""Apply fixes by editing only the affected text, so that comments, order and style are preserved.

Each edit is verified before it is kept: the new text is read again, and must have exactly the expected value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from sfnrun.asl.lint.inspection import CheckOptions, Inspection
from sfnrun.asl.lint.machines import machines_in
from sfnrun.asl.lint.outline import Outline
from sfnrun.asl.text.positions import EmbeddedLines, TextNode
from sfnrun.asl.text.source import Reader, Source, from_text
from sfnrun.errors import DefinitionError, Fix
from sfnrun.payload import Json, dumps, loads

__all__ = ["Fixed", "fixed"]

Pointer = tuple[str | int, ...]


class Fixed(NamedTuple):
    """The text of a file after fixes, and their number."""

    text: str
    changes: int


class _Edit(NamedTuple):
    """A range of the text and its replacement; an empty range is an insertion."""

    start: int
    end: int
    text: str


class _Change(NamedTuple):
    """A fix of one state machine of a file, as an edit of the file."""

    source: Source
    fix: Fix
    edit: _Edit


def fixed(found: Inspection, options: CheckOptions, reader: Reader) -> Fixed | None:
    """Return the text of a file with all safe fixes applied; None if no Problem has one."""
    changes = list(_changes(found))
    if not changes:
        return None
    text = changes[0].source.lines.text
    if _is_right(text, changes, options, reader):
        return Fixed(_edited(text, changes), len(changes))
    # One edit changes more than its own value, as in a YAML anchor that is used twice: verify them one by one.
    kept: list[_Change] = []
    for change in changes:
        if _is_right(text, [*kept, change], options, reader):
            kept.append(change)
    return Fixed(_edited(text, kept), len(kept)) if kept else None


def _changes(found: Inspection) -> Iterator[_Change]:
    reported = set(found.problems)
    seen: set[_Edit] = set()
    for source, problems in found.machines:
        for fix in dict.fromkeys(problem.fix for problem in problems if problem.fix and problem in reported):
            edit = _edit(source, fix)
            if edit is not None and edit not in seen:
                seen.add(edit)
                yield _Change(source, fix, edit)


def _edit(source: Source, fix: Fix) -> _Edit | None:
    if fix.kind == "add" and not _may_end(source, fix.pointer):
        return None
    edit = _EDITS[fix.kind](source, fix)
    lines = source.lines
    if edit is None or not isinstance(lines, EmbeddedLines):
        return edit
    if lines.write is None:
        return None
    at = lines.offsets(edit.start, edit.end) if edit.end > edit.start else (_after(lines, edit.start),) * 2
    return _Edit(*at, lines.write(edit.text))


def _after(lines: EmbeddedLines, offset: int) -> int:
    return lines.offsets(offset - 1, offset)[1]


def _may_end(source: Source, pointer: Pointer) -> bool:
    """Whether a state without a transition may end: if another state is unreachable, that one probably comes next."""
    around = pointer[:-3]  # …, "States", name, "End"
    scope = next(scope for scope in Outline.of(source.value).scopes if scope.pointer == around)
    return scope.reachable == set(scope.states)


def _rename(source: Source, fix: Fix) -> _Edit | None:
    node, found = source.find(fix.pointer)
    if found < len(fix.pointer) or node.key_start < 0:
        return None
    quotes = int(source.text[node.key_start] in "\"'")
    start, end = node.key_start + quotes, node.key_end - quotes
    return _Edit(start, end, fix.name) if source.text[start:end] == fix.pointer[-1] else None


def _remove(source: Source, fix: Fix) -> _Edit | None:
    node, found = source.find(fix.pointer)
    if found < len(fix.pointer) or node.key_start < 0:
        return None
    text, parent = source.text, source.find(fix.pointer[:-1])[0]
    if text[parent.start] == "{":
        return _Edit(*_with_comma(text, node.key_start, node.end), "")
    line, after = text.rfind("\n", 0, node.key_start) + 1, text.find("\n", node.end)
    if text[line : node.key_start].strip():
        return None  # not alone on its line
    return _Edit(line, after + 1, "") if after >= 0 else _Edit(max(0, line - 1), len(text), "")


def _with_comma(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the range of a property up to the next one; for the last one, from the comma before it."""
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
        return None  # merged from another mapping
    add = _add_to_flow if source.text[parent.start] == "{" else _add_to_block
    return add(source.text, parent, last, fix.name)


def _add_to_flow(text: str, parent: TextNode, last: TextNode, name: str) -> _Edit:
    """Add a property after the last one, with the same whitespace, quotes and colon."""
    before = text[parent.start + 1 : last.key_start]
    quote = text[last.key_start] if text[last.key_start] in "\"'" else ""
    colon = text[last.key_end : last.start]
    colon = colon if colon.strip() == ":" else ": "
    is_first = not before.strip() and "\n" not in before
    blank = colon.strip(":") if is_first else before[len(before.rstrip()) :]
    return _Edit(last.end, last.end, f",{blank}{quote}{name}{quote}{colon}true")


def _add_to_block(text: str, parent: TextNode, last: TextNode, name: str) -> _Edit | None:
    """Add a property on a line of its own, below the last one and the comment on its line."""
    first = min(parent.children.values(), key=lambda child: child.start) if isinstance(parent.children, dict) else last
    indent = text[text.rfind("\n", 0, first.key_start) + 1 : first.key_start]
    if indent.strip():
        return None
    end = text.find("\n", _end_of(text, last))
    end = len(text) if end < 0 else end
    newline = "\r\n" if text[end - 1 : end] == "\r" else "\n"
    end -= newline == "\r\n"
    return _Edit(end, end, f"{newline}{indent}{name}: true")


def _end_of(text: str, node: TextNode) -> int:
    """Return the end of the last line of a block, without comments below it."""
    while node.children and text[node.start] not in "{[*":
        children = node.children.values() if isinstance(node.children, dict) else node.children
        node = max(children, key=lambda child: child.start)
    return len(text[: node.end].rstrip())


_EDITS: Mapping[str, Callable[[Source, Fix], _Edit | None]] = {"add": _add, "remove": _remove, "rename": _rename}


def _edited(text: str, changes: list[_Change]) -> str:
    for edit in sorted((change.edit for change in changes), reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _is_right(text: str, changes: list[_Change], options: CheckOptions, reader: Reader) -> bool:
    """Whether each state machine in the edited text has the value that its fixes should produce."""
    edited = _edited(text, changes)
    try:
        return all(
            _value_in(edited, source, options, reader)
            == _expected(source, [c.fix for c in changes if c.source is source])
            for source in {id(change.source): change.source for change in changes}.values()
        )
    except DefinitionError:
        return False


def _value_in(text: str, source: Source, options: CheckOptions, reader: Reader) -> Json:
    """Return the value of a state machine in a new text of its file."""
    if not source.within:
        return from_text(text, source.name, source.format, source.substitutions.values).value
    machines = machines_in(source.name, text, options.substitutions, reader)
    return next((one.source.value for one in machines if one.source and one.source.within == source.within), None)


def _expected(source: Source, fixes: list[Fix]) -> Json:
    value = loads(dumps(source.value))
    for fix in sorted(fixes, key=lambda fix: -len(fix.pointer)):  # inner values first
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
