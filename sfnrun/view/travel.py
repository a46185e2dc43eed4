"""Walking through a recorded execution, backwards as easily as forwards; nothing is executed while a person looks.

A stop is the entry of a state, and one more for the end; events in between are reached one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sfnrun.payload import Payload
from sfnrun.record import Event
from sfnrun.view.changes import summary
from sfnrun.view.line import MARKS
from sfnrun.view.measures import clean, counted, duration
from sfnrun.view.tidy_json import tidy

__all__ = ["Travel"]

_MENU = "[Enter] next  b back  j STATE  d data  q quit  ? more > "
_HELP = """\
  Enter, n  to the next state
  b         back to the state before
  e, E      to the next event; to the one before
  j TO      to a state by its name, or to an event by its number
  d         the data of this event
  o         the states that are open
  c         to the end
  q         quit
"""
_DATA_LINES = 60


class Travel:
    """Asks a person at a terminal where to go; `read` and `write` are its two ends.

    `ending` are lines that are said at the last event: how the execution ended, or where a replay diverged.
    """

    def __init__(
        self,
        events: Sequence[Event],
        read: Callable[[], str],
        write: Callable[[str], object],
        ending: Sequence[str] = (),
    ) -> None:
        self._events = events
        self._read = read
        self._write = write
        self._ending = ending
        self._at = 0
        self._commands: dict[str, Callable[[str], bool]] = {
            "": lambda _: self._to(self._next_stop(1)),
            "n": lambda _: self._to(self._next_stop(1)),
            "b": lambda _: self._to(self._next_stop(-1)),
            "e": lambda _: self._to(self._at + 1),
            "E": lambda _: self._to(self._at - 1),
            "j": self._jump,
            "d": self._data,
            "o": self._open_states,
            "c": lambda _: self._to(len(self._events) - 1),
            "?": lambda _: bool(self._write(_HELP)),
        }

    def __call__(self) -> None:
        """Walk until the person quits."""
        self._to(self._next_stop(1))
        while True:
            self._write(_MENU)
            answer = self._read()
            command, _, rest = answer.strip().partition(" ")
            if not answer or command == "q":
                return
            act = self._commands.get(command)
            if act is None:
                self._write(f"  there is no command {clean(command)}\n{_HELP}")
            else:
                act(rest.strip())

    # --- moving ---

    def _next_stop(self, step: int) -> int:
        """The next or last entry of a state, or the first or last event."""
        at = self._at + step
        while 0 < at < len(self._events) - 1 and not self._events[at].type.endswith("StateEntered"):
            at += step
        return at

    def _to(self, at: int) -> bool:
        if not 0 <= at < len(self._events):
            self._write("  that is the end\n" if at > 0 else "  that is the beginning\n")
            return False
        self._at = at
        self._show()
        return True

    def _jump(self, to: str) -> bool:
        """To an event by its number, or to the next visit of a state, beginning anew after the last one."""
        if to.isdigit():
            found = next((place for place, event in enumerate(self._events) if event.id == int(to)), None)
        else:
            order = [*range(self._at + 1, len(self._events)), *range(self._at + 1)]
            found = next((place for place in order if self._is_entry(place, to)), None)
        if found is None:
            self._write(f"  there is no {'event' if to.isdigit() else 'visit of a state'} {clean(to)}\n")
            return False
        return self._to(found)

    def _is_entry(self, place: int, name: str) -> bool:
        event = self._events[place]
        return event.type.endswith("StateEntered") and event.details["name"] == name

    # --- showing ---

    def _show(self) -> None:
        event = self._events[self._at]
        since = duration(event.at - self._events[0].at)
        entry = self._entry(event)
        state = clean(str(event.details.get("name") or (entry.details["name"] if entry else "")))
        where = f"  in {event.fiber}" if event.fiber else ""
        self._write(f"\n● {event.id}/{self._events[-1].id}  +{since}  {f'{event.type} {state}'.rstrip()}{where}\n")
        before = entry.details.get("input") if entry is not None and event.type.endswith("StateExited") else None
        data = event.details.get("output")
        if isinstance(before, Payload) and isinstance(data, Payload):
            for change in summary(before.value, data.value):
                self._write(f"  {MARKS[change.kind][0]} {change.text}\n")
        for told in ("error", "cause"):
            if event.details.get(told):
                self._write(f"  {told}: {clean(str(event.details[told]))}\n")
        if self._at == len(self._events) - 1:
            self._write("".join(f"  {line}\n" for line in self._ending))

    def _entry(self, event: Event) -> Event | None:
        """The entry of the state that an event happens in; none for those of the execution itself."""
        if event.type.startswith("Execution"):
            return None
        before = self._events[: self._at + 1]
        inside = (each for each in reversed(before) if each.fiber == event.fiber and each.type.endswith("StateEntered"))
        return next(inside, None)

    def _data(self, _: str) -> bool:
        for name, value in self._events[self._at].details.items():
            lines = list(tidy(_plain(value), indent="    "))
            self._write(f"  {name}\n")
            self._write("".join(f"{clean(line)}\n" for line in lines[:_DATA_LINES]))
            if len(lines) > _DATA_LINES:
                self._write(f"    … {counted(len(lines) - _DATA_LINES, 'more line')}\n")
        return True

    def _open_states(self, _: str) -> bool:
        open_states: dict[str, str] = {}
        for event in self._events[: self._at + 1]:
            if event.type.endswith("StateEntered"):
                open_states[event.fiber] = event.details["name"]
            elif event.type.endswith("StateExited"):
                open_states = {
                    fiber: name
                    for fiber, name in open_states.items()
                    if fiber != event.fiber and not fiber.startswith(f"{event.fiber}/" if event.fiber else "")
                }
        for fiber, name in open_states.items():
            self._write(f"  {clean(name)}{f'  in {fiber}' if fiber else ''}\n")
        if not open_states:
            self._write("  no state is open\n")
        return True


def _plain(value: Any) -> Any:
    if isinstance(value, Payload):
        return value.value
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return value
