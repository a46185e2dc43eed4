"""Rules about DISTRIBUTED Maps: item readers, batches, result writers and labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sfnrun.asl.lint.outline import Outline, State, has_placeholder, is_placeholder
from sfnrun.asl.lint.rule import Finding, Findings, Row, enter_rows, rule
from sfnrun.asl.lint.rules.map import is_inline
from sfnrun.asl.lint.shape import close_to
from sfnrun.asl.resource import read_resource

__all__: list[str] = []

_READERS = ("getObject", "listObjectsV2")


def _only_distributed(state: State, names: tuple[str, ...]) -> Iterator[Finding]:
    if is_inline(state):
        for name in names:
            if name in state.value:
                hint = 'set "ProcessorConfig": {"Mode": "DISTRIBUTED", …} in the ItemProcessor'
                message = f"Field '{name}' is not supported"
                yield Finding(state.at(name), message, hint, key=True, location=state.pointer)


@rule("SFN-M09", on="state", types=("Map",))
def reader_needs_distributed(state: State) -> Findings:
    """Checks for `ItemReader` in INLINE Maps.

    Why is this bad? An INLINE Map takes its items from its input, so AWS rejects the definition.

    Example: `{"Type": "Map", "ItemReader": {...}, "ItemProcessor": {...}, "End": true}`

    How to fix: set `"Mode": "DISTRIBUTED"` in the ProcessorConfig
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
    """Checks that `ItemReader` has a `Resource` (s3:getObject or s3:listObjectsV2) and Parameters or Arguments.

    Why is this bad? AWS rejects the definition.

    Example: `"ItemReader": {"Parameters": {"Bucket": "b", "Key": "k"}}`

    How to fix: `"ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {"Bucket": "b", "Key": "k"}}`
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
        yield Finding(state.at("ItemReader"), message, f"add {field} with Bucket, and Key or Prefix", key=True)


@rule("SFN-M11", on="state", types=("Map",))
def input_type_is_known(state: State) -> Findings:
    """Checks that `ReaderConfig.InputType` is CSV, JSON, JSONL, MANIFEST or PARQUET; s3:getObject requires it.

    Why is this bad? AWS rejects the definition.

    Example: `"ReaderConfig": {"InputType": "XML"}`

    How to fix: `"ReaderConfig": {"InputType": "JSON"}`
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
    """Checks that a CSV reader, and no other, has `CSVHeaderLocation` (FIRST_ROW or GIVEN).

    Why is this bad? The names of the columns are unknown, so AWS rejects the definition.

    Example: `"ReaderConfig": {"InputType": "CSV"}`

    How to fix: `"ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}`
    """
    config = _reader_config(state)
    is_csv = config.get("InputType") == "CSV"
    if is_csv and "CSVHeaderLocation" not in config:
        message = "The field 'CSVHeaderLocation' is required but was missing"
        yield Finding(state.at("ItemReader", "ReaderConfig"), message, 'add "CSVHeaderLocation": "FIRST_ROW"', key=True)
    if not is_csv and "CSVHeaderLocation" in config and config.get("InputType") in ("JSON", "JSONL", "PARQUET"):
        place = state.at("ItemReader", "ReaderConfig", "CSVHeaderLocation")
        message = "Field 'CSVHeaderLocation' is not supported"
        yield Finding(place, message, "remove it: only CSV files have a header", key=True, location=place[:-1])


@rule("SFN-M13", on="state", types=("Map",))
def given_headers_are_given(state: State) -> Findings:
    """Checks that `CSVHeaders` is an array of strings for `CSVHeaderLocation` GIVEN, and absent for FIRST_ROW.

    Why is this bad? AWS rejects the definition.

    Example: `"ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "GIVEN"}`

    How to fix: `"ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["id"]}`
    """
    config, place = _reader_config(state), state.at("ItemReader", "ReaderConfig")
    location = config.get("CSVHeaderLocation")
    if location == "GIVEN" and "CSVHeaders" not in config:
        message = "The field 'CSVHeaders' is required but was missing"
        yield Finding(place, message, 'add "CSVHeaders": ["…"]', key=True)
    if location == "FIRST_ROW" and "CSVHeaders" in config:
        message = "Field 'CSVHeaders' is not supported"
        hint = 'remove it, or set "CSVHeaderLocation": "GIVEN"'
        yield Finding((*place, "CSVHeaders"), message, hint, key=True, location=place)


