r"""Replace `${Name}` placeholders as CloudFormation, SAM, CDK, Serverless and Terraform do at deployment.

CloudFormation replaces text before the definition is parsed, and again in the replacement (DefinitionProcessor of its
resource provider). So a placeholder in quotes becomes a string whatever its value, and an unquoted one that is a whole
value (`"TimeoutSeconds": ${Timeout}`) becomes the value that its text is. `$${Name}` (Terraform), `${!Name}` (Fn::Sub)
and `\${Name}` are escapes: they become `${Name}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct, field

from sfnrun.payload import Json, dumps

__all__ = ["InvalidSubstitution", "Placeholder", "Pointer", "Replaced", "Substitutions", "substitute"]

Pointer = tuple[str | int, ...]

_PLACEHOLDER = re.compile(r"([$\\]?)\$\{(!?)([^{}\"'$\n]+)\}")
# Other uses of ${ } are not placeholders. A name that has a value may look like anything.
_NAME = re.compile(r"[A-Za-z_][\w.\-/]*(?::{1,2}[\w.\-/]+)*")


class Placeholder(Struct, frozen=True):
    """A `${Name}` without a value, in the string at `pointer`; `whole` if it is the whole string.

    `offset` counts characters of the string; `is_key` is True if the string is the key, not the value.
    """

    name: str
    pointer: Pointer
    whole: bool
    offset: int = 0
    is_key: bool = False

    @property
    def text(self) -> str:
        return f"${{{self.name}}}"


class InvalidSubstitution(ValueError):
    """A substitution whose text is not JSON, for an unquoted placeholder."""

    def __init__(self, name: str, text: str, pointer: Pointer) -> None:
        super().__init__(f"Value of the unquoted placeholder ${{{name}}} is not JSON: {text[:60]}")
        self.pointer = pointer


class _Piece(NamedTuple):
    """A placeholder in a text: its range, its replacement, and its name if it has no value."""

    start: int
    end: int
    replacement: str
    missing: str | None


class Substitutions:
    """Values by name; placeholders inside values are replaced, too. `used` has the names that were looked up."""

    def __init__(self, values: Mapping[str, Json] | None) -> None:
        self._values = values or {}
        self._texts: dict[str, str] = {}
        self.used: dict[str, None] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._values)

    @property
    def given(self) -> Mapping[str, Json]:
        """The original values; none if no placeholder used one."""
        return self._values if self.used else {}

    @property
    def values(self) -> Mapping[str, Json]:
        """The original values, used or not."""
        return self._values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        """Return the text that replaces `${name}`. Raises ValueError if the value refers to itself."""
        self.used[name] = None
        if name not in self._texts:
            self._texts[name] = self._resolve(name, ())
        return self._texts[name]

    def _resolve(self, name: str, within: tuple[str, ...]) -> str:
        if name in within:
            raise ValueError(f"Circular substitution: {' -> '.join((*within, name))}")
        value = self._values[name]
        text = value if isinstance(value, str) else dumps(value)
        return _PLACEHOLDER.sub(lambda found: self._resolve_inner(found, (*within, name)), text)

    def _resolve_inner(self, found: re.Match[str], within: tuple[str, ...]) -> str:
        kept, name = found[1] or found[2], found[3]
        return found[0] if kept or name not in self._values else self._resolve(name, within)

    def pieces(self, text: str) -> Iterator[_Piece]:
        """Yield the placeholders of a text."""
        for found in _PLACEHOLDER.finditer(text):
            before, bang, name = found.groups()
            known = name in self._values
            if not known and not _is_name(name, text):
                continue
            if before or bang:
                yield _Piece(found.start(), found.end(), f"${{{name}}}", None)
            elif known:
                yield _Piece(found.start(), found.end(), self.text(name), None)
            else:
                yield _Piece(found.start(), found.end(), found[0], name)

    def offset_before(self, written: str, offset: int, *, is_end: bool = False) -> int:
        """Return where in the original text the character at `offset` of the replaced text begins, or ends."""
        grown = 0
        for start, end, replacement, _ in self.pieces(written):
            if offset < start + grown:
                break
            if offset < start + grown + len(replacement):
                return end if is_end else start
            grown += len(replacement) - (end - start)
        return offset - grown + is_end


def _is_name(name: str, text: str) -> bool:
    """Whether `${name}` is a placeholder. In JSONata `${a:b}` groups `$`; `${AWS::Region}` is not JSONata."""
    is_jsonata_group = text.startswith("{%") and ":" in name.replace("::", "")
    return _NAME.fullmatch(name) is not None and not is_jsonata_group


class Replaced(Struct):
    """What `substitute` found: placeholders without a value; original strings by pointer, original keys by new name."""

    unresolved: list[Placeholder] = field(default_factory=list)
    written: dict[Pointer, str] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)


def substitute(value: Json, substitutions: Substitutions, mark: str, decode: Callable[[str], Json]) -> Replaced:
    """Replace the placeholders of a value, in place.

    A string that begins with `mark` was an unquoted placeholder; `decode` turns the text of its value into JSON.
    Raises InvalidSubstitution, and ValueError for a circular substitution.
    """
    walk = _Walk(substitutions, mark, decode)
    walk.through(value)
    return walk.replaced


# A pointer that is built only when it is needed: the last step, and the trail to its parent.
_Trail = tuple["_Trail | None", str | int]


class _Walk:
    """One iterative walk; a container that YAML aliases share is visited once."""

    def __init__(self, substitutions: Substitutions, mark: str, decode: Callable[[str], Json]) -> None:
        self._substitutions = substitutions
        self._mark = mark
        self._decode = decode
        self.replaced = Replaced()

    def through(self, value: Json) -> None:
        mark = self._mark
        stack: list[tuple[Json, _Trail | None]] = [(value, None)]
        seen: set[int] = set()
        while stack:
            container, trail = stack.pop()
            if id(container) in seen:
                continue
            seen.add(id(container))
            is_object = type(container) is dict
            if is_object and "${" in "".join(container):
                self._rename(container, _pointer(trail))
            for step, child in container.items() if is_object else enumerate(container):
                kind = type(child)
                if kind is str:
                    if "${" in child or (mark and mark in child):
                        container[step] = self._replaced(child, _pointer((trail, step)))
                elif kind is dict or kind is list:
                    stack.append((child, (trail, step)))

    def _replaced(self, text: str, pointer: Pointer) -> Json:
        if self._mark and text.startswith(self._mark):
            return self._unquoted(text[1:], pointer)
        replaced = self._text(text, pointer)
        if replaced != text:
            self.replaced.written[pointer] = text
        return replaced

    def _text(self, text: str, pointer: Pointer, is_key: bool = False) -> str:
        parts: list[str] = []
        at = length = 0
        for start, end, replacement, missing in self._substitutions.pieces(text):
            parts += text[at:start], replacement
            length += start - at
            if missing is not None:
                self.replaced.unresolved.append(Placeholder(missing, pointer, end - start == len(text), length, is_key))
            length += len(replacement)
            at = end
        return "".join((*parts, text[at:])) if parts else text

    def _unquoted(self, name: str, pointer: Pointer) -> Json:
        if name not in self._substitutions:
            self.replaced.unresolved.append(Placeholder(name, pointer, True))
            return f"${{{name}}}"
        text = self._substitutions.text(name)
        try:
            return self._decode(text)
        except ValueError:
            raise InvalidSubstitution(name, text, pointer) from None

    def _rename(self, container: dict[str, Json], at: Pointer) -> None:
        new_names = {key: self._text(key, (*at, key), is_key=True) for key in container}
        if len(set(new_names.values())) < len(new_names):
            where = f"'{at[-1]}'" if at else "the definition"
            raise ValueError(f"Substitutions give two keys of {where} the same name")
        items = [(new_names[key], child) for key, child in container.items()]
        container.clear()
        container.update(items)
        self.replaced.renamed |= {new: old for old, new in new_names.items() if new != old}


def _pointer(trail: _Trail | None) -> Pointer:
    steps: list[str | int] = []
    while trail is not None:
        trail, step = trail
        steps.append(step)
    return tuple(reversed(steps))
