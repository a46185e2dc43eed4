"""Rules about Parallel states and their branches."""

from __future__ import annotations

from sfnrun.asl.lint.rule import Findings, rule
from sfnrun.asl.lint.shape import Violation

__all__: list[str] = []


@rule("SFN-L01", on="shape")
def branches_are_there(violation: Violation) -> Findings:
    """A Parallel has `Branches`.

    Example: `"A": {"Type": "Parallel", "End": true}`
    """
    yield violation.found()


@rule("SFN-L02", on="shape")
def branches_are_not_empty(violation: Violation) -> Findings:
    """`Branches` is an array of at least one branch, each an object.

    Example: `"Branches": []`
    """
    yield violation.found(hint="put it in an array: [{...}]" if isinstance(violation.value, dict) else "")


@rule("SFN-L03", on="shape")
def branch_has_start_and_states(violation: Violation) -> Findings:
    """A branch, and the processor of a Map, has StartAt and States.

    Example: `"Branches": [{"States": {...}}]`
    """
    yield violation.found()


@rule("SFN-L04", on="shape")
def branch_has_no_other_fields(violation: Violation) -> Findings:
    """A branch has only StartAt, States and Comment.

    TimeoutSeconds, Version and QueryLanguage are the machine's; a state of the branch may have a QueryLanguage.

    Example: `"Branches": [{"StartAt": "B", "States": {...}, "TimeoutSeconds": 60}]`
    """
    language = violation.field == "QueryLanguage"
    yield violation.found(hint="set it in the states of the branch" if language else "")


@rule("SFN-L05", on="accepted")
def parallel_takes_data_fields(_: object) -> Findings:
    """A Parallel takes Parameters, ResultSelector, ResultPath, Retry, Catch, Assign, Arguments and Output.

    Example: `"A": {"Type": "Parallel", "Branches": [...], "ResultSelector": {"first.$": "$[0]"}, "End": true}`
    """
    yield from ()
