"""Rules about what only a DISTRIBUTED Map has: a reader of files, batches, a writer of results, a label."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sfnrun.asl.lint.outline import Outline, State, has_placeholder, is_placeholder
from sfnrun.asl.lint.rule import Finding, Findings, rule
from sfnrun.asl.lint.rules.map import is_inline
from sfnrun.asl.lint.shape import Violation, close_to
from sfnrun.asl.resource import read_resource

__all__: list[str] = []

_READERS = ("getObject", "listObjectsV2")


def _only_distributed(state: State, names: tuple[str, ...]) -> Iterator[Finding]:
    if is_inline(state):
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
    if not isinstance(value, str):
        return None
    resource = read_resource(value)
    if resource is None or resource.service not in ("s3", "aws-sdk:s3"):
        return None if has_placeholder(value) else ""
    return None if has_placeholder(resource.action) else resource.label


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


@rule("SFN-M31", on="state", types=("Map",))
def other_fields_need_distributed(state: State) -> Findings:
    """ItemBatcher, ResultWriter, Label and the ToleratedFailure fields belong to DISTRIBUTED Maps.

    AWS takes the ToleratedFailure fields of an INLINE Map (recorded), where they do nothing: these are warned of.

    Example: `{"Type": "Map", "Label": "orders", "ItemProcessor": {...}, "End": true}`
    """
    yield from _only_distributed(state, ("ItemBatcher", "ResultWriter", "Label"))
    tolerated = ("ToleratedFailureCount", "ToleratedFailurePercentage")
    for name in (*tolerated, *(f"{name}Path" for name in tolerated)) if is_inline(state) else ():
        if name in state.value:
            message = f"'{name}' has no effect in an INLINE Map"
            yield Finding(state.at(name), message, key=True, severity="warning")


@rule("SFN-M33", on="machine", code="DUPLICATE_LABEL_NAME")
def labels_are_unique(outline: Outline) -> Findings:
    """A `Label` is used once in the whole machine.

    It names the Map Runs of its Map, so AWS refuses two of a name.

    Example: `"Label": "orders"` in each of two Maps
    """
    seen: dict[str, str] = {}
    for state in outline.states:
        label = state.get("Label")
        if state.type == "Map" and isinstance(label, str) and not has_placeholder(label):
            if label in seen:
                yield Finding(state.at("Label"), f"Duplicate Label: {label}", f"the other one is in '{seen[label]}'")
            seen.setdefault(label, state.name)
