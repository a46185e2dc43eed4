"""Rules about Retry and Catch: their shape, and retriers and catchers that can never match."""

from __future__ import annotations

from collections.abc import Iterator

from sfnrun.asl.lint.expressions import Found
from sfnrun.asl.lint.outline import Outline, Pointer, State, has_placeholder
from sfnrun.asl.lint.rule import Finding, Findings, Row, enter_rows, rule
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


@rule("SFN-E03", on="shape")
def error_names_are_strings(violation: Violation) -> Findings:
    """Checks that `ErrorEquals` is an array of non-empty strings.

    Why is this bad? AWS rejects the definition.

    Example: `"ErrorEquals": "States.ALL"`

    How to fix: put a single name into an array, too: `"ErrorEquals": ["States.ALL"]`
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
    """Checks that `States.ALL` is alone in `ErrorEquals` and in the last retrier or catcher.

    Why is this bad? Names next to it or after it can never match; AWS rejects the definition.

    Example: `"ErrorEquals": ["States.ALL", "States.Timeout"]`

    How to fix: `"ErrorEquals": ["States.ALL"]`
    """
    for _, pointer, names, number, count in _handlers(state):
        if "States.ALL" in names and (len(names) > 1 or number < count - 1):
            hint = "remove the other names" if len(names) > 1 else "move it to the last position"
            message = "States.ALL must appear alone and at end of list"
            yield Finding((*pointer, names.index("States.ALL")), message, hint)


@rule("SFN-E11", on="shape")
def handler_fields_are_known(violation: Violation) -> Findings:
    """Checks for unknown fields in retriers (valid: ErrorEquals, IntervalSeconds, MaxAttempts, BackoffRate,
    MaxDelaySeconds, JitterStrategy, Comment) and catchers (valid: ErrorEquals, Next, Comment, Assign, and ResultPath in
    JSONPath or Output in JSONata).

    Why is this bad? AWS rejects the definition.

    Example: `"Retry": [{"ErrorEquals": ["States.ALL"], "Next": "B"}]`

    How to fix: `"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B"}]`
    """
    if violation.part == "Retrier" and violation.field == "Next":
        yield violation.found(hint="move it to Catch: a retrier repeats its own state")
    else:
        yield violation.found()


@rule("SFN-E12", on="path", types=("caught!",))
def catcher_result_path_names_one_node(found: Found) -> Findings:
    """Checks that the `ResultPath` of a catcher is a reference path or null.

    Why is this bad? It is the location in the state's input where the error output is put, so it must be a single one.

    Example: `"ResultPath": "$.errors[*]"`

    How to fix: `"ResultPath": "$.errors"`
    """
    if found.role == "caught" and found.error:
        yield reference_fault(found)


@rule("SFN-E13", on="machine", severity="warning", code="")
def reserved_names_exist(outline: Outline) -> Findings:
    """Checks for names that begin with `States.` and are neither reserved nor raised by a Fail state.

    Why is this bad? AWS raises no other errors, so a misspelled name never matches.

    Example: `"ErrorEquals": ["States.Tiemout"]`

    How to fix: `"ErrorEquals": ["States.Timeout"]`
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
    """Checks for retriers and catchers that can never match because an earlier one matches the same errors.

    Why is this bad? Only the first match applies. States.TaskFailed matches every Task error except States.Timeout.

    Example: `[{"ErrorEquals": ["States.TaskFailed"]}, {"ErrorEquals": ["Lambda.Unknown"]}]`

    How to fix: put the more specific name first
    """
    seen: dict[tuple[str, str], str] = {}
    for field, pointer, names, number, _ in _handlers(state):
        before = dict(seen)
        for index, name in enumerate(names):
            place = f"{field}[{number}]"
            earlier = before.get((field, name)) or (seen.get((field, name)) if name in names[:index] else None)
            if earlier:
                yield Finding((*pointer, index), f"'{name}' can never match: {earlier} matches it first", "remove it")
            elif state.type == "Task" and (field, "States.TaskFailed") in before and _is_task_failure(name):
                first = before[(field, "States.TaskFailed")]
                hint = "move it before States.TaskFailed"
                message = f"'{name}' can never match: States.TaskFailed in {first} matches it first"
                yield Finding((*pointer, index), message, hint)
            seen.setdefault((field, name), place)


def _is_task_failure(name: str) -> bool:
    return name not in ("States.Timeout", "States.HeartbeatTimeout", "States.ALL", "States.Runtime", "") and (
        not name.startswith("States.") or name in ("States.TaskFailed", "States.Permissions")
    )


@rule("SFN-E15", on="shape")
def catcher_speaks_the_language(violation: Violation) -> Findings:
    """Checks for `ResultPath` in catchers of JSONata states, and `Output` in those of JSONPath states.

    Why is this bad? AWS rejects the definition.

    Example: `"QueryLanguage": "JSONata", "Catch": [{…, "ResultPath": "$.error"}]`

    How to fix: `"Catch": [{…, "Output": "{% $states.errorOutput %}"}]`
    """
    instead = "Output" if violation.language == "JSONata" else "ResultPath"
    yield violation.found(hint=f"use {instead}")


