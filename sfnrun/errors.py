"""Two families of errors, told apart by who is to blame, and the place in a file that a Problem points at.

SfnrunError                for the person at the keyboard; the command line prints it and exits with `exit_code`
├── DefinitionError        a definition cannot be read or has errors; carries its Problems
├── ConfigError            sfnrun.yaml or a mock file cannot be used; carries its Problems
├── UsageError             an argument, an input or a file name that makes no sense
├── HandlerNotFound        Tasks that nothing answers
├── HistoryError           a history that is damaged, foreign or missing
└── Divergence             a replay went another way than its recording
StatesError                a value of the language: raised by states, matched by Retry and Catch
└── TaskFailed             the same, raised by whoever answers a Task
ExpressionError            an expression that does not compile; `asl` turns it into a Problem with a position
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

__all__ = [
    "ConfigError",
    "DefinitionError",
    "Divergence",
    "ExpressionError",
    "Fix",
    "HandlerNotFound",
    "HistoryError",
    "Problem",
    "SfnrunError",
    "Span",
    "StatesError",
    "TaskFailed",
    "UsageError",
    "caret",
]

Severity = Literal["error", "warning", "info"]


class Span(Struct, frozen=True):
    """A place in a text: lines and columns count from 1, the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


class Fix(Struct, frozen=True):
    """A change that mends a Problem and nothing else: the member at `pointer` is renamed to `name`, removed, or added.

    What is added is true: `End` is all that ever lacks.
    """

    kind: Literal["rename", "remove", "add"]
    pointer: tuple[str | int, ...]
    name: str = ""


class Problem(Struct, frozen=True):
    """One thing that is wrong with a definition or a configuration file.

    `rule` is our stable id ("SFN-G02"), `code` AWS's diagnostic code ("MISSING_TRANSITION_TARGET"), `location` AWS's
    pointer ("/States/A/Catch[0]/Next"). `source_line` is the text of `span.line`, for the caret. `fix` is what mends
    it, if that is safe to do unseen.
    """

    rule: str
    message: str
    severity: Severity = "error"
    code: str = "SCHEMA_VALIDATION_FAILED"
    hint: str = ""
    location: str | None = None
    path: str = ""
    span: Span | None = None
    source_line: str = ""
    fix: Fix | None = None

    def __str__(self) -> str:
        where = f"{self.path}:{self.span.line}:{self.span.column}" if self.span else self.path
        text = f"{where}: {self.severity} {self.rule}{self.code and f' {self.code}'}: {self.message}"
        if self.span and self.source_line:
            text += "\n" + caret(self.source_line, self.span)
        return text + (f"\n  help: {self.hint}" if self.hint else "")


def caret(source_line: str, span: Span, width: int = 100) -> str:
    """The source line with carets under the span, cut to `width` characters around it."""
    start = max(0, span.column - 1 - width // 2)
    # A blank for each tab and control character: columns stay true, and a terminal obeys no file.
    shown = "".join(each if each.isprintable() else " " for each in source_line[start : start + width].rstrip("\r\n"))
    ends_here = span.end_line == span.line
    length = (span.end_column if ends_here else len(source_line) + 1) - span.column
    offset = span.column - 1 - start
    gutter = f"{span.line:>5} | "
    return f"{gutter}{shown}\n{' ' * (len(gutter) - 2)}| {' ' * offset}{'^' * max(1, min(length, len(shown) - offset))}"


class SfnrunError(Exception):
    """For the person at the keyboard: `message` says what happened, `hint` what to do about it."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class _WithProblems(SfnrunError):
    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DefinitionError(_WithProblems):
    """A definition cannot be read, or has errors; all of them are in `problems`, in order of line."""


class ConfigError(_WithProblems):
    """sfnrun.yaml or a mock configuration cannot be used."""


class UsageError(SfnrunError):
    """An argument, an input or a file name that makes no sense."""


class HandlerNotFound(SfnrunError):
    """Tasks that nothing answers; `message` lists them with the lines to paste into sfnrun.yaml."""


class HistoryError(SfnrunError):
    """A history file that is damaged, foreign, too new or missing."""


class Divergence(SfnrunError):
    """A replay went another way than its recording; `recorded` and `now` are the two sides."""

    exit_code = 3

    def __init__(self, message: str, *, state: str | None, recorded: str, now: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.state = state
        self.recorded = recorded
        self.now = now


class StatesError(Exception):
    """An error of the Amazon States Language: a name that Retry and Catch match, and a cause for people.

    `name` None is a Fail state without Error. `aliases` are further names it answers to: a missed heartbeat shows as
    States.Timeout and may be caught as States.HeartbeatTimeout too. `location` is the field that a failed
    evaluation stands in ("Output/result"), which AWS puts in its EvaluationFailed event. A `fatal` error is not
    matched by any Retry or Catch, whatever its name.
    """

    def __init__(
        self,
        name: str | None,
        cause: str | None = None,
        *,
        location: str | None = None,
        aliases: tuple[str, ...] = (),
        fatal: bool = False,
    ) -> None:
        super().__init__(name, cause)
        self.name = name
        self.cause = cause
        self.location = location
        self.aliases = aliases
        self.fatal = fatal


class TaskFailed(StatesError):
    """What a task callable raises to fail its Task: `TaskFailed("Lambda.TooManyRequestsException", "throttled")`."""


class ExpressionError(Exception):
    """An expression that does not compile: where (`offset` and `length` count characters of `expression`) and why."""

    def __init__(
        self,
        expression: str,
        message: str,
        *,
        offset: int = 0,
        length: int = 1,
        hint: str = "",
        code: str = "SCHEMA_VALIDATION_FAILED",
    ) -> None:
        super().__init__(message)
        self.expression = expression
        self.message = message
        self.offset = offset
        self.length = length
        self.hint = hint
        self.code = code

    def __str__(self) -> str:
        return f"{self.message}\n  {self.expression}\n  {' ' * self.offset}{'^' * max(1, self.length)}"
