"""Rules about Retry and Catch: their shape, and retriers and catchers that can never match."""

from __future__ import annotations

from collections.abc import Iterator

from sfnrun.asl.lint.expressions import Found
from sfnrun.asl.lint.outline import Outline, Pointer, State, has_placeholder
from sfnrun.asl.lint.rule import Finding, Findings, rule
from sfnrun.asl.lint.rules.paths import reference_fault
from sfnrun.asl.lint.shape import Violation, close_to

__all__: list[str] = []

RESERVED = (
    "States.ALL",
    "States.BranchFailed",
    "States.DataLimitExceeded",
    "States.ExceedToleratedFailureThreshold",
    "States.HeartbeatTimeout",
    "States.Http.Socket",
    "States.IntrinsicFailure",
    "States.ItemReaderFailed",
    "States.NoChoiceMatched",
    "States.ParameterPathFailure",
    "States.Permissions",
    "States.QueryEvaluationError",
    "States.ReferencePathConflict",
    "States.ResultPathMatchFailure",
    "States.ResultWriterFailed",
    "States.Runtime",
    "States.TaskFailed",
    "States.Timeout",
)
_HANDLERS = ("Retry", "Catch")


@rule("SFN-E01", on="shape")
def error_equals_is_there(violation: Violation) -> Findings:
    """A retrier and a catcher have `ErrorEquals`.

    It names the errors that they are for.

    Example: `"Retry": [{"MaxAttempts": 2}]`
    """
    yield violation.found(hint='for every error: "ErrorEquals": ["States.ALL"]')


@rule("SFN-E02", on="shape")
def error_equals_is_not_empty(violation: Violation) -> Findings:
    """`ErrorEquals` has at least one name.

    A retrier without names would match nothing.

    Example: `"ErrorEquals": []`
    """
    yield violation.found(hint='for every error: ["States.ALL"]')


@rule("SFN-E03", on="shape")
def error_names_are_strings(violation: Violation) -> Findings:
    """`ErrorEquals` is an array of strings with something in them.

    A single name stands in an array too.

    Example: `"ErrorEquals": "States.ALL"`
    """
    single = isinstance(violation.value, str) and violation.value != ""
    yield violation.found(hint=f'write ["{violation.value}"]' if single else "")


def _handlers(state: State) -> Iterator[tuple[str, Pointer, list[str], int, int]]:
    """Every list of names: field, pointer to it, the names, its number and how many there are."""
    for field in _HANDLERS:
        items = state.get(field)
        for number, item in enumerate(items if isinstance(items, list) else ()):
            names = item.get("ErrorEquals") if isinstance(item, dict) else None
            if isinstance(names, list):
                texts = [name if isinstance(name, str) else "" for name in names]
                yield field, state.at(field, number, "ErrorEquals"), texts, number, len(items)


@rule("SFN-E04", on="state")
def states_all_stands_alone_and_last(state: State) -> Findings:
    """`States.ALL` stands alone in its list, and in the last retrier or catcher.

    What comes beside it or after it could never be reached, so AWS refuses the definition.

    Example: `"ErrorEquals": ["States.ALL", "States.Timeout"]`
    """
    for _, pointer, names, number, count in _handlers(state):
        if "States.ALL" in names and (len(names) > 1 or number < count - 1):
            hint = "leave only States.ALL in this list" if len(names) > 1 else "move it to the end"
            message = "States.ALL must appear alone and at end of list"
            yield Finding((*pointer, names.index("States.ALL")), message, hint)


@rule("SFN-E05", on="shape")
def interval_in_range(violation: Violation) -> Findings:
    """`IntervalSeconds` is an integer from 1 to 99999999.

    A first retry at once is not possible.

    Example: `"IntervalSeconds": 0.5`
    """
    yield violation.found()


@rule("SFN-E06", on="shape")
def max_attempts_in_range(violation: Violation) -> Findings:
    """`MaxAttempts` is an integer from 0 to 99999999; 0 means that the error is never retried.

    Example: `"MaxAttempts": -1`
    """
    yield violation.found()


