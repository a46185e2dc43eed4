"""Rules about Parallel states and their branches."""

from __future__ import annotations

from sfnrun.asl.lint.rule import Findings, Row, enter_rows, rule
from sfnrun.asl.lint.shape import Violation

__all__: list[str] = []


@rule("SFN-L02", on="shape")
def branches_are_not_empty(violation: Violation) -> Findings:
    """Checks that `Branches` is a non-empty array of objects.

    Why is this bad? AWS rejects the definition.

    Example: `"Branches": []`

    How to fix: `"Branches": [{"StartAt": "B", "States": {...}}]`
    """
    yield violation.found(hint="put it in an array: [{...}]" if isinstance(violation.value, dict) else "")


@rule("SFN-L04", on="shape")
def branch_has_no_other_fields(violation: Violation) -> Findings:
    """Checks for fields of a branch other than StartAt, States and Comment.

    Why is this bad? TimeoutSeconds, Version and QueryLanguage belong to the state machine; a state of the branch can
    have a QueryLanguage. AWS rejects the definition.

    Example: `"Branches": [{"StartAt": "B", "States": {...}, "TimeoutSeconds": 60}]`

    How to fix: `"Branches": [{"StartAt": "B", "States": {...}}]`
    """
    language = violation.field == "QueryLanguage"
    yield violation.found(hint="set it in the states of the branch" if language else "")


# --- rules without a function ---

enter_rows(
    __name__,
    (
        Row(
            "SFN-L01",
            """Checks for Parallel states without `Branches`.

            Why is this bad? AWS rejects the definition: there is nothing to run.

            Example: `"A": {"Type": "Parallel", "End": true}`

            How to fix: `"A": {"Type": "Parallel", "Branches": [{...}], "End": true}`
            """,
        ),
        Row(
            "SFN-L03",
            """Checks for branches and Map processors without StartAt or States.

            Why is this bad? AWS rejects the definition: the branch cannot start.

            Example: `"Branches": [{"States": {...}}]`

            How to fix: `"Branches": [{"StartAt": "B", "States": {...}}]`
            """,
        ),
        Row(
            "SFN-L05",
            """Not reported: Parameters, ResultSelector, ResultPath, Retry, Catch, Assign, Arguments and Output of a
            Parallel.

            Example: `"A": {"Type": "Parallel", "Branches": [...], "ResultSelector": {"first.$": "$[0]"}, "End": true}`
            """,
            on="accepted",
        ),
    ),
)