@rule("SFN-E16", on="state", severity="warning", code="")
def max_delay_exceeds_interval(state: State) -> Findings:
    """Checks that `MaxDelaySeconds` is greater than `IntervalSeconds`.

    Why is this bad? Otherwise the interval never grows, and the first one may be cut short.

    Example: `{"IntervalSeconds": 10, "MaxDelaySeconds": 5}`

    How to fix: `{"IntervalSeconds": 10, "MaxDelaySeconds": 60}`
    """
    for pointer, retrier in state.retriers:
        interval, most = retrier.get("IntervalSeconds", 1), retrier.get("MaxDelaySeconds")
        if isinstance(interval, int) and isinstance(most, int) and most <= interval:
            relation = "is below" if most < interval else "is not above"
            message = f"MaxDelaySeconds {most} {relation} IntervalSeconds {interval}"
            if 0 < most < interval or most > 1:
                yield Finding((*pointer, "MaxDelaySeconds"), message, "set it above IntervalSeconds")


@rule("SFN-E17", on="state", types=("Task", "Parallel", "Map"), severity="warning", code="")
def retried_errors_can_be_retried(state: State) -> Findings:
    """Checks for `States.Runtime` in `ErrorEquals`.

    Why is this bad? AWS never retries or catches it, neither by name nor with States.ALL.

    Example: `"Retry": [{"ErrorEquals": ["States.Runtime"]}]`

    How to fix: remove it, and correct the cause of the error
    """
    for field, pointer, names, _, _ in _handlers(state):
        verb = "retried" if field == "Retry" else "caught"
        for index, name in enumerate(names):
            if name == "States.Runtime":
                yield Finding((*pointer, index), f"{name} is never {verb}", "remove it: the execution ends immediately")


@rule("SFN-E18", on="shape")
def handlers_are_arrays_of_objects(violation: Violation) -> Findings:
    """Checks that `Retry` and `Catch` are arrays of objects.

    Why is this bad? AWS rejects the definition.

    Example: `"Retry": {"ErrorEquals": ["States.ALL"]}`

    How to fix: `"Retry": [{"ErrorEquals": ["States.ALL"]}]`
    """
    yield violation.found(hint="put it in an array: [{...}]" if isinstance(violation.value, dict) else "")


@rule("SFN-E19", on="state", types=("Task", "Parallel", "Map"), severity="warning", code="")
def handlers_name_errors_that_can_occur(state: State) -> Findings:
    """Checks for reserved error names in states where the error cannot occur.

    Why is this bad? The retrier or catcher never matches. States.HeartbeatTimeout needs `HeartbeatSeconds`;
    States.ItemReaderFailed, States.ResultWriterFailed and States.ExceedToleratedFailureThreshold occur only in a Map or
    around it.

    Example: a Lambda Task without HeartbeatSeconds and `"Catch": [{"ErrorEquals": ["States.HeartbeatTimeout"], …}]`

    How to fix: add `HeartbeatSeconds`, or remove the name
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
        return "only a DISTRIBUTED Map raises it"
    return ""


# --- rules without a function ---

enter_rows(
    __name__,
    (
        Row(
            "SFN-E01",
            """Checks for retriers and catchers without `ErrorEquals`.

            Why is this bad? `ErrorEquals` lists the errors that match, so AWS rejects the definition.

            Example: `"Retry": [{"MaxAttempts": 2}]`

            How to fix: `"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}]`
            """,
            hint='for every error: "ErrorEquals": ["States.ALL"]',
        ),
        Row(
            "SFN-E02",
            """Checks for an empty `ErrorEquals`.

            Why is this bad? It matches nothing, so AWS rejects the definition.

            Example: `"ErrorEquals": []`

            How to fix: `"ErrorEquals": ["States.ALL"]`
            """,
            hint='for every error: ["States.ALL"]',
        ),
        Row(
            "SFN-E05",
            """Checks that `IntervalSeconds` is an integer from 1 to 99999999.

            Why is this bad? AWS rejects the definition; an immediate first retry is not possible.

            Example: `"IntervalSeconds": 0.5`

            How to fix: `"IntervalSeconds": 1`
            """,
        ),
        Row(
            "SFN-E06",
            """Checks that `MaxAttempts` is an integer from 0 to 99999999; 0 never retries.

            Why is this bad? AWS rejects the definition.

            Example: `"MaxAttempts": -1`

            How to fix: `"MaxAttempts": 0`
            """,
        ),
        Row(
            "SFN-E07",
            """Checks that `BackoffRate` is a number of at least 1.0; integers are valid.

            Why is this bad? AWS rejects the definition; the intervals would shrink.

            Example: `"BackoffRate": 0.5`

            How to fix: `"BackoffRate": 1.5`
            """,
        ),
        Row(
            "SFN-E08",
            """Checks that `MaxDelaySeconds` is an integer from 1 to 31622400 (366 days).

            Why is this bad? AWS rejects the definition.

            Example: `"MaxDelaySeconds": 0`

            How to fix: `"MaxDelaySeconds": 60`
            """,
        ),
        Row(
            "SFN-E09",
            """Checks for a `JitterStrategy` other than "FULL" or "NONE".

            Why is this bad? AWS rejects the definition.

            Example: `"JitterStrategy": "full"`

            How to fix: `"JitterStrategy": "FULL"`
            """,
        ),
        Row(
            "SFN-E10",
            """Checks for catchers without `Next`.

            Why is this bad? `Next` is the state that continues with the error, so AWS rejects the definition.

            Example: `"Catch": [{"ErrorEquals": ["States.ALL"]}]`

            How to fix: `"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed"}]`
            """,
            hint='add "Next": "NAME"',
        ),
    ),
)
