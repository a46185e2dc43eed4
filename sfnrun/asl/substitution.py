"""`${Name}`: what CloudFormation, SAM, CDK, Serverless and Terraform put into a definition before AWS sees it.

CloudFormation replaces text before the definition is parsed (DefinitionProcessor of its resource provider), and again in
what it put in. So a placeholder inside quotes gives a string whatever its value, and one that stands for a whole value
without quotes (`"TimeoutSeconds": ${Timeout}`) gives what its text says. A placeholder is kept from being replaced as
`$${Name}` (Terraform), `${!Name}` (Fn::Sub) or `\\${Name}`: it loses the mark and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sfnrun.payload import Json, dumps

__all__ = ["Placeholder", "Pointer", "Substitutions", "substitute"]

Pointer = tuple[str | int, ...]

_PLACEHOLDER = re.compile(r"([$\\]?)\$\{(!?)([^{}\"'$\n]+)\}")
# What a name looks like, so that other uses of ${ } are left alone. Names that are given may look like anything.
_NAME = re.compile(r"[A-Za-z_][\w.\-/]*(?::{1,2}[\w.\-/]+)*")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A `${Name}` that has no value: where it stands, and whether it is all of its string.

    `offset` counts characters of the string value; `is_key` says that it stands in the key, not in the value.
    """

    name: str
    pointer: Pointer
    whole: bool
    offset: int = 0
    is_key: bool = False

    @property
    def text(self) -> str:
        return f"${{{self.name}}}"


class Substitutions:
    """Values by name, with placeholders inside the values resolved too. Names that were used are in `used`."""

    def __init__(self, values: Mapping[str, Json] | None) -> None:
        self._values = values or {}
        self._texts: dict[str, str] = {}
        self.used: dict[str, None] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._values)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        """The text that stands for `${name}`. Raises ValueError if the value leads back to itself."""
        self.used[name] = None
        if name not in self._texts:
            self._texts[name] = self._resolve(name, ())
        return self._texts[name]

    def _resolve(self, name: str, within: tuple[str, ...]) -> str:
        if name in within:
            raise ValueError(f"the substitutions {' -> '.join((*within, name))} lead back to themselves")
        value = self._values[name]
        text = value if isinstance(value, str) else dumps(value)
        return _PLACEHOLDER.sub(lambda found: self._inner(found, (*within, name)), text)

    def _inner(self, found: re.Match[str], within: tuple[str, ...]) -> str:
        if found[1] or found[2] or found[3] not in self._values:
            return found[0]
        return self._resolve(found[3], within)

    def pieces(self, text: str) -> Iterator[tuple[int, int, str, str | None]]:
        """The placeholders of a text: start, end, what replaces them, and the name if it has no value."""
        is_jsonata = text.startswith("{%")
        for found in _PLACEHOLDER.finditer(text):
            before, bang, name = found[1], found[2], found[3]
            known = name in self._values
            if not known and (not _NAME.fullmatch(name) or (is_jsonata and _is_object(name))):
                continue
            if before or bang:
                yield found.start(), found.end(), f"${{{name}}}", None
            elif known:
                yield found.start(), found.end(), self.text(name), None
            else:
                yield found.start(), found.end(), found[0], name


def _is_object(name: str) -> bool:
    """`${a:b}` in JSONata groups `$`, so it is no placeholder there; `${AWS::Region}` is no JSONata."""
    return ":" in name.replace("::", "")


def substitute(
    value: Json, substitutions: Substitutions, mark: str, bare: Callable[[str], Json]
) -> tuple[Json, list[Placeholder], dict[Pointer, str]]:
    """The value with its placeholders replaced, in place; those that have no value; what was replaced, as written.

    Strings that begin with `mark` stood unquoted; `bare(text)` reads what replaces them. A renamed key is written under
    the pointer of the new key alone. Raises Unusable, and ValueError for values that lead back to themselves.
    """
    walk = _Walk(substitutions, mark, bare)
    walk.through(value)
    return value, walk.unresolved, walk.written


class _Walk:
    """One iterative walk over a value; a container that a YAML alias shares is visited once."""

    def __init__(self, substitutions: Substitutions, mark: str, bare: Callable[[str], Json]) -> None:
        self._substitutions = substitutions
        self._mark = mark
        self._bare = bare
        self.unresolved: list[Placeholder] = []
        self.written: dict[Pointer, str] = {}

    def through(self, value: Json) -> None:
        stack: list[tuple[Json, Pointer]] = [(value, ())]
        seen: set[int] = set()
        while stack:
            container, at = stack.pop()
            if id(container) in seen:
                continue
            seen.add(id(container))
            if type(container) is dict and any("${" in key for key in container):
                self._rename(container, at)
            children = list(container.items() if type(container) is dict else enumerate(container))
            for step, child in children:
                if type(child) is str:
                    if "${" in child or (self._mark and child.startswith(self._mark)):
                        container[step] = self._replaced(child, (*at, step))
            stack += [
                ((child), (*at, step)) for step, child in reversed(children) if child and type(child) in (dict, list)
            ]

    def _replaced(self, text: str, pointer: Pointer) -> Json:
        if self._mark and text.startswith(self._mark):
            return self._unquoted(text[1:], pointer)
        replaced = self._text(text, pointer, False)
        if replaced != text:
            self.written[pointer] = text
        return replaced

    def _text(self, text: str, pointer: Pointer, is_key: bool) -> str:
        parts: list[str] = []
        at = length = 0
        for start, end, replacement, missing in self._substitutions.pieces(text):
            parts += text[at:start], replacement
            length += start - at
            if missing is not None:
                whole = end - start == len(text)
                self.unresolved.append(Placeholder(missing, pointer, whole, length, is_key))
            length += len(replacement)
            at = end
        return "".join((*parts, text[at:])) if parts else text

    def _unquoted(self, name: str, pointer: Pointer) -> Json:
        if name not in self._substitutions:
            self.unresolved.append(Placeholder(name, pointer, True))
            return f"${{{name}}}"
        text = self._substitutions.text(name)
        try:
            return self._bare(text)
        except ValueError:
            raise Unusable(name, text, pointer) from None

    def _rename(self, container: dict[str, Json], at: Pointer) -> None:
        renamed = {key: self._text(key, (*at, key), True) if "${" in key else key for key in container}
        if len(set(renamed.values())) < len(renamed):
            raise ValueError(f"substitutions make two keys of one name in {at[-1] if at else 'the definition'}")
        items = [(renamed[key], child) for key, child in container.items()]
        container.clear()
        container.update(items)
        self.written |= {(new,): old for old, new in renamed.items() if new != old}


class Unusable(ValueError):
    """A substitution whose text is no JSON value, where an unquoted placeholder needs one."""

    def __init__(self, name: str, text: str, pointer: Pointer) -> None:
        super().__init__(f"${{{name}}} stands without quotes, and its value {text[:60]!r} is no JSON")
        self.name = name
        self.pointer = pointer
