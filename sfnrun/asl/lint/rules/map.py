"""Rules about Map states: processor, items and concurrency. For files and batches see Map distributed."""

from __future__ import annotations

import re
from typing import Any

from sfnrun.asl.lint.expressions import Found
from sfnrun.asl.lint.outline import Pointer, State, has_placeholder, is_placeholder
from sfnrun.asl.lint.rule import Finding, Findings, Row, enter_rows, rule
from sfnrun.asl.lint.rules.paths import reference_fault
from sfnrun.asl.lint.shape import Violation

__all__ = ["is_inline"]


@rule("SFN-M01", on="shape")
def processor_is_there(violation: Violation) -> Findings:
    """Checks for Map states without `ItemProcessor` (or `Iterator`, its old name), an object.

    Why is this bad? AWS rejects the definition: the Map has nothing to run for an item.

    Example: `"A": {"Type": "Map", "End": true}`

    How to fix: `"A": {"Type": "Map", "ItemProcessor": {"StartAt": …, "States": {...}}, "End": true}`
    """
    if violation.keyword == "none":
        yield violation.found(hint="add ItemProcessor with StartAt and States")
    else:
        yield violation.found()


def processor_config(state: State) -> tuple[Pointer, dict[str, Any]]:
    """The ProcessorConfig with its pointer, empty if there is none."""
    for name in ("ItemProcessor", "Iterator"):
        processor = state.get(name)
        if isinstance(processor, dict):
            config = processor.get("ProcessorConfig")
            return state.at(name, "ProcessorConfig"), config if isinstance(config, dict) else {}
    return state.pointer, {}


@rule("SFN-M07", on="state", types=("Map",))
def distributed_has_an_execution_type(state: State) -> Findings:
    """Checks for DISTRIBUTED Maps without `ExecutionType`.

    Why is this bad? The child executions need a type, STANDARD or EXPRESS, so AWS rejects the definition.

    Example: `"ProcessorConfig": {"Mode": "DISTRIBUTED"}`

    How to fix: `"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}`
    """
    pointer, config = processor_config(state)
    if config.get("Mode") == "DISTRIBUTED" and "ExecutionType" not in config:
        yield Finding(
            pointer,
            "The field 'ExecutionType' is required but was missing",
            'add "ExecutionType": "STANDARD"',
            key=True,
        )


@rule("SFN-M08", on="state", types=("Map",))
def inline_has_no_execution_type(state: State) -> Findings:
    """Checks for `ExecutionType` in INLINE Maps.

    Why is this bad? Iterations of an INLINE Map are not executions, so AWS rejects the definition.

    Example: `"ProcessorConfig": {"Mode": "INLINE", "ExecutionType": "STANDARD"}`

    How to fix: `"ProcessorConfig": {"Mode": "INLINE"}`
    """
    pointer, config = processor_config(state)
    if is_inline(state) and "ExecutionType" in config:
        hint = 'remove it, or set "Mode": "DISTRIBUTED"'
        place = (*pointer, "ExecutionType")
        yield Finding(place, "Field 'ExecutionType' is not supported", hint, key=True, location=pointer)


def is_inline(state: State) -> bool:
    """Whether the iterations of a Map are no executions of their own."""
    _, config = processor_config(state)
    return config.get("Mode", "INLINE") == "INLINE" and not is_placeholder(state.get("ItemProcessor"))


_NOT_IN_LABELS = r"[\s?*<>{}\[\]:;,\\|^~$#%&`\"\x00-\x1f\x7f-\x9f]"


@rule("SFN-M22", on="state", types=("Map",))
def label_is_plain(state: State) -> Findings:
    r"""Checks that a `Label` has 1 to 40 characters, without spaces, control characters and ``? * < > { } [ ] : ; , \ |
    ^ ~ $ # % & ` "``.

    Why is this bad? The label becomes part of the ARN of the Map Run, so AWS rejects the definition.

    Example: `"Label": "my label"`

    How to fix: `"Label": "my-label"`
    """
    label = state.get("Label")
    found = re.search(_NOT_IN_LABELS, label) if isinstance(label, str) and not has_placeholder(label) else None
    if found:
        message = f"Label cannot contain {_shown(found[0])}"
        yield Finding(state.at("Label"), message, "use letters, digits, - and _", offset=found.start(), length=1)


def _shown(character: str) -> str:
    return f"'{character}'" if character.isprintable() and character != " " else f"U+{ord(character):04X}"


@rule("SFN-M23", on="path", types=("items!",))
def items_path_is_a_reference_path(found: Found) -> Findings:
    """Checks that `ItemsPath` is a reference path (not null) to one array.

    Why is this bad? AWS rejects the definition.

    Example: `"ItemsPath": "$.orders[*].items"`

    How to fix: to iterate over a filter result, compute it in a Pass state before the Map
    """
    if found.role == "items" and found.error and found.compiled is not None:
        yield reference_fault(found)


@rule("SFN-M25", on="shape")
def map_paths_belong_to_jsonpath(violation: Violation) -> Findings:
    """Checks for ItemsPath, Parameters, MaxConcurrencyPath and the other Path fields in Maps of JSONata states.

    Why is this bad? AWS rejects the definition.

    Example: `"ItemsPath": "$.items"` in a JSONata state

    How to fix: `"Items": "{% $states.input.items %}"`
    """
    instead = {"ItemsPath": "Items", "Parameters": "ItemSelector" if violation.part == "Map" else "Arguments"}
    field = instead.get(violation.field, violation.field.removesuffix("Path"))
    yield violation.found(hint=f"use {field} with {{% JSONata %}}")


