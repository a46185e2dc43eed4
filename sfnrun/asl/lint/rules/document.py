"""Rules about the document as a whole: its syntax and its top-level fields."""

from __future__ import annotations

from sfnrun.asl.lint.outline import Outline
from sfnrun.asl.lint.rule import Finding, Findings, Row, enter_rows, rule
from sfnrun.asl.lint.shape import Violation

__all__: list[str] = []

MAX_SIZE = 1_048_576
NEARLY = 0.8


@rule("SFN-S04", on="shape")
def start_is_there(violation: Violation) -> Findings:
    """Checks for a missing `StartAt`.

    Why is this bad? The order of `States` has no meaning, so `StartAt` must name the first state.

    Example: `{"States": {"A": {"Type": "Pass", "End": true}}}`

    How to fix: add `"StartAt": "A"`
    """
    states = violation.value.get("States") if isinstance(violation.value, dict) else None
    first = next(iter(states), "") if isinstance(states, dict) else ""
    yield violation.found(hint=f'add "StartAt": "{first}"' if first else "")


@rule("SFN-S05", on="shape")
def states_are_not_empty(violation: Violation) -> Findings:
    """Checks for a `States` without any state.

    Why is this bad? An empty state machine cannot start.

    Example: `{"StartAt": "A", "States": {}}`

    How to fix: add a state: `"States": {"A": {"Type": "Succeed"}}`
    """
    yield violation.found(key=True)


@rule("SFN-S06", on="shape")
def state_is_an_object(violation: Violation) -> Findings:
    """Checks for entries of `States` that are not objects.

    Why is this bad? The usual cause is a top-level field that is nested one level too deep.

    Example: `"States": {"QueryLanguage": "JSONata", "A": {...}}`, where QueryLanguage belongs beside States.

    How to fix: move the field next to `States`
    """
    name = violation.field
    beside = name in ("Comment", "QueryLanguage", "StartAt", "TimeoutSeconds", "Version")
    yield violation.found(hint=f"move {name} next to States" if beside else "")


@rule("SFN-S11", on="shape")
def query_language_is_known(violation: Violation) -> Findings:
    """Checks for a `QueryLanguage` other than "JSONPath" or "JSONata".

    Why is this bad? The value is case-sensitive. While it is invalid, fields of the other language are not reported.

    Example: `"QueryLanguage": "jsonata"`

    How to fix: `"QueryLanguage": "JSONata"`
    """
    yield violation.found(message="The field 'QueryLanguage' should have one of these values: [JSONPath, JSONata]")


@rule("SFN-S13", on="machine", severity="warning", code="")
def definition_is_not_too_long(outline: Outline) -> Findings:
    """Checks for definitions longer than 1,048,576 characters; warns above 80%.

    Why is this bad? CreateStateMachine rejects longer definitions, and the quota cannot be raised.

    Example: a `Result` with a table of 900 KB.

    How to fix: move large literals to a function or an S3 object, or split the workflow
    """
    size = len(outline.source.definition) if outline.source else 0
    if size > MAX_SIZE * NEARLY:
        message = f"Definition is {size:,} characters long; the limit is {MAX_SIZE:,}"
        yield Finding((), message, severity="error" if size > MAX_SIZE else "warning")


# --- rules without a function ---

