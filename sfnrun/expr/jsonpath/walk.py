"""Compile steps to closures: each step visits the values that it leads to and passes them to the next step.

The order of visits, what is skipped and what is an error are those of Jayway JsonPath 2.0.0, and so are the messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sfnrun.expr.jsonpath.steps import (
    Absolute,
    Elements,
    Filter,
    InnerPath,
    Names,
    Scan,
    Step,
    Wildcard,
    is_definite,
    java_text,
)
from sfnrun.expr.meter import Meter, current_meter
from sfnrun.expr.scope import PathError
from sfnrun.payload import Json

if TYPE_CHECKING:
    from sfnrun.expr.jsonpath.filters import Reader, Test

__all__ = ["compile_steps", "is_metered"]

Trail = tuple[Any, str | int] | None
"""The path to a value as (trail to its container, key); None is the root. It becomes text only in an error."""


class _Found(NamedTuple):
    """The values found so far; `document` is `$` in a filter, `meter` counts the steps of a metered path."""

    document: Json
    values: list[Json]
    meter: Meter | None


# Steps of a scan that are counted at once.
STEPS_AT_ONCE = 1000

# Raising and catching a PathError takes the time of this many steps.
STEPS_OF_AN_ERROR = 10

Visit = Callable[[Json, Trail, _Found], None]


def compile_steps(steps: Sequence[Step], require: bool = False) -> Reader:
    """`(value, document) -> result` of the steps: the value of a definite path, the list of an indefinite one.

    With `require`, a step of several names needs all of them. Raises PathError, and Exceeded if steps are counted.
    """
    metered = is_metered(steps)
    visits: list[Visit] = [_keep_counted if metered else _keep]
    for position in range(len(steps) - 1, -1, -1):
        rest = steps[position:]
        place = _Place(
            text="".join(step.fragment for step in rest),
            leaf=len(rest) == 1,
            # Jayway's "upstream definite" looks at the step before and at all that follow.
            strict=is_definite(steps[max(0, position - 1) :]),
            require=require,
            following=None if len(rest) == 1 else rest[1],
            beyond=visits[-2] if len(rest) > 2 else None,
        )
        visits.append(_COMPILERS[type(rest[0])](rest[0], visits[-1], place))
    return _single(visits[-1]) if is_definite(steps) else _several(visits[-1], metered)


def is_metered(steps: Sequence[Step]) -> bool:
    """Whether the steps of a path are counted: if it can visit a value more than once, or has a costly filter.

    Any other path visits each value at most once.
    """
    return any(
        isinstance(step, Scan)
        or (isinstance(step, Elements) and step.repeats)
        or (isinstance(step, Filter) and _is_costly(step))
        for step in steps
    )


def _is_costly(step: Filter) -> bool:
    from sfnrun.expr.jsonpath.filters import is_costly  # few paths have filters

    return is_costly(step)


def _compiled(step: Filter) -> Test:
    from sfnrun.expr.jsonpath.filters import compile_filter

    return compile_filter(step, _inner_reader)


def _single(visit: Visit) -> Reader:
    def read(value: Json, document: Json) -> Json:
        found = _Found(document, [], None)
        visit(value, None, found)
        return found.values[0]

    return read


def _several(visit: Visit, metered: bool) -> Reader:
    def read(value: Json, document: Json) -> Json:
        found = _Found(document, [], (current_meter.get() or Meter(document)) if metered else None)
        visit(value, None, found)
        return found.values

    return read


class _Place(NamedTuple):
    """The position of a step in its path.

    `text` is the path from it on, `strict` whether a missing prefix is an error, `following` the step after it and
    `beyond` the visit of the one after that.
    """

    text: str
    leaf: bool
    strict: bool
    require: bool
    following: Step | None
    beyond: Visit | None


def _keep(value: Json, trail: Trail, found: _Found) -> None:
    found.values.append(value)


def _keep_counted(value: Json, trail: Trail, found: _Found) -> None:
    assert found.meter is not None
    found.meter.keep(value)
    found.values.append(value)


def _written(trail: Trail) -> str:
    keys: list[str | int] = []
    while trail is not None:
        trail, key = trail
        keys.append(key)
    return "$" + "".join(f"['{key}']" if isinstance(key, str) else f"[{key}]" for key in reversed(keys))


# --- one compiler per step -------------------------------------------------------------------------------------------


def _names(step: Names, then: Visit, place: _Place) -> Visit:
    choose = _one_name(step.names[0], then, place) if len(step.names) == 1 else _several_names(step, then, place)

    def visit(value: Json, trail: Trail, found: _Found) -> None:
        if not isinstance(value, dict):
            raise PathError(f"Property {step.fragment} not found in path {_written(trail)}")
        choose(value, trail, found)

    return visit


def _one_name(name: str, then: Visit, place: _Place) -> Visit:
    def visit(value: Json, trail: Trail, found: _Found) -> None:
        if name in value:
            then(value[name], (trail, name), found)
        elif place.leaf:
            raise PathError(f"No results for path: {_written((trail, name))}")
        elif place.strict:
            raise PathError(f"Missing property in path {_written((trail, name))}")

    return visit


def _several_names(step: Names, then: Visit, place: _Place) -> Visit:
    def visit(value: Json, trail: Trail, found: _Found) -> None:
        if not place.leaf:
            where = _written(trail) + step.fragment
            raise PathError(f"Multi properties can only be used as path leafs: {where}", not_found=False)
        if place.require and not all(name in value for name in step.names):
            raise PathError(f"Missing property in path {_written(trail)}{step.fragment}")
        then({name: value[name] for name in step.names if name in value}, trail, found)

    return visit


def _element(value: list[Json], index: int, trail: Trail, then: Visit, found: _Found) -> None:
    if not 0 <= index < len(value):
        raise PathError(f"Index out of bounds when evaluating path {_written((trail, index))}")
    then(value[index], (trail, index), found)


def _elements(step: Elements, then: Visit, place: _Place) -> Visit:
    def visit(value: Json, trail: Trail, found: _Found) -> None:
        if value is None:
            raise PathError(f"The path {_written(trail)} is null")
        if not isinstance(value, list):
            what = f"Filter: {place.text} can only be applied to arrays. Current context is: {java_text(value)}"
            raise PathError(what, not_found=False)
        for index in step.indices(len(value)):
            if found.meter is not None:
                found.meter.spend(1)
            _element(value, index, trail, then, found)

    return visit


def _wildcard(step: Wildcard, then: Visit, place: _Place) -> Visit:
    def visit(value: Json, trail: Trail, found: _Found) -> None:
        if found.meter is not None and isinstance(value, dict | list):
            found.meter.spend(len(value))
        if isinstance(value, dict):
            for name, member in value.items():
                then(member, (trail, name), found)
        elif isinstance(value, list):
            for index, element in enumerate(value):
                try:
                    then(element, (trail, index), found)
                except PathError as error:
                    if not error.not_found:
                        raise
                    if found.meter is not None:
                        found.meter.spend(STEPS_OF_AN_ERROR)

    return visit


def _filter(step: Filter, then: Visit, place: _Place) -> Visit:
    accepts = _compiled(step)

    def visit(value: Json, trail: Trail, found: _Found) -> None:
        if isinstance(value, dict):
            if accepts(value, found.document, found.meter):
                then(value, trail, found)
        elif isinstance(value, list):
            if found.meter is not None:
                found.meter.spend(len(value))
            for index, element in enumerate(value):
                if accepts(element, found.document, found.meter):
                    then(element, (trail, index), found)
        else:
            what = f"Filter: {place.text} can not be applied to primitives. Current context is: {java_text(value)}"
            raise PathError(what, not_found=False)

    return visit


def _inner_reader(path: InnerPath, require: bool) -> Reader:
    read = compile_steps(path.steps, require)
    if path.of_document:
        return lambda item, document: read(document, document)
    return read


def _absolute(step: Absolute, then: Visit, place: _Place) -> Visit:
    return lambda value, trail, found: then(value, None, found)


def _scan(step: Scan, then: Visit, place: _Place) -> Visit:
    """Visit every object and array below that the next step can be applied to, in document order."""
    suits = _scan_test(place.following)
    beyond = place.beyond

    def visit(value: Json, trail: Trail, found: _Found) -> None:
        assert found.meter is not None
        for node, here in _below(value, trail, found.meter):
            if not suits(node, found.document, found.meter):
                continue
            if isinstance(node, dict) or beyond is None:
                then(node, here, found)
            else:
                # Jayway ignores the index here: $..[0].name visits all elements.
                found.meter.spend(len(node))
                for index, element in enumerate(node):
                    beyond(element, (here, index), found)

    return visit


_CONTAINERS = (dict, list)


def _below(value: Json, trail: Trail, meter: Meter) -> Iterator[tuple[Json, Trail]]:
    """All objects and arrays of the value, itself included, in document order and without recursion."""
    pending: list[tuple[Json, Trail]] = [(value, trail)] if isinstance(value, _CONTAINERS) else []
    steps = 0
    while pending:
        node, here = pending.pop()
        steps += len(node) + 1
        if steps > STEPS_AT_ONCE:
            meter.spend(steps)
            steps = 0
        yield node, here
        if isinstance(node, dict):
            inner = [(each, (here, name)) for name, each in node.items() if isinstance(each, _CONTAINERS)]
        else:
            inner = [(each, (here, index)) for index, each in enumerate(node) if isinstance(each, _CONTAINERS)]
        pending += reversed(inner)
    meter.spend(steps)


def _scan_test(following: Step | None) -> Test:
    if isinstance(following, Names):
        names = following.names
        return lambda node, document, meter: isinstance(node, dict) and all(name in node for name in names)
    if isinstance(following, Elements):
        return lambda node, document, meter: isinstance(node, list)
    if isinstance(following, Wildcard):
        return lambda node, document, meter: True
    if isinstance(following, Filter):
        return _compiled(following)
    return lambda node, document, meter: False


_COMPILERS: dict[type, Callable[[Any, Visit, _Place], Visit]] = {
    Absolute: _absolute,
    Elements: _elements,
    Filter: _filter,
    Names: _names,
    Scan: _scan,
    Wildcard: _wildcard,
}