@rule("SFN-M27", on="state", types=("Map",))
def writer_is_complete(state: State) -> Findings:
    """Checks that `ResultWriter` has Resource s3:putObject with Parameters or Arguments, a `WriterConfig` with
    OutputType, or both. OutputType is JSON or JSONL, Transformation NONE, COMPACT or FLATTEN.

    Why is this bad? AWS rejects the definition. (For INLINE Maps see SFN-M31.)

    Example: `"ResultWriter": {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {...}}`

    How to fix: `"ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {...}}`
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
        yield Finding(state.at("ResultWriter"), message, f"add {missing}, or remove both", key=True)


@rule("SFN-M31", on="state", types=("Map",))
def other_fields_need_distributed(state: State) -> Findings:
    """Checks for ItemBatcher, ResultWriter, Label and ToleratedFailure fields in INLINE Maps.

    Why is this bad? AWS rejects them. It accepts the ToleratedFailure fields, but they have no effect, so they are a
    warning.

    Example: `{"Type": "Map", "Label": "orders", "ItemProcessor": {...}, "End": true}`

    How to fix: set `"Mode": "DISTRIBUTED"` in the ProcessorConfig, or remove the field
    """
    yield from _only_distributed(state, ("ItemBatcher", "ResultWriter", "Label"))
    tolerated = ("ToleratedFailureCount", "ToleratedFailurePercentage")
    for name in (*tolerated, *(f"{name}Path" for name in tolerated)) if is_inline(state) else ():
        if name in state.value:
            message = f"'{name}' has no effect in an INLINE Map"
            yield Finding(state.at(name), message, key=True, severity="warning")


@rule("SFN-M33", on="machine", code="DUPLICATE_LABEL_NAME")
def labels_are_unique(outline: Outline) -> Findings:
    """Checks for a `Label` that is used twice in the state machine.

    Why is this bad? It names the Map Runs of its Map, so AWS rejects the definition.

    Example: `"Label": "orders"` in each of two Maps

    How to fix: use another label: `"Label": "returns"`
    """
    seen: dict[str, str] = {}
    for state in outline.states:
        label = state.get("Label")
        if state.type == "Map" and isinstance(label, str) and not has_placeholder(label):
            if label in seen:
                yield Finding(state.at("Label"), f"Duplicate Label: {label}", f"also used in '{seen[label]}'")
            seen.setdefault(label, state.name)


# --- rules without a function ---

enter_rows(
    __name__,
    (
        Row(
            "SFN-M14",
            """Checks that `MaxItems` is an integer from 1 to 100000000, without MaxItemsPath.

            Why is this bad? AWS rejects the definition.

            Example: `"ReaderConfig": {"InputType": "JSON", "MaxItems": 10, "MaxItemsPath": "$.n"}`

            How to fix: `"ReaderConfig": {"InputType": "JSON", "MaxItems": 10}`
            """,
        ),
        Row(
            "SFN-M15",
            """Checks that `ItemBatcher` sets MaxItemsPerBatch, MaxInputBytesPerBatch, or their Path fields.

            Why is this bad? Without a size there are no batches, so AWS rejects the definition.

            Example: `"ItemBatcher": {"BatchInput": {}}`

            How to fix: `"ItemBatcher": {"MaxItemsPerBatch": 10}`
            """,
        ),
        Row(
            "SFN-M16",
            """Checks that `MaxItemsPerBatch` is an integer of at least 1.

            Why is this bad? AWS rejects the definition.

            Example: `"MaxItemsPerBatch": 0`

            How to fix: `"MaxItemsPerBatch": 10`
            """,
        ),
        Row(
            "SFN-M17",
            """Checks for batch sizes that are set by both a number and a path.

            Why is this bad? AWS rejects the definition.

            Example: `"MaxItemsPerBatch": 10, "MaxItemsPerBatchPath": "$.n"`

            How to fix: remove one of them
            """,
            hint="remove one of them",
        ),
        Row(
            "SFN-M18",
            """Checks that `MaxInputBytesPerBatch` is an integer from 1 to 262144 (256 KiB, the limit of an input).

            Why is this bad? AWS rejects the definition.

            Example: `"MaxInputBytesPerBatch": 300000`

            How to fix: `"MaxInputBytesPerBatch": 262144`
            """,
        ),
    ),
)
