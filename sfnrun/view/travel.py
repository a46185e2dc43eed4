"""Interactive stepper through the events of a recorded execution, forwards and backwards. Nothing is executed.

It stops at each StateEntered event and at the end; the events in between are reached one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sfnrun.history.timeline import Timeline
from sfnrun.payload import Payload, plain
from sfnrun.record import Event, Note
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
    """Prompts on a terminal where to go; `read` and `write` are its two ends.

    `happened` are the events and notes in order. `ending` are lines to print at the last event: how the execution
    ended, or where a replay diverged.
    """

    def __init__(
        self,
        happened: Sequence[Event | Note],
        read: Callable[[], str],
        write: Callable[[str], object],
        ending: Sequence[str] = (),
    ) -> None:
        self._happened = happened
        self._events = [event for event in happened if isinstance(event, Event)]
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
        """Step until the user quits."""
        self._to(self._next_stop(1))
        while True:
            self._write(_MENU)
            answer = self._read()
            command, _, rest = answer.strip().partition(" ")
            if not answer or command == "q":
                return
            act = self._commands.get(command)
            if act is None:
                self._write(f"  unknown command {clean(command)}\n{_HELP}")
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
        """To an event by its number, or to the next visit of a state; after the last visit to the first."""
        if to.isdigit():
            found = next((at for at, event in enumerate(self._events) if event.id == int(to)), None)
        else:
            order = [*range(self._at + 1, len(self._events)), *range(self._at + 1)]
            found = next((at for at in order if self._is_entry(at, to)), None)
        if found is None:
            self._write(f"  {'event' if to.isdigit() else 'state'} {clean(to)} not found\n")
            return False
        return self._to(found)

    def _is_entry(self, at: int, name: str) -> bool:
        event = self._events[at]
        return event.type.endswith("StateEntered") and event.details["name"] == name

    # --- showing ---

    def _show(self) -> None:
        event = self._events[self._at]
        since = duration(event.at - self._events[0].at)
        visit = None if event.type.startswith("Execution") else self._timeline().visit_in(event.fiber)
        state = clean(str(event.details.get("name") or (visit.name if visit else "")))
        where = f"  in {event.fiber}" if event.fiber else ""
        self._write(f"\n● {event.id}/{self._events[-1].id}  +{since}  {f'{event.type} {state}'.rstrip()}{where}\n")
        before = visit.input if visit is not None and event.type.endswith("StateExited") else None
        data = event.details.get("output")
        if isinstance(before, Payload) and isinstance(data, Payload):
            for change in summary(before.value, data.value):
                self._write(f"  {MARKS[change.kind][0]} {change.text}\n")
        for name in ("error", "cause"):
            if event.details.get(name):
                self._write(f"  {name}: {clean(str(event.details[name]))}\n")
        if self._at == len(self._events) - 1:
            self._write("".join(f"  {line}\n" for line in self._ending))

    def _timeline(self) -> Timeline:
        """What has happened up to the current event."""
        timeline, last = Timeline(), self._events[self._at]
        for happened in self._happened:
            if isinstance(happened, Event):
                timeline.event(happened)
            else:
                timeline.note(happened)
            if happened is last:
                break
        return timeline

    def _data(self, _: str) -> bool:
        for name, value in self._events[self._at].details.items():
            lines = list(tidy(plain(value), indent="    "))
            self._write(f"  {name}\n")
            self._write("".join(f"{clean(line)}\n" for line in lines[:_DATA_LINES]))
            if len(lines) > _DATA_LINES:
                self._write(f"    … {counted(len(lines) - _DATA_LINES, 'more line')}\n")
        return True

    def _open_states(self, _: str) -> bool:
        visits = self._timeline().open.values()
        for visit in visits:
            self._write(f"  {clean(visit.name)}{f'  in {visit.fiber}' if visit.fiber else ''}\n")
        if not visits:
            self._write("  no open states\n")
        return True