enter_rows(
    __name__,
    (
        Row(
            "SFN-S00",
            """Checks that the file exists and is readable.

            Why is this bad? sfnrun cannot check a missing file, a directory, or a file without read permission.

            Example: `sfnrun validate ordr.asl.json` where there is only `order.asl.json`.

            How to fix: correct the path
            """,
            on="source",
            code="MISSING_DESCRIPTION",
        ),
        Row(
            "SFN-S01",
            """Checks for JSON syntax errors, or YAML syntax errors in `.yaml` and `.yml` files.

            Why is this bad? AWS accepts only JSON, without comments, trailing commas or single quotes.

            Example: `{"StartAt": "A",}`, where the last comma is one too many.

            How to fix: correct the text at the caret: `{"StartAt": "A"}`
            """,
            on="source",
            code="INVALID_JSON_DESCRIPTION",
        ),
        Row(
            "SFN-S02",
            """Checks for definitions that are not a JSON object.

            Why is this bad? A definition is one object with `StartAt` and `States`; an array, a string or an empty file
            is not.

            Example: `[]`

            How to fix: `{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}`
            """,
            hint='begin the definition with {"StartAt": ..., "States": {...}}',
        ),
        Row(
            "SFN-S03",
            """Checks for a missing `States`.

            Why is this bad? A state machine without states cannot run. If `StartAt` is missing too, both are reported
            in one problem, as in AWS.

            Example: `{"StartAt": "A"}`

            How to fix: add `"States": {"A": {"Type": "Pass", "End": true}}`
            """,
            hint='add "States": {"A": {"Type": "Pass", "End": true}}',
        ),
        Row(
            "SFN-S07",
            """Checks for unknown top-level fields. Valid: Comment, QueryLanguage, StartAt, States, TimeoutSeconds,
            Version.

            Why is this bad? AWS rejects them, and a misspelled field would have no effect.

            Example: `{"Commment": "…", "StartAt": "A", "States": {...}}`

            How to fix: correct the name: `"Comment": "…"`
            """,
        ),
        Row(
            "SFN-S08",
            """Checks for a `Comment` that is not a string: of the state machine, a branch, processor, retrier, catcher
            or rule.

            Why is this bad? AWS rejects the definition. (For the Comment of a state see SFN-F08.)

            Example: `"Comment": ["first line", "second line"]`

            How to fix: `"Comment": "first line; second line"`
            """,
        ),
        Row(
            "SFN-S09",
            """Checks for a `Version` other than a string; the only version is "1.0".

            Why is this bad? AWS rejects numbers, and YAML parses an unquoted 1.0 as a number.

            Example: `Version: 1.0`

            How to fix: `Version: "1.0"`
            """,
            hint='put it in quotes: "1.0"',
        ),
        Row(
            "SFN-S10",
            """Checks that the top-level `TimeoutSeconds` is an integer from 1 to 99999999.

            Why is this bad? AWS reads it before the execution has an input, so it cannot be a path or an expression.

            Example: `{"TimeoutSeconds": 0, "StartAt": …}`

            How to fix: `{"TimeoutSeconds": 300, "StartAt": …}`
            """,
        ),
        Row(
            "SFN-S12",
            """Checks for duplicate keys in an object, in JSON and YAML.

            Why is this bad? Most parsers silently keep the last one, so a whole state can disappear.

            Example: `"States": {"Done": {...}, "Done": {...}}`

            How to fix: rename or remove one of them
            """,
            on="source",
            code="INVALID_JSON_DESCRIPTION",
        ),
        Row(
            "SFN-S14",
            """Checks for YAML values that JSON cannot represent: non-string keys, dates, cycles, custom tags.

            Why is this bad? AWS receives JSON, so these values would be lost or changed.

            Example: `States: {1: {Type: Pass}}`, where the key 1 is a number.

            How to fix: `States: {"1": {Type: Pass}}`
            """,
            on="source",
            code="",
        ),
        Row(
            "SFN-S16",
            """Checks for unknown rules in `# sfnrun: ignore` comments.

            Why is this bad? The comment has no effect, and the problem that it should suppress is reported.

            Example: `# sfnrun: ignore SFN-G99`

            How to fix: `# sfnrun: ignore SFN-G02`
            """,
            on="source",
            code="",
            severity="warning",
        ),
        Row(
            "SFN-S15",
            """Notes state machines in a template whose definition is not available.

            Why is this bad? A definition in S3, or one that depends on a condition, cannot be checked.

            Example: `DefinitionUri: s3://bucket/order.asl.json`

            How to fix: pass the file of the definition
            """,
            on="source",
            code="",
            severity="info",
        ),
    ),
)
