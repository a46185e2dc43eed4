"""Executions told by hand, for tests of the trace."""

from io import StringIO
from typing import Any

from sfnrun.payload import Payload
from sfnrun.record import Event, Listener, Note
from sfnrun.view.plain import PlainTrace
from sfnrun.view.trace import TraceLines

START = 1_767_225_600_000


class Teller:
    """Numbers and times the events of one execution."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.id = 0
        self.at = START

    def event(self, type: str, fiber: str = "", after: int = 0, **details: Any) -> None:
        self.id += 1
        self.at += after
        payloads: dict[str, Any] = {name: Payload(details[name]) for name in ("input", "output") if name in details}
        if "assignedVariables" in details:
            assigned = details["assignedVariables"]
            payloads["assignedVariables"] = {name: Payload(value) for name, value in assigned.items()}
        self.listener.event(Event(self.id, self.id - 1, self.at, type, fiber, {**details, **payloads}))

    def note(self, kind: str, state: str, fiber: str = "", after: int = 0, **details: Any) -> None:
        self.at += after
        self.listener.note(Note(kind, self.at, fiber, state, details))

    def state(
        self, type: str, name: str, fiber: str = "", after: int = 0, input: Any = None, output: Any = None
    ) -> None:
        self.event(f"{type}StateEntered", fiber, name=name, input=input)
        self.event(f"{type}StateExited", fiber, after, name=name, output=output)


def plain(**options: Any) -> tuple[TraceLines, Teller, StringIO]:
    """A lines told as plain lines, its teller, and what was printed."""
    text = StringIO()
    lines = TraceLines(PlainTrace(text, encoding="utf-8").say, **options)
    return lines, Teller(lines), text