@rule("SFN-E07", on="shape")
def backoff_rate_in_range(violation: Violation) -> Findings:
    """`BackoffRate` is a number from 1.0 on; integers are fine.

    A smaller factor would make the intervals shrink.

    Example: `"BackoffRate": 0.5`
    """
    yield violation.found()


@rule("SFN-E08", on="shape")
def max_delay_in_range(violation: Violation) -> Findings:
    """`MaxDelaySeconds` is an integer from 1 to 31622400 (366 days).

    Example: `"MaxDelaySeconds": 0`
    """
    yield violation.found()


@rule("SFN-E09", on="shape")
def jitter_is_known(violation: Violation) -> Findings:
    """`JitterStrategy` is "FULL" or "NONE".

    Example: `"JitterStrategy": "full"`
    """
    yield violation.found()


@rule("SFN-E10", on="shape")
def catcher_has_next(violation: Violation) -> Findings:
    """A catcher has `Next`.

    It says where the execution goes on with the error.

    Example: `"Catch": [{"ErrorEquals": ["States.ALL"]}]`
    """
    yield violation.found(hint='add "Next": "name of a state"')


@rule("SFN-E11", on="shape")
def handler_fields_are_known(violation: Violation) -> Findings:
    """Retriers and catchers have only their own fields.

    A retrier: ErrorEquals, IntervalSeconds, MaxAttempts, BackoffRate, MaxDelaySeconds, JitterStrategy, Comment.
    A catcher: ErrorEquals, Next, Comment, Assign, and ResultPath (JSONPath) or Output (JSONata).

    Example: `"Retry": [{"ErrorEquals": ["States.ALL"], "Next": "B"}]`
    """
    if violation.part == "Retrier" and violation.field == "Next":
        yield violation.found(hint="a retrier repeats its own state; Next belongs in Catch")
    else:
        yield violation.found()


@rule("SFN-E12", on="path", types=("caught!",))
def catcher_result_path_names_one_node(found: Found) -> Findings:
    """A catcher's `ResultPath` is a reference path or null.

    It says where in the state's input the error output is put.

    Example: `"ResultPath": "$.errors[*]"`
    """
    if found.role == "caught" and found.error:
        yield reference_fault(found)


@rule("SFN-E13", on="machine", severity="warning", code="")
def reserved_names_exist(outline: Outline) -> Findings:
    """A name that begins with `States.` is one of the reserved ones, or one that a Fail state of the machine raises.

    The service raises no others, so a misspelt one never matches.

    Example: `"ErrorEquals": ["States.Tiemout"]`
    """
    raised = {
        state.get("Error") for state in outline.states if state.type == "Fail" and isinstance(state.get("Error"), str)
    }
    for state in outline.states:
        for _, pointer, names, _, _ in _handlers(state):
            for index, name in enumerate(names):
                known = name in RESERVED or name in raised or name.startswith("States.Http.StatusCode.")
                if name.startswith("States.") and not known and not has_placeholder(name):
                    close = close_to(name, RESERVED)
                    message = f"'{name}' is not a reserved error name"
                    yield Finding((*pointer, index), message, f"did you mean '{close}'?" if close else "")


@rule("SFN-E14", on="state", types=("Task", "Parallel", "Map"), severity="warning", code="")
def handlers_can_match(state: State) -> Findings:
    """No retrier or catcher is dead because an earlier one matches all that it names.

    A repeated name never gets its turn; States.TaskFailed matches every error of a Task but States.Timeout.

    Example: `[{"ErrorEquals": ["States.TaskFailed"]}, {"ErrorEquals": ["Lambda.Unknown"]}]`
    """
    seen: dict[tuple[str, str], str] = {}
    for field, pointer, names, number, _ in _handlers(state):
        before = dict(seen)
        for index, name in enumerate(names):
            place = f"{field}[{number}]"
            earlier = before.get((field, name)) or (seen.get((field, name)) if name in names[:index] else None)
            if earlier:
                yield Finding((*pointer, index), f"'{name}' can never match: {earlier} names it first", "remove it")
            elif state.type == "Task" and (field, "States.TaskFailed") in before and _is_task_failure(name):
                first = before[(field, "States.TaskFailed")]
                hint = "put it before States.TaskFailed"
                message = f"'{name}' can never match: States.TaskFailed in {first} matches it first"
                yield Finding((*pointer, index), message, hint)
            seen.setdefault((field, name), place)


