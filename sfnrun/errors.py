"""Exceptions of two families (SfnrunError for users, StatesError for workflows), and source spans of Problems.

SfnrunError                the user's call, file or environment is at fault; the CLI exits with `exit_code`
├── DefinitionError        invalid definition, with its Problems                                          2
├── ConfigError            invalid sfnrun.yaml or mock file, with its Problems                            2
├── UsageError             invalid argument or input, or a name that matches nothing                      2
├── UnansweredTaskError    Tasks without a handler or mock                                                2
├── HistoryError           damaged, foreign or missing execution history                                  2
├── UnavailableError       unreachable store, service or server, or an extra that is not installed        2
├── WaitingError           virtual clock with nothing left to do but open task tokens                     2
├── ApiError               AWS rejects the request: `code` is the name of AWS's exception                 1
├── ExecutionFailed        raised by Result.raise_for_status (api.result)                                 1
└── DivergenceError        a replay that differs from its recording                                       3
StatesError                a value of the language: raised by states, matched by Retry and Catch
└── TaskFailed             raised by a handler to fail its Task
ExpressionError            an expression that does not compile; `asl` turns it into a Problem with a position
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from msgspec import Struct

__all__ = [
    "ApiError",
    "ConfigError",
    "DefinitionError",
    "DivergenceError",
    "ExpressionError",
    "Fix",
    "HistoryError",
    "Problem",
    "Severity",
    "SfnrunError",
    "Span",
    "StatesError",
    "TaskFailed",
    "Token",
    "UnansweredTaskError",
    "UnavailableError",
    "UsageError",
    "WaitingError",
    "caret",
    "did_you_mean",
]

Severity = Literal["error", "warning", "info"]


class Span(Struct, frozen=True):
    """A range of a text: lines and columns count from 1, the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


class Fix(Struct, frozen=True):
    """A change that fixes a Problem and nothing else: rename the key at `pointer` to `name`, remove it, or add it.

    "add" always sets the key to `true`; only `End` is ever added.
    """

    kind: Literal["rename", "remove", "add"]
    pointer: tuple[str | int, ...]
    name: str = ""


class Problem(Struct, frozen=True):
    """One finding in a definition or a configuration file.

    `rule` is sfnrun's stable id ("SFN-G02"), `code` AWS's diagnostic code ("MISSING_TRANSITION_TARGET"), `location`
    AWS's pointer ("/States/A/Catch[0]/Next"). `source_line` is the text of `span.line`, for the caret. `fix` is set if
    the Problem has a safe fix.
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
    # Replace tabs and control characters with spaces: the caret stays aligned, and a file cannot send escape
    # sequences to the terminal.
    shown = "".join(each if each.isprintable() else " " for each in source_line[start : start + width].rstrip("\r\n"))
    ends_here = span.end_line == span.line
    length = (span.end_column if ends_here else len(source_line) + 1) - span.column
    offset = span.column - 1 - start
    gutter = f"{span.line:>5} | "
    return f"{gutter}{shown}\n{' ' * (len(gutter) - 2)}| {' ' * offset}{'^' * max(1, min(length, len(shown) - offset))}"


def did_you_mean(name: str, names: Iterable[str], otherwise: str = "") -> str:
    """Return the hint for an unknown name: the closest of the known `names`, or `otherwise` if none is close."""
    from difflib import get_close_matches  # only used when something is wrong

    close = get_close_matches(name, names, 1)
    return f"did you mean '{close[0]}'?" if close else otherwise


class SfnrunError(Exception):
    """Base class of user-facing errors: `message` states what happened, `hint` how to fix it."""

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
    """A definition that cannot be read or has errors; `problems` has all of them, in order of line."""


class ConfigError(_WithProblems):
    """Invalid settings in sfnrun.yaml or a mock configuration; `problems` has all of them."""


class UsageError(SfnrunError):
    """Invalid argument or input, or a name that matches nothing."""


class UnansweredTaskError(SfnrunError):
    """Tasks without a handler or mock; `message` lists them, `hint` has the lines to paste into sfnrun.yaml."""


class HistoryError(SfnrunError):
    """Execution history that is damaged, foreign, too new or missing."""


class UnavailableError(SfnrunError):
    """Store, service or server that cannot be reached, or an extra that is not installed."""


class Token(Struct, frozen=True):
    """An open task token; `place` and `run` are addresses.

    `timeout_at` and `heartbeat_at` are when the Task times out, None without TimeoutSeconds or HeartbeatSeconds.
    """

    token: str
    place: str
    run: str
    since: datetime
    timeout_at: datetime | None = None
    heartbeat_at: datetime | None = None


class WaitingError(SfnrunError):
    """Nothing is left to do under a virtual clock, but executions wait for the task `tokens`."""

    def __init__(self, message: str, hint: str = "", *, tokens: Iterable[Token] = ()) -> None:
        super().__init__(message, hint)
        self.tokens = tuple(tokens)


class ApiError(SfnrunError):
    """Request that AWS rejects: `code` names AWS's exception ("ExecutionAlreadyExists"), `message` is AWS's text."""

    exit_code = 1

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.code = code


class DivergenceError(SfnrunError):
    """A replay that differs from its recording; `recorded` and `now` describe the two events.

    `place` is where in the run they differ, `state` the name of that state; both are None for the execution itself.
    """

    exit_code = 3

    def __init__(
        self, message: str, *, state: str | None, recorded: str, now: str, hint: str = "", place: str | None = None
    ) -> None:
        super().__init__(message, hint)
        self.state = state
        self.place = state if place is None else place
        self.recorded = recorded
        self.now = now


class StatesError(Exception):
    """An error of the Amazon States Language: a name that Retry and Catch match, and a human-readable cause.

    `name` None is a Fail state without Error. `aliases` are further names that match: AWS shows a missed heartbeat as
    States.Timeout, but Catch also accepts States.HeartbeatTimeout. `location` is the field of a failed evaluation
    ("Output/result"), which AWS puts in its EvaluationFailed event. No Retry or Catch matches a `fatal` error.
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
    """Raise in a handler to fail its Task: `TaskFailed("Lambda.TooManyRequestsException", "throttled")`."""


class ExpressionError(Exception):
    """An expression that does not compile; `offset` and `length` count characters of `expression`."""

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