@rule("SFN-M26", on="shape")
def items_are_iterable(violation: Violation) -> Findings:
    """Checks that `Items` is an array, an object or a JSONata expression.

    Why is this bad? AWS rejects the definition.

    Example: `"Items": "$.items"`

    How to fix: `"Items": "{% $states.input.items %}"`
    """
    path = isinstance(violation.value, str) and violation.value.startswith("$.")
    hint = f"write {{% $states.input{violation.value[1:]} %}}" if path else ""
    yield violation.found(hint, message="Items must be an array, an object or a JSONata expression")


@rule("SFN-M28", on="shape")
def processor_has_no_other_fields(violation: Violation) -> Findings:
    """Checks for fields of ItemProcessor and Iterator other than StartAt, States, ProcessorConfig and Comment.

    Why is this bad? AWS rejects the definition. States inside have the query language of the state machine, or their
    own.

    Example: `"ItemProcessor": {"QueryLanguage": "JSONata", "StartAt": …}`

    How to fix: set `QueryLanguage` in the states of the processor
    """
    language = violation.field == "QueryLanguage"
    yield violation.found(hint="set it in the states of the processor" if language else "")


@rule("SFN-M29", on="path", types=("number!",))
def number_paths_are_reference_paths(found: Found) -> Findings:
    """Checks that MaxConcurrencyPath and the other paths to numbers are reference paths outside the context object.

    Why is this bad? AWS rejects the definition.

    Example: `"MaxConcurrencyPath": "$$.Execution.Input.n"`

    How to fix: `"MaxConcurrencyPath": "$.n"`
    """
    if found.role == "number" and found.error:
        yield reference_fault(found)


@rule("SFN-M32", on="state", types=("Map",), severity="info", code="")
def iterator_is_old(state: State) -> Findings:
    """Notes `Iterator`, the old name of `ItemProcessor`.

    Why is this bad? AWS accepts it, but a DISTRIBUTED Map needs the new name.

    Example: `{"Type": "Map", "Iterator": {...}, "End": true}`

    How to fix: `{"Type": "Map", "ItemProcessor": {...}, "End": true}`
    """
    if "Iterator" in state.value and "ItemProcessor" not in state.value:
        yield Finding(state.at("Iterator"), "Use 'ItemProcessor' instead of 'Iterator'", key=True)


# --- rules without a function ---

enter_rows(
    __name__,
    (
        Row(
            "SFN-M02",
            """Checks for Map states with both ItemProcessor and Iterator.

            Why is this bad? AWS rejects the definition.

            Example: `{"Type": "Map", "ItemProcessor": {...}, "Iterator": {...}, "End": true}`

            How to fix: remove Iterator, the old name
            """,
            hint="remove Iterator, the old name",
        ),
        Row(
            "SFN-M03",
            """Checks for Map states with both ItemSelector and Parameters.

            Why is this bad? AWS rejects the definition.

            Example: `{"Type": "Map", "ItemSelector": {...}, "Parameters": {...}, …}`

            How to fix: remove Parameters, the old name
            """,
            hint="remove Parameters, the old name",
        ),
        Row(
            "SFN-M04",
            """Checks that `MaxConcurrency` is an integer of at least 0; 0 is unlimited.

            Why is this bad? AWS rejects the definition.

            Example: `"MaxConcurrency": -1`

            How to fix: `"MaxConcurrency": 0`
            """,
        ),
        Row(
            "SFN-M05",
            """Checks for Map states with both MaxConcurrency and MaxConcurrencyPath.

            Why is this bad? AWS rejects the definition.

            Example: `"MaxConcurrency": 1, "MaxConcurrencyPath": "$.n"`

            How to fix: remove one of them
            """,
            hint="remove one of them",
        ),
        Row(
            "SFN-M06",
            """Checks for a `ProcessorConfig.Mode` other than INLINE or DISTRIBUTED.

            Why is this bad? AWS rejects the definition.

            Example: `"ProcessorConfig": {"Mode": "PARALLEL"}`

            How to fix: `"ProcessorConfig": {"Mode": "INLINE"}`
            """,
        ),
        Row(
            "SFN-M19",
            """Checks that `ToleratedFailurePercentage` is a number from 0 to 100; fractions are valid.

            Why is this bad? AWS rejects the definition.

            Example: `"ToleratedFailurePercentage": 101`

            How to fix: `"ToleratedFailurePercentage": 100`
            """,
        ),
        Row(
            "SFN-M20",
            """Checks that `ToleratedFailureCount` is an integer of at least 0.

            Why is this bad? AWS rejects the definition.

            Example: `"ToleratedFailureCount": -1`

            How to fix: `"ToleratedFailureCount": 0`
            """,
        ),
        Row(
            "SFN-M21",
            """Checks for ToleratedFailureCount or ToleratedFailurePercentage next to its Path field.

            Why is this bad? AWS rejects the definition.

            Example: `"ToleratedFailureCount": 1, "ToleratedFailureCountPath": "$.n"`

            How to fix: remove one of them
            """,
            hint="remove one of them",
        ),
        Row(
            "SFN-M24",
            """Checks for `Items` in JSONPath states.

            Why is this bad? AWS rejects the definition.

            Example: `"Items": [1, 2]` in a JSONPath state

            How to fix: `"ItemsPath": "$.items"`
            """,
            hint="use ItemsPath",
        ),
        Row(
            "SFN-M30",
            """Not reported: an `ItemsPath` that begins at the context object.

            Example: `"ItemsPath": "$$.Execution.Input.items"`
            """,
            on="accepted",
        ),
    ),
)
