"""Table of the fields that contain values and expressions: one row for each, for everything that must know them.

A row states where a field is (which state types, which object in the state), in which query language, which kind of
value it has, which members of `$states` its JSONata may read, and which attribute of the model holds it. `asl.parse`
compiles by the table, `asl.lint` finds expressions and misplaced fields by it, `explain.observe` and
`replayer.nondeterminism` read it, too. A new field is a row here, an attribute in `asl.model` and its shape in
`asl/lint/schema.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal

from msgspec import Struct

from sfnrun.asl.model import STATE_TYPES, QueryLanguage

__all__ = [
    "AFTER",
    "BEFORE",
    "CAUGHT",
    "FIELDS",
    "NESTED_GRAPHS",
    "FieldRow",
    "Kind",
    "expressions_of",
    "fields_of",
    "rule_if_misplaced",
]

Kind = Literal["path", "target", "template", "value", "value path", "constant"]
"""What a field has.

"path": a JSONPath, or null to discard. "target": a Reference Path to put a result, or null. "template": a payload
template. "value": a literal, or in JSONata an expression. "value path": the JSONPath of a value, under the name of the
field with Path. "constant": JSON that is never evaluated.
"""

# The members of `$states` that an expression may read: before the state's work, after it, and in a catcher.
BEFORE = frozenset({"input", "context"})
AFTER = BEFORE | {"result"}
# AWS has no result where an error was caught, but its tools accept expressions that read it (SFN-Q08 warns).
CAUGHT = AFTER | {"errorOutput"}

# Fields that contain further states, not values of the state itself.
NESTED_GRAPHS = ("Branches", "ItemProcessor", "Iterator")


class FieldRow(Struct, frozen=True):
    """One field.

    `steps` is its path in the state (("ItemReader", "Parameters")), in a catcher or in a Choice rule, as `part` says.
    `role` is how the rules call its JSONPath. `attribute` is that of the model, "" if the model does not have the field
    yet. `is_text` is True if a string without `{% %}` is a plain text of a JSONata field, not a possible mistake.
    `misplaced` is the rule that reports the field in a state of the other query language.
    """

    steps: tuple[str, ...]
    types: frozenset[str]
    kind: Kind
    attribute: str = ""
    language: QueryLanguage | None = None
    part: Literal["", "Catch", "Choices"] = ""
    role: str = ""
    reads: frozenset[str] = BEFORE
    is_text: bool = False
    misplaced: str = ""

    @property
    def name(self) -> str:
        return self.steps[-1]


_ALL = frozenset(STATE_TYPES)
_WORKING = frozenset(name for name, state in STATE_TYPES.items() if state.has_result)
_WITH_RESULT_PATH = _WORKING | {"Pass"}
_TASK, _PASS, _WAIT, _FAIL, _MAP, _CHOICE = (
    frozenset({name}) for name in ("Task", "Pass", "Wait", "Fail", "Map", "Choice")
)


def _value(
    name: str,
    types: frozenset[str],
    attribute: str,
    role: str,
    misplaced: str,
    *,
    is_text: bool = False,
    language: QueryLanguage | None = None,
) -> tuple[FieldRow, FieldRow]:
    """Return the rows of a field with a value, and of its twin that ends in Path."""
    value = FieldRow(
        (name,),
        types,
        "value",
        attribute,
        language,
        role="constant" if role == "fail" else "",
        is_text=is_text,
        misplaced="SFN-M24" if name == "Items" else "",
    )
    path = FieldRow((f"{name}Path",), types, "value path", attribute, "JSONPath", role=role, misplaced=misplaced)
    return path, value


def _nested(*steps: str, kind: Kind = "template", language: QueryLanguage | None = None, role: str = "") -> FieldRow:
    """Return the row of a field that only the rules know: DISTRIBUTED Maps are not run yet."""
    return FieldRow(steps, _MAP, kind, language=language, role=role, misplaced="SFN-M25")


FIELDS: tuple[FieldRow, ...] = (
    FieldRow(("InputPath",), _ALL - _FAIL, "path", "input_path", "JSONPath", role="whole"),
    FieldRow(("Parameters",), _WITH_RESULT_PATH - _MAP, "template", "parameters", "JSONPath"),
    FieldRow(("ResultSelector",), _WORKING, "template", "result_selector", "JSONPath"),
    FieldRow(("ResultPath",), _WITH_RESULT_PATH, "target", "result_path", "JSONPath", role="result"),
    FieldRow(("OutputPath",), _ALL - _FAIL, "path", "output_path", "JSONPath", role="whole"),
    FieldRow(("Arguments",), frozenset({"Task", "Parallel"}), "template", "arguments", "JSONata"),
    FieldRow(("Output",), _ALL - _FAIL - _WORKING, "template", "output", "JSONata"),
    FieldRow(("Output",), _WORKING, "template", "output", "JSONata", reads=AFTER),
    FieldRow(("Assign",), _ALL - _WORKING - {"Succeed", "Fail"}, "template", "assign"),
    FieldRow(("Assign",), _WORKING, "template", "assign", reads=AFTER),
    FieldRow(("Result",), _PASS, "constant", "result", "JSONPath"),
    FieldRow(("Credentials",), _TASK, "template", "credentials"),
    *_value("TimeoutSeconds", _TASK, "timeout_seconds", "timeout", "SFN-T18"),
    *_value("HeartbeatSeconds", _TASK, "heartbeat_seconds", "timeout", "SFN-T18"),
    *_value("Seconds", _WAIT, "seconds", "wait", "SFN-W06"),
    *_value("Timestamp", _WAIT, "timestamp", "wait", "SFN-W06", is_text=True),
    *_value("Error", _FAIL, "error", "fail", "SFN-P05", is_text=True),
    *_value("Cause", _FAIL, "cause", "fail", "SFN-P05", is_text=True),
    *_value("Items", _MAP, "items", "items", "SFN-M25", is_text=True, language="JSONata"),
    FieldRow(("ItemSelector",), _MAP, "template", "item_selector"),
    FieldRow(("Parameters",), _MAP, "template", "item_selector", "JSONPath", misplaced="SFN-M25"),
    *_value("MaxConcurrency", _MAP, "max_concurrency", "number", "SFN-M25"),
    *_value("ToleratedFailureCount", _MAP, "tolerated_failure_count", "number", "SFN-M25"),
    *_value("ToleratedFailurePercentage", _MAP, "tolerated_failure_percentage", "number", "SFN-M25"),
    _nested("ItemReader", "Parameters", language="JSONPath"),
    _nested("ItemReader", "Arguments", language="JSONata"),
    _nested("ItemReader", "ReaderConfig", "MaxItems", kind="value"),
    _nested("ItemReader", "ReaderConfig", "MaxItemsPath", kind="value path", language="JSONPath", role="number"),
    _nested("ItemBatcher", "BatchInput"),
    _nested("ItemBatcher", "MaxItemsPerBatch", kind="value"),
    _nested("ItemBatcher", "MaxItemsPerBatchPath", kind="value path", language="JSONPath", role="number"),
    _nested("ItemBatcher", "MaxInputBytesPerBatch", kind="value"),
    _nested("ItemBatcher", "MaxInputBytesPerBatchPath", kind="value path", language="JSONPath", role="number"),
    _nested("ResultWriter", "Parameters", language="JSONPath"),
    _nested("ResultWriter", "Arguments", language="JSONata"),
    FieldRow(("ResultPath",), _WORKING, "target", "result_path", "JSONPath", "Catch", "caught"),
    FieldRow(("Output",), _WORKING, "template", "output", "JSONata", "Catch", reads=CAUGHT),
    FieldRow(("Assign",), _WORKING, "template", "assign", None, "Catch", reads=CAUGHT),
    FieldRow(("Condition",), _CHOICE, "value", "", "JSONata", "Choices"),
    FieldRow(("Output",), _CHOICE, "template", "output", "JSONata", "Choices"),
    FieldRow(("Assign",), _CHOICE, "template", "assign", None, "Choices"),
)


@cache
def fields_of(type_: str, language: str, part: str = "") -> tuple[FieldRow, ...]:
    """Return the rows of a state type, or of its catchers ("Catch") or rules ("Choices"), in a query language."""
    return tuple(row for row in FIELDS if type_ in row.types and row.part == part and row.language in (None, language))


@cache
def expressions_of(type_: str, language: str, part: str = "") -> tuple[FieldRow, ...]:
    """Return a row for each field of a query language, even of other state types, since definitions have mistakes."""
    rows: dict[tuple[str, ...], FieldRow] = {}
    for row in FIELDS:
        if row.part == part and row.language in (None, language) and (row.steps not in rows or type_ in row.types):
            rows[row.steps] = row
    return tuple(row for row in rows.values() if len(row.steps) == 1 or type_ in row.types)


@cache
def _misplaced() -> Mapping[tuple[str, str], str]:
    rules: dict[tuple[str, str], str] = {}
    for row in FIELDS:
        if row.misplaced and not row.part:
            holders = row.types if len(row.steps) == 1 else {row.steps[-2]}
            rules |= {(holder, row.name): row.misplaced for holder in holders}
    return rules


def rule_if_misplaced(holder: str, field: str) -> str:
    """Return the rule for a field of the other query language in a state type or an object; "" if no own one."""
    return _misplaced().get((holder, field), "")
