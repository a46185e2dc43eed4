"""Rules about Map states: processor, items, reader, batcher, writer, tolerated failures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sfnrun.asl.outline import Pointer, State, has_placeholder, is_placeholder
from sfnrun.asl.rule import Finding, Findings, rule
from sfnrun.asl.rules.expressions import Found
from sfnrun.asl.rules.paths import reference_fault
from sfnrun.asl.shape import Violation, close_to

__all__: list[str] = []

_READERS = ("getObject", "listObjectsV2")
_RESOURCE = re.compile(r"arn:[^:]*:states:[^:]*:[^:]*:(aws-sdk:)?s3:(\w+)")


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


def _config(state: State) -> tuple[Pointer, dict[str, Any]]:
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
    pointer, config = _config(state)
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
    pointer, config = _config(state)
    if _is_inline(state) and "ExecutionType" in config:
        hint = 'remove it, or set "Mode": "DISTRIBUTED"'
        place = (*pointer, "ExecutionType")
        yield Finding(place, "Field 'ExecutionType' is not supported", hint, key=True, location=pointer)


def _is_inline(state: State) -> bool:
    _, config = _config(state)
    return config.get("Mode", "INLINE") == "INLINE" and not is_placeholder(state.get("ItemProcessor"))


def _only_distributed(state: State, names: tuple[str, ...]) -> Iterator[Finding]:
    if _is_inline(state):
        for name in names:
            if name in state.value:
                hint = 'it needs "ProcessorConfig": {"Mode": "DISTRIBUTED", …} in the ItemProcessor'
                message = f"Field '{name}' is not supported"
                yield Finding(state.at(name), message, hint, key=True, location=state.pointer)


@rule("SFN-M09", on="state", types=("Map",))
def reader_needs_distributed(state: State) -> Findings:
    """`ItemReader` belongs to DISTRIBUTED Maps.

    An INLINE Map takes its items from its input.

    Example: `{"Type": "Map", "ItemReader": {...}, "ItemProcessor": {...}, "End": true}`
    """
    yield from _only_distributed(state, ("ItemReader",))


def _resource_action(value: object) -> str | None:
    """The S3 action of a reader's or writer's Resource; "" if it is something else, None if nobody can tell."""
    if not isinstance(value, str) or has_placeholder(value.rpartition("s3:")[2] if "s3:" in value else value):
        return None
    found = _RESOURCE.fullmatch(value)
    return found[2] if found else ""


@rule("SFN-M10", on="state", types=("Map",))
def reader_is_complete(state: State) -> Findings:
    """`ItemReader` has `Resource` (s3:getObject or s3:listObjectsV2), and Parameters or Arguments.

    Example: `"ItemReader": {"Parameters": {"Bucket": "b", "Key": "k"}}`
    """
    reader = state.get("ItemReader")
    if not isinstance(reader, dict) or is_placeholder(reader):
        return
    action = _resource_action(reader.get("Resource"))
    if action is not None and action not in _READERS and reader["Resource"] != "":
        values = ", ".join(f"arn:aws:states:::s3:{name}" for name in _READERS)
        message = f"The field 'Resource' should have one of these values: [{values}]"
        close = close_to(action, _READERS) if action else None
        yield Finding(state.at("ItemReader", "Resource"), message, f"did you mean s3:{close}?" if close else "")
    field = "Arguments" if state.is_jsonata else "Parameters"
    if field not in reader and "Resource" in reader:
        message = f"The field '{field}' is required but was missing"
        yield Finding(state.at("ItemReader"), message, "it names the Bucket, and Key or Prefix", key=True)


@rule("SFN-M11", on="state", types=("Map",))
def input_type_is_known(state: State) -> Findings:
    """`ReaderConfig.InputType` is CSV, JSON, JSONL, MANIFEST or PARQUET; s3:getObject needs it.

    Example: `"ReaderConfig": {"InputType": "XML"}`
    """
    reader = state.get("ItemReader")
    if isinstance(reader, dict) and _resource_action(reader.get("Resource")) == "getObject":
        config = reader.get("ReaderConfig", {})
        if isinstance(config, dict) and "InputType" not in config and not is_placeholder(config):
            place = state.at("ItemReader", "ReaderConfig") if "ReaderConfig" in reader else state.at("ItemReader")
            message = "The field 'InputType' is required but was missing"
            yield Finding(place, message, 'add "ReaderConfig": {"InputType": "JSON"}', key=True)


def _reader_config(state: State) -> dict[str, Any]:
    reader = state.get("ItemReader")
    config = reader.get("ReaderConfig") if isinstance(reader, dict) else None
    return config if isinstance(config, dict) else {}


@rule("SFN-M12", on="state", types=("Map",))
def csv_has_a_header_location(state: State) -> Findings:
    """A CSV reader says where the names of the columns stand: `CSVHeaderLocation` FIRST_ROW or GIVEN.

    Example: `"ReaderConfig": {"InputType": "CSV"}`
    """
    config = _reader_config(state)
    is_csv = config.get("InputType") == "CSV"
    if is_csv and "CSVHeaderLocation" not in config:
        message = "The field 'CSVHeaderLocation' is required but was missing"
        yield Finding(state.at("ItemReader", "ReaderConfig"), message, 'add "CSVHeaderLocation": "FIRST_ROW"', key=True)
    if not is_csv and "CSVHeaderLocation" in config and config.get("InputType") in ("JSON", "JSONL", "PARQUET"):
        place = state.at("ItemReader", "ReaderConfig", "CSVHeaderLocation")
        message = "Field 'CSVHeaderLocation' is not supported"
        yield Finding(place, message, "only CSV files have a header", key=True, location=place[:-1])


@rule("SFN-M13", on="state", types=("Map",))
def given_headers_are_given(state: State) -> Findings:
    """`CSVHeaderLocation` GIVEN needs `CSVHeaders`, an array of at least one string; FIRST_ROW has none.

    Example: `"ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "GIVEN"}`
    """
    config, place = _reader_config(state), state.at("ItemReader", "ReaderConfig")
    location = config.get("CSVHeaderLocation")
    if location == "GIVEN" and "CSVHeaders" not in config:
        message = "The field 'CSVHeaders' is required but was missing"
        yield Finding(place, message, 'add "CSVHeaders": ["…"]', key=True)
    if location == "FIRST_ROW" and "CSVHeaders" in config:
        message = "Field 'CSVHeaders' is not supported"
        hint = 'they stand in the first row; remove it, or set "CSVHeaderLocation": "GIVEN"'
        yield Finding((*place, "CSVHeaders"), message, hint, key=True, location=place)


@rule("SFN-M14", on="shape")
def max_items_in_range(violation: Violation) -> Findings:
    """`MaxItems` is an integer from 1 to 100000000, and does not stand beside MaxItemsPath.

    Example: `"ReaderConfig": {"InputType": "JSON", "MaxItems": 10, "MaxItemsPath": "$.n"}`
    """
    yield violation.found()


@rule("SFN-M15", on="shape")
def batcher_has_a_size(violation: Violation) -> Findings:
    """`ItemBatcher` sets MaxItemsPerBatch, MaxInputBytesPerBatch, or both (or their Path).

    Without a size there are no batches.

    Example: `"ItemBatcher": {"BatchInput": {}}`
    """
    yield violation.found()


@rule("SFN-M16", on="shape")
def batch_items_in_range(violation: Violation) -> Findings:
    """`MaxItemsPerBatch` is an integer from 1 on.

    Example: `"MaxItemsPerBatch": 0`
    """
    yield violation.found()


@rule("SFN-M17", on="shape")
def batch_size_or_its_path(violation: Violation) -> Findings:
    """A size of a batch is given by a number or by a path, not by both.

    Example: `"MaxItemsPerBatch": 10, "MaxItemsPerBatchPath": "$.n"`
    """
    yield violation.found(hint="remove one of them")


@rule("SFN-M18", on="shape")
def batch_bytes_in_range(violation: Violation) -> Findings:
    """`MaxInputBytesPerBatch` is an integer from 1 to 262144 (256 KiB, the limit of an input).

    Example: `"MaxInputBytesPerBatch": 300000`
    """
    yield violation.found()


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


_NOT_IN_LABELS = re.compile(r"[\s?*<>{}\[\]:;,\\|^~$#%&`\"\x00-\x1f\x7f-\x9f]")


@rule("SFN-M22", on="state", types=("Map",))
def label_is_plain(state: State) -> Findings:
    r"""A `Label` has 1 to 40 characters, without blanks, control characters and most punctuation.

    None of ``? * < > { } [ ] : ; , \ | ^ ~ $ # % & ` "`` is possible. It becomes part of the ARN of the Map Run.

    Example: `"Label": "my label"`
    """
    label = state.get("Label")
    found = _NOT_IN_LABELS.search(label) if isinstance(label, str) and not has_placeholder(label) else None
    if found:
        message = f"Label cannot contain {_shown(found[0])}"
        yield Finding(state.at("Label"), message, "use letters, digits, - and _", offset=found.start(), length=1)


def _shown(character: str) -> str:
    return f"'{character}'" if character.isprintable() and character != " " else f"U+{ord(character):04X}"


@rule("SFN-M23", on="path")
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
    yield violation.found(message="Items must be an array, an object or a JSONata expression")


@rule("SFN-M27", on="state", types=("Map",))
def writer_is_complete(state: State) -> Findings:
    """`ResultWriter` has `Resource` s3:putObject with Parameters or Arguments, `WriterConfig` with OutputType, or both.

    WriterConfig: OutputType JSON or JSONL, Transformation NONE, COMPACT or FLATTEN. (For INLINE Maps see SFN-M31.)

    Example: `"ResultWriter": {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {...}}`
    """
    writer = state.get("ResultWriter")
    if not isinstance(writer, dict) or is_placeholder(writer):
        return
    action = _resource_action(writer.get("Resource"))
    if action is not None and action != "putObject":
        message = "The field 'Resource' should have one of these values: [arn:aws:states:::s3:putObject]"
        yield Finding(state.at("ResultWriter", "Resource"), message)
    field = "Arguments" if state.is_jsonata else "Parameters"
    if ("Resource" in writer) != (field in writer):
        missing = field if "Resource" in writer else "Resource"
        message = f"The field '{missing}' is required but was missing"
        yield Finding(state.at("ResultWriter"), message, "Resource and what it is called with go together", key=True)


@rule("SFN-M28", on="shape")
def processor_has_no_other_fields(violation: Violation) -> Findings:
    """ItemProcessor and Iterator have StartAt, States, ProcessorConfig and Comment; no QueryLanguage.

    The states inside have the language of the machine, or their own.

    Example: `"ItemProcessor": {"QueryLanguage": "JSONata", "StartAt": …}`
    """
    language = violation.field == "QueryLanguage"
    yield violation.found(hint="set it in the states of the processor" if language else "")


@rule("SFN-M29", on="path")
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


@rule("SFN-M31", on="state", types=("Map",))
def other_fields_need_distributed(state: State) -> Findings:
    """ItemBatcher, ResultWriter, Label and the ToleratedFailure fields belong to DISTRIBUTED Maps.

    Example: `{"Type": "Map", "Label": "orders", "ItemProcessor": {...}, "End": true}`
    """
    tolerated = ("ToleratedFailureCount", "ToleratedFailurePercentage")
    paths = tuple(f"{name}Path" for name in tolerated)
    yield from _only_distributed(state, ("ItemBatcher", "ResultWriter", "Label", *tolerated, *paths))


@rule("SFN-M32", on="state", types=("Map",), severity="info", code="")
def iterator_is_old(state: State) -> Findings:
    """`Iterator` is the old name of `ItemProcessor`.

    AWS still takes it; a DISTRIBUTED Map needs the new one.

    Example: `{"Type": "Map", "Iterator": {...}, "End": true}`
    """
    if "Iterator" in state.value and "ItemProcessor" not in state.value:
        yield Finding(state.at("Iterator"), "Use 'ItemProcessor' instead of 'Iterator'", key=True)
