"""Addresses: parse and print MACHINE, RUN, RUN/CHILD, PLACE, RUN:PLACE and TARGET, the same everywhere.

    MACHINE    order.asl.yaml    template.yaml#Order    Order    arn:aws:states:…:stateMachine:Order:live    -
    RUN        order-7    last    last~1    arn:aws:states:…:execution:Order:order-7    histories/refund.jsonl
    RUN/CHILD  order-7/ship-3    order-7/Prices[17]    order-7/Prices    order-7/Prices/8a1d
    PLACE      Price    Checkout[2].Price    Poll#3    Loop#2[0].Charge@2    Checkout[2]."Price v1.2"
    RUN:PLACE  order-7:Checkout[2].Price    :Price

`#` is the visit of a state and `@` the attempt, both from 1; `[N]` is the item of a Map or the branch of a Parallel,
from 0; `.` precedes the state inside. Nothing here reads a file or a history: `api.lookup` resolves addresses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from typing import Literal

from msgspec import Struct

from sfnrun.errors import UsageError

__all__ = [
    "LAST",
    "Child",
    "MachineAddress",
    "Place",
    "RunAddress",
    "Step",
    "is_token",
    "parse_address",
    "parse_machine",
    "parse_place",
    "parse_run",
    "print_address",
]

# What a name cannot contain without quotes. A child's label cannot contain a slash either.
_SPECIAL = re.compile(r'[.\[\]#@:"\x00-\x1f\x7f-\x9f]')
_SPECIAL_IN_CHILD = re.compile(r'[.\[\]#@:"/\x00-\x1f\x7f-\x9f]')

_RAW = re.compile(r'[^.\[\]#@:"\x00-\x1f\x7f-\x9f]+')
_RAW_CHILD = re.compile(r'[^\[\]:"/\x00-\x1f\x7f-\x9f]+')
_SUFFIXES = re.compile(r"(?:#(?P<visit>[0-9]+))?(?:@(?P<attempt>[0-9]+))?(?:\[(?P<item>[0-9]+)\])?")
_ITEM = re.compile(r"\[([0-9]+)\]")

# A path: it starts like one, or `.jsonl` precedes the first colon, which no name of an execution contains.
_FILE = re.compile(r"(?:(?=\.{0,2}/|~/|[A-Za-z]:[\\/]).*?|[^:]*?)\.jsonl(?=$|[:/])", re.DOTALL)
_NO_NAME = re.compile(r'[~"\[\]#]')  # AWS rejects more, and no execution is called so either
_LAST = re.compile(r"last(?:~([0-9]+))?")

# An Express ARN of AWS ends with the id of the execution, one of sfnrun with its name.
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_RUN_ARN = re.compile(
    rf"arn:[^:]*:states:[^:]*:[^:]*:(?:(?:execution|mapRun):[^:]+:[^:/]+|express:[^:]+:[^:/]+(?::{_UUID}(?=$|[:/]))?)"
)
_MACHINE_ARN = re.compile(r"(arn:[^:]*:states:[^:]*:[^:]*:stateMachine:[^:]+)(?::([^:]+))?")

# Longer than any name, so that a token is never taken for one.
_TOKEN = re.compile(r"[A-Za-z0-9+/=_.-]{81,}")


class Step(Struct, frozen=True):
    """One state on the way to a place; None is left open."""

    state: str
    visit: int | None = None
    attempt: int | None = None
    item: int | None = None

    def __str__(self) -> str:
        return _quoted_if_special(self.state, _SPECIAL) + self._suffixes()

    def _suffixes(self) -> str:
        visit = "" if self.visit is None else f"#{self.visit}"
        attempt = "" if self.attempt is None else f"@{self.attempt}"
        return visit + attempt + ("" if self.item is None else f"[{self.item}]")


class Place(Struct, frozen=True):
    """Where in a run: the states from the outermost that is named to the innermost."""

    steps: tuple[Step, ...]

    @classmethod
    def of(cls, state: str) -> Place:
        """The place of a state, everything else left open."""
        return cls((Step(state),))

    @property
    def state(self) -> str:
        """The innermost state."""
        return self.steps[-1].state

    def __str__(self) -> str:
        return ".".join(map(str, self.steps))

    def text(self, states: Collection[str]) -> str:
        """The address where a definition has these `states`: it is quoted if it would read as the name of one."""
        text = str(self)
        if text not in states or self == Place.of(text):
            return text
        first, *rest = self.steps
        for quoted in (json.dumps(first.state, ensure_ascii=False), _escaped(first.state)):
            text = ".".join([quoted + first._suffixes(), *map(str, rest)])
            if text not in states:
                break
        return text


class Child(Struct, frozen=True):
    """A step from a run to its child: the name of a nested execution, or the label of a Map Run and perhaps an item."""

    name: str
    item: int | None = None

    def __str__(self) -> str:
        return _quoted_if_special(self.name, _SPECIAL_IN_CHILD) + ("" if self.item is None else f"[{self.item}]")


class RunAddress(Struct, frozen=True):
    """A run: by `name` (a name, an ARN, or a path), or `back` executions before the last one."""

    kind: Literal["name", "last", "arn", "file"]
    name: str = ""
    back: int = 0
    children: tuple[Child, ...] = ()

    def __str__(self) -> str:
        base = (f"last~{self.back}" if self.back else "last") if self.kind == "last" else self.name
        if self.kind == "file" and _FILE.fullmatch(base) is None:
            base = f"./{base}"
        return "/".join([base, *map(str, self.children)])


LAST = RunAddress("last")


class MachineAddress(Struct, frozen=True):
    """A state machine: a file or a name, with the name inside the file; an ARN with its qualifier; or stdin."""

    kind: Literal["name", "arn", "stdin"]
    name: str = ""
    inside: str = ""

    def __str__(self) -> str:
        separator = ":" if self.kind == "arn" else "#"
        return "-" if self.kind == "stdin" else self.name + (self.inside and separator + self.inside)


def parse_machine(text: str, is_file: Callable[[str], bool] = lambda path: False) -> MachineAddress:
    """Parse MACHINE. A file that exists wins: one named `a#b.json` is not the machine `b.json` in `a`."""
    if text == "-":
        return MachineAddress("stdin")
    arn = _MACHINE_ARN.fullmatch(text)
    if arn is not None:
        return MachineAddress("arn", arn[1], arn[2] or "")
    path, hash_, name = text.rpartition("#")
    if not hash_ or is_file(text):
        path, name = text, ""
    if not path or (hash_ and not name and path != text):
        raise UsageError(f"invalid state machine address '{text}'", "expected FILE, FILE#NAME, a name or an ARN")
    return MachineAddress("name", path, name)


def parse_run(text: str) -> RunAddress:
    """Parse RUN or RUN/CHILD; an empty text is the last run."""
    run, end = _run(text)
    if end != len(text):
        raise UsageError(f"invalid run address '{text}'", "a run is a name, last, last~1, an ARN or FILE.jsonl")
    return run


def parse_address(text: str) -> tuple[RunAddress, str | None]:
    """Parse RUN[:PLACE]. Returns the place as text, since only the run's definition knows its states' names."""
    run, end = _run(text)
    if end == len(text):
        return run, None
    if text[end] != ":" or end + 1 == len(text):
        raise UsageError(f"invalid address '{text}'", "expected RUN or RUN:PLACE, such as order-7:Checkout[2].Price")
    return run, text[end + 1 :]


def print_address(run: RunAddress | str, place: Place | None = None, states: Collection[str] = ()) -> str:
    """Print RUN or RUN:PLACE; the inverse of `parse_address`."""
    return str(run) if place is None else f"{run}:{place.text(states)}"


def parse_place(text: str, states: Collection[str] = ()) -> Place:
    """Parse PLACE. The whole text is the name of one of the `states`, if one is called so."""
    if text in states:
        return Place.of(text)
    steps: list[Step] = []
    at = 0
    while True:
        state, at = _name(text, at, _RAW)
        suffixes = _SUFFIXES.match(text, at)
        assert suffixes is not None  # it matches the empty text
        found = {name: None if digits is None else int(digits) for name, digits in suffixes.groupdict().items()}
        if not state or found["visit"] == 0 or found["attempt"] == 0:
            raise _invalid_place(text)
        steps.append(Step(state, **found))
        at = suffixes.end()
        if at == len(text):
            return Place(tuple(steps))
        if text[at] != ".":
            raise _invalid_place(text)
        at += 1


def is_token(target: str) -> bool:
    """Whether TARGET can only be a task token, not RUN or RUN:PLACE."""
    return _TOKEN.fullmatch(target) is not None


def _run(text: str) -> tuple[RunAddress, int]:
    """The run that a text begins with, and where it ends."""
    if not text or text[0] == ":":
        return LAST, 0
    base, at = _base(text)
    children: list[Child] = []
    while text[at : at + 1] == "/":
        name, at = _name(text, at + 1, _RAW_CHILD)
        if not name:
            raise UsageError(f"invalid run address '{text}'", "a child is a name, LABEL, LABEL[N] or LABEL/NAME")
        item = _ITEM.match(text, at)
        children.append(Child(name, None if item is None else int(item[1])))
        at = at if item is None else item.end()
    return RunAddress(base.kind, base.name, base.back, tuple(children)), at


def _base(text: str) -> tuple[RunAddress, int]:
    arn = _RUN_ARN.match(text)
    if arn is not None:
        return RunAddress("arn", arn[0]), arn.end()
    file = _FILE.match(text)
    if file is not None:
        return RunAddress("file", file[0]), file.end()
    name = re.split("[/:]", text, maxsplit=1)[0]
    last = _LAST.fullmatch(name)
    if last is not None:
        return RunAddress("last", back=int(last[1] or 0)), len(name)
    if name and not _NO_NAME.search(name):
        return RunAddress("name", name), len(name)
    raise UsageError(f"invalid run address '{text}'", "a run is a name, last, last~1, an ARN or FILE.jsonl")


def _name(text: str, at: int, raw: re.Pattern[str]) -> tuple[str, int]:
    """A name from a position on, quoted or not, and where it ends; empty if there is none."""
    if text[at : at + 1] != '"':
        found = raw.match(text, at)
        return ("", at) if found is None else (found[0], found.end())
    try:
        name, end = _DECODE(text, at)
    except ValueError:
        raise UsageError(f"invalid address '{text}': the quoted name is not a JSON string") from None
    return str(name), end


def _invalid_place(text: str) -> UsageError:
    hint = "expected STATE[#VISIT][@ATTEMPT][[ITEM]], with . before a state inside; quote names that contain .[]#@:"
    return UsageError(f"invalid place '{text}'", hint)


def _quoted_if_special(name: str, special: re.Pattern[str]) -> str:
    return json.dumps(name, ensure_ascii=False) if special.search(name) else name


def _escaped(name: str) -> str:
    """A JSON string of a name which looks like no other way to write it."""
    first = "".join(f"\\u{ord(unit):04x}" for unit in _utf16(name[0]))
    return f'"{first}{json.dumps(name[1:], ensure_ascii=False)[1:]}'


def _utf16(character: str) -> str:
    code = ord(character)
    return character if code < 0x10000 else f"{chr(0xD7C0 + (code >> 10))}{chr(0xDC00 + (code & 0x3FF))}"


_DECODE = json.JSONDecoder().raw_decode
