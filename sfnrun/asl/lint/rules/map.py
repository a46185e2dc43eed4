"""Rules about Map states: processor, items, concurrency; files and batches stand in map_distributed."""

from __future__ import annotations

import re
from typing import Any

from sfnrun.asl.lint.expressions import Found
from sfnrun.asl.lint.outline import Pointer, State, has_placeholder, is_placeholder
from sfnrun.asl.lint.rule import Finding, Findings, rule
from sfnrun.asl.lint.rules.paths import reference_fault
from sfnrun.asl.lint.shape import Violation

__all__ = ["is_inline"]


@rule("SFN-M01", on="shape")
def processor_is_there(violation: Violation) -> Findings:
    """A Map has `ItemProcessor` (or `Iterator`, its old name), an object.

    Example: `"A": {"Type": "Map", "End": true}`
    """
    if violation.keyword == "none":
        yield violation.found(hint="add ItemProcessor with StartAt and States")
    else:
        yield violation.found()


@rule("SFN-M02", on="shape")
def one_processor(violation: Violation) -> Findings:
    """A Map has ItemProcessor or Iterator, not both.

    Example: `{"Type": "Map", "ItemProcessor": {...}, "Iterator": {...}, "End": true}`
    """
    yield violation.found(hint="remove Iterator, the old name")


@rule("SFN-M03", on="shape")
def one_selector(violation: Violation) -> Findings:
    """A Map has ItemSelector or Parameters (its old name), not both.

    Example: `{"Type": "Map", "ItemSelector": {...}, "Parameters": {...}, …}`
    """
    yield violation.found(hint="remove Parameters, the old name")


@rule("SFN-M04", on="shape")
def max_concurrency_in_range(violation: Violation) -> Findings:
    """`MaxConcurrency` is an integer from 0 on; 0 means as many as possible.

    Example: `"MaxConcurrency": -1`
    """
    yield violation.found()


@rule("SFN-M05", on="shape")
def max_concurrency_or_its_path(violation: Violation) -> Findings:
    """A Map has MaxConcurrency or MaxConcurrencyPath, not both.

    Example: `"MaxConcurrency": 1, "MaxConcurrencyPath": "$.n"`
    """
    yield violation.found(hint="remove one of them")


@rule("SFN-M06", on="shape")
def mode_is_known(violation: Violation) -> Findings:
    """`ProcessorConfig.Mode` is INLINE or DISTRIBUTED.

    Example: `"ProcessorConfig": {"Mode": "PARALLEL"}`
    """
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
    """A DISTRIBUTED Map says what its child executions are: `ExecutionType` STANDARD or EXPRESS.

    Example: `"ProcessorConfig": {"Mode": "DISTRIBUTED"}`
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
    """An INLINE Map has no `ExecutionType`.

    Its iterations are no executions.

    Example: `"ProcessorConfig": {"Mode": "INLINE", "ExecutionType": "STANDARD"}`
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


@rule("SFN-M19", on="shape")
def tolerated_percentage_in_range(violation: Violation) -> Findings:
    """`ToleratedFailurePercentage` is a number from 0 to 100; fractions are fine.

    Example: `"ToleratedFailurePercentage": 101`
    """
    yield violation.found()


@rule("SFN-M20", on="shape")
def tolerated_count_in_range(violation: Violation) -> Findings:
    """`ToleratedFailureCount` is an integer from 0 on.

    Example: `"ToleratedFailureCount": -1`
    """
    yield violation.found()


@rule("SFN-M21", on="shape")
def tolerated_or_its_path(violation: Violation) -> Findings:
    """ToleratedFailureCount and ToleratedFailurePercentage do not stand beside their Path.

    Example: `"ToleratedFailureCount": 1, "ToleratedFailureCountPath": "$.n"`
    """
    yield violation.found(hint="remove one of them")


_NOT_IN_LABELS = r"[\s?*<>{}\[\]:;,\\|^~$#%&`\"\x00-\x1f\x7f-\x9f]"


@rule("SFN-M22", on="state", types=("Map",))
def label_is_plain(state: State) -> Findings:
    r"""A `Label` has 1 to 40 characters, without blanks, control characters and most punctuation.

    None of ``? * < > { } [ ] : ; , \ | ^ ~ $ # % & ` "`` is possible. It becomes part of the ARN of the Map Run.

    Example: `"Label": "my label"`
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
    """`ItemsPath` is a reference path, not null; it names one array.

    To map over what a filter finds, let a Pass state before the Map put it somewhere.

    Example: `"ItemsPath": "$.orders[*].items"`
    """
    if found.role == "items" and found.error and found.compiled is not None:
        yield reference_fault(found)


@rule("SFN-M24", on="shape")
def items_belong_to_jsonata(violation: Violation) -> Findings:
    """`Items` belongs to JSONata states.

    Example: `"Items": [1, 2]` in a JSONPath state
    """
    yield violation.found(hint="use ItemsPath")


@rule("SFN-M25", on="shape")
def map_paths_belong_to_jsonpath(violation: Violation) -> Findings:
    """ItemsPath, Parameters, MaxConcurrencyPath and every other field with Path belong to JSONPath states.

    Example: `"ItemsPath": "$.items"` in a JSONata state
    """
    instead = {"ItemsPath": "Items", "Parameters": "ItemSelector" if violation.part == "Map" else "Arguments"}
    field = instead.get(violation.field, violation.field.removesuffix("Path"))
    yield violation.found(hint=f"use {field}, which takes {{% JSONata %}}")


@rule("SFN-M26", on="shape")
def items_are_iterable(violation: Violation) -> Findings:
    """`Items` is an array, an object or a JSONata expression.

    Example: `"Items": "$.items"`
    """
    path = isinstance(violation.value, str) and violation.value.startswith("$.")
    hint = f"write {{% $states.input{violation.value[1:]} %}}" if path else ""
    yield violation.found(hint, message="Items must be an array, an object or a JSONata expression")


@rule("SFN-M28", on="shape")
def processor_has_no_other_fields(violation: Violation) -> Findings:
    """ItemProcessor and Iterator have StartAt, States, ProcessorConfig and Comment; no QueryLanguage.

    The states inside have the language of the machine, or their own.

    Example: `"ItemProcessor": {"QueryLanguage": "JSONata", "StartAt": …}`
    """
    language = violation.field == "QueryLanguage"
    yield violation.found(hint="set it in the states of the processor" if language else "")


@rule("SFN-M29", on="path", types=("number!",))
def number_paths_are_reference_paths(found: Found) -> Findings:
    """MaxConcurrencyPath and the other paths to numbers are reference paths, and do not begin at the context object.

    Example: `"MaxConcurrencyPath": "$$.Execution.Input.n"`
    """
    if found.role == "number" and found.error:
        yield reference_fault(found)


@rule("SFN-M30", on="accepted")
def items_path_of_context(_: object) -> Findings:
    """`ItemsPath` may begin at the context object.

    Example: `"ItemsPath": "$$.Execution.Input.items"`
    """
    yield from ()


@rule("SFN-M32", on="state", types=("Map",), severity="info", code="")
def iterator_is_old(state: State) -> Findings:
    """`Iterator` is the old name of `ItemProcessor`.

    AWS still takes it; a DISTRIBUTED Map needs the new one.

    Example: `{"Type": "Map", "Iterator": {...}, "End": true}`
    """
    if "Iterator" in state.value and "ItemProcessor" not in state.value:
        yield Finding(state.at("Iterator"), "Use 'ItemProcessor' instead of 'Iterator'", key=True)