def _is_task_failure(name: str) -> bool:
    return name not in ("States.Timeout", "States.HeartbeatTimeout", "States.ALL", "States.Runtime", "") and (
        not name.startswith("States.") or name in ("States.TaskFailed", "States.Permissions")
    )


@rule("SFN-E15", on="shape")
def catcher_speaks_the_language(violation: Violation) -> Findings:
    """A catcher's `ResultPath` belongs to JSONPath states, its `Output` to JSONata states.

    Example: `"QueryLanguage": "JSONata", "Catch": [{…, "ResultPath": "$.error"}]`
    """
    instead = "Output" if violation.language == "JSONata" else "ResultPath"
    yield violation.found(hint=f"use {instead}")


@rule("SFN-E16", on="state", severity="warning", code="")
def max_delay_exceeds_interval(state: State) -> Findings:
    """`MaxDelaySeconds` is larger than `IntervalSeconds`.

    It caps the growing interval; if it is smaller than the first one, no interval is what the retrier says.

    Example: `{"IntervalSeconds": 10, "MaxDelaySeconds": 5}`
    """
    for pointer, retrier in state.retriers:
        interval, most = retrier.get("IntervalSeconds", 1), retrier.get("MaxDelaySeconds")
        if isinstance(interval, int) and isinstance(most, int) and most <= interval:
            relation = "is below" if most < interval else "is not above"
            message = f"MaxDelaySeconds {most} {relation} IntervalSeconds {interval}"
            if 0 < most < interval or most > 1:
                yield Finding(
                    (*pointer, "MaxDelaySeconds"), message, "it caps the intervals that BackoffRate makes grow"
                )


@rule("SFN-E17", on="state", types=("Task", "Parallel", "Map"), severity="warning", code="")
def retried_errors_can_be_retried(state: State) -> Findings:
    """Neither Retry nor Catch names States.Runtime.

    It is an error in the definition or its data; the service neither retries nor catches it, by name or by States.ALL.

    Example: `"Retry": [{"ErrorEquals": ["States.Runtime"]}]`
    """
    for field, pointer, names, _, _ in _handlers(state):
        verb = "retried" if field == "Retry" else "caught"
        for index, name in enumerate(names):
            if name == "States.Runtime":
                yield Finding((*pointer, index), f"{name} is never {verb}", "it ends the execution at once")


@rule("SFN-E18", on="shape")
def handlers_are_arrays_of_objects(violation: Violation) -> Findings:
    """`Retry` and `Catch` are arrays of objects.

    Example: `"Retry": {"ErrorEquals": ["States.ALL"]}`
    """
    yield violation.found(hint="put it in an array: [{...}]" if isinstance(violation.value, dict) else "")


@rule("SFN-E19", on="state", types=("Task", "Parallel", "Map"), severity="warning", code="")
def handlers_name_errors_that_can_occur(state: State) -> Findings:
    """A reserved name is handled only by states in which the error can occur.

    States.NoChoiceMatched is of Choice states, which have no Catch; States.HeartbeatTimeout of Tasks with a heartbeat;
    States.ItemReaderFailed, ResultWriterFailed and ExceedToleratedFailureThreshold of a Map (or what it stands in).

    Example: a Lambda Task without HeartbeatSeconds and `"Catch": [{"ErrorEquals": ["States.HeartbeatTimeout"], …}]`
    """
    if state.type != "Task":
        return
    for _, pointer, names, _, _ in _handlers(state):
        for index, name in enumerate(names):
            why = _never_occurs(state, name)
            if why:
                yield Finding((*pointer, index), f"'{name}' can never match: {why}", "remove it")


def _never_occurs(task: State, name: str) -> str:
    heartbeat = "HeartbeatSeconds" in task.value or "HeartbeatSecondsPath" in task.value
    if name == "States.HeartbeatTimeout" and not heartbeat:
        return "the Task has no HeartbeatSeconds"
    if name in ("States.ItemReaderFailed", "States.ResultWriterFailed", "States.ExceedToleratedFailureThreshold"):
        return "only a distributed Map raises it"
    return ""
