"""One visit of a state by a fiber: the scope of the state's expressions, and AWS's causes when one of them fails."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from sfnrun.asl.model import State
from sfnrun.engine.loop import Fiber
from sfnrun.errors import StatesError
from sfnrun.expr.scope import Expression, PathError
from sfnrun.payload import Json, Payload
from sfnrun.record import Note, timestamp

__all__ = ["Visit"]

QUERY_EVALUATION_ERROR = "States.QueryEvaluationError"


class Visit:
    """One visit of a state, and the Scope of its expressions.

    `input` is the raw input, `entered` the id of the StateEntered event, `before` the id of the event before that.
    `token` is the task token of the current attempt, `retry_count` the number of retries (None for a state without
    attempts), `assigned` the variables that the state assigns when it is left. A Parallel or Map has the `outputs` of
    its children by index, and `forked`, its children without an output; None before it has forked.
    """

    __slots__ = (
        "_context", "_random", "assigned", "before", "entered", "entered_at", "fiber", "forked", "input", "item",
        "outputs", "retry_count", "state", "token",
    )  # fmt: skip

    def __init__(self, fiber: Fiber, state: State, input: Payload) -> None:
        self.fiber = fiber
        self.state = state
        self.before = fiber.previous
        details: dict[str, Any] = {"name": state.name, "input": input}
        self.entered = fiber.emit(f"{state.type}StateEntered", details)
        # Read after the event is recorded: a foreign history may have replaced both.
        self.entered_at = fiber.loop.now
        self.input: Payload = details["input"]
        self.retry_count: int | None = None
        self.token: str | None = None
        self.item: Mapping[str, Json] | None = None
        self.assigned: dict[str, Json] = {}
        self.forked: dict[int, Fiber] | None = None
        self.outputs: list[Payload | None] = []
        self._context: Json = None
        self._random: random.Random | None = None

    def redriven(self, state: State) -> Visit:
        """Return the visit as a redrive continues it: not entered again, with counters at zero."""
        self.state = state
        self.retry_count = self.token = self.item = None
        self.assigned = {}
        self._context = self._random = None
        return self

    # --- the Scope protocol ---

    @property
    def variables(self) -> Mapping[str, Json]:
        return self.fiber.variables

    @property
    def now(self) -> int:
        return self.fiber.loop.now

    @property
    def context(self) -> Json:
        """The context object; made when an expression of the attempt reads it."""
        if self._context is None:
            state: dict[str, Json] = {"Name": self.state.name, "EnteredTime": timestamp(self.entered_at)}
            if self.retry_count is not None:
                state["RetryCount"] = self.retry_count
            self._context = {**self.fiber.loop.shared_context, "State": state, **self.fiber.context}
            if self.token is not None:
                self._context["Task"] = {"Token": self.token}
            if self.item is not None:
                self._context["Map"] = {"Item": self.item}
        return self._context

    @property
    def random(self) -> random.Random:
        """Randomness that depends on the seed and on this visit alone, so that branches do not affect each other."""
        if self._random is None:
            execution = self.fiber.loop.execution
            redrive = f"/{execution.redrive_count}" if execution.redrive_count else ""
            self._random = random.Random(f"{execution.seed}/{self.fiber.path}/{self.entered}{redrive}")
        return self._random

    def next_attempt(self) -> None:
        """Discard the context object of the last attempt."""
        self._context = None

    def note(self, kind: str, details: dict[str, Any]) -> None:
        """Record something that AWS has no event for."""
        fiber = self.fiber
        fiber.loop.journal.note(Note(kind, fiber.loop.now, fiber.path, self.state.name, details))

    # --- evaluation, and failures as AWS words them ---

    def evaluate(self, expression: Expression, document: Payload, field: str | None = None) -> Json:
        """Evaluate an expression on a document. Raises StatesError with AWS's cause, which can name the `field`."""
        try:
            return expression.evaluate(document.value, self)
        except PathError as error:
            error.field = error.field or field
            raise self._path_failure(error, document) from None
        except StatesError as error:
            raise self.failure(error) from None

    def evaluate_states(self, expression: Expression, states: dict[str, Json]) -> Json:
        """Evaluate a JSONata expression; its document is the `$states` object."""
        try:
            return expression.evaluate(states, self)
        except StatesError as error:
            raise self.failure(error) from None

    def _path_failure(self, error: PathError, document: Payload) -> StatesError:
        if document.value is None and (error.path == "$" or error.path.startswith(("$.", "$["))):
            return self.runtime_error("Unable to apply Path transformation to null or empty input.")
        if error.function is not None:
            return self.runtime_error(
                f"The function '{error.function}' had the following error: The JsonPath argument for the field "
                f"'{error.path}' could not be found in the input '{document.text}'"
            )
        if error.field is None:
            return self.runtime_error(f"Invalid path '{error.path}' : {error.message}")
        return self.runtime_error(
            f"The JSONPath '{error.path}' specified for the field '{error.field}' "
            f"could not be found in the input '{document.text}'"
        )

    def provided(self, value: Json) -> Payload:
        """The value of Parameters, Arguments or ItemSelector. Raises StatesError if it exceeds the payload limit."""
        payload = Payload(value)
        limit = self.fiber.loop.limits.data_bytes
        if limit is not None and payload.exceeds(limit):
            raise StatesError(
                "States.DataLimitExceeded",
                f"The state/task '{self.state.name}' provided parameters with a size exceeding "
                "the maximum number of bytes service limit.",
            )
        return payload

    def runtime_error(self, text: str) -> StatesError:
        return StatesError("States.Runtime", self.prefix + text, fatal=True)

    def query_error(self, text: str, location: str | None = None, previous: int | None = None) -> StatesError:
        """Return the error of a failed evaluation of JSONata, and record AWS's event for it."""
        return self.failure(StatesError(QUERY_EVALUATION_ERROR, text, location=location), previous)

    def failure(self, error: StatesError, previous: int | None = None) -> StatesError:
        """Return the error of an expression with AWS's prefix in front of its cause."""
        cause = self.prefix + (error.cause or "")
        if error.name == QUERY_EVALUATION_ERROR:
            self._emit_failed_evaluation(cause, error.location, previous)
        return StatesError(
            error.name, cause, location=error.location, aliases=error.aliases, fatal=error.name == "States.Runtime"
        )

    def _emit_failed_evaluation(self, cause: str, location: str | None, previous: int | None) -> None:
        details: dict[str, Any] = {"cause": cause, "error": QUERY_EVALUATION_ERROR, "state": self.state.name}
        if location is not None:
            details["location"] = location
        # AWS points EvaluationFailed to the event before StateEntered in 28 of 33 recordings; see
        # tests/engine/jsonata.yaml, "an expression that returns nothing".
        self.fiber.emit("EvaluationFailed", details, self.before if previous is None else previous)

    @property
    def prefix(self) -> str:
        return (
            f"An error occurred while executing the state '{self.state.name}' "
            f"(entered at the event id #{self.entered}). "
        )
