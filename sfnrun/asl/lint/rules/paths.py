"""Rules about paths and payload templates of JSONPath states."""

from __future__ import annotations

from sfnrun.asl.lint.expressions import Found, looks_like_path
from sfnrun.asl.lint.rule import Finding, Findings, Row, enter_rows, rule

__all__ = ["in_template", "reference_fault", "twice"]

_NOT_A_REFERENCE = "Value is not a Reference Path"


def in_template(found: Found) -> Finding:
    """What AWS says of any value under a key with `.$` that it cannot use; the reason is the hint."""
    message = f"The value for the field '{found.key}' must be a valid JSONPath or a valid intrinsic function call"
    return found.fault(message, location=found.container)


def reference_fault(found: Found) -> Finding:
    """What AWS says of a path that names no single value, or is no path at all."""
    assert found.error is not None
    message = "Value is not a Reference Path"
    parses = found.compiled is not None
    return found.fault(message if parses or found.is_intrinsic else f"{message}: {found.error.message}")


def _parses(found: Found) -> bool:
    """Whether the error, if any, is not one of syntax."""
    return found.compiled is not None


@rule("SFN-D02", on="path", types=("whole!", "result!", "items!", "template!"))
def path_parses(found: Found) -> Findings:
    """Checks for syntax errors in paths, as AWS parses them (like Jayway JsonPath 2.0). The caret shows where parsing
    ended.

    Why is this bad? AWS rejects the definition.

    Example: `"InputPath": "$.a["`

    How to fix: `"InputPath": "$.a[0]"`
    """
    if not found.error or _parses(found) or found.is_intrinsic:
        return
    if found.role == "whole":
        yield found.fault(f"Invalid path '{found.text}': {found.error.message}")
    elif found.role in ("result", "items"):
        yield found.fault(f"{_NOT_A_REFERENCE}: {found.error.message}")
    elif found.role == "template" and found.text.startswith("$"):
        yield in_template(found)


@rule("SFN-D03", on="path", types=("result!",))
def result_path_names_one_node(found: Found) -> Findings:
    """Checks that `ResultPath` is a reference path.

    Why is this bad? It must identify a single location. AWS rejects wildcards, filters, slices and functions.

    Example: `"ResultPath": "$.items[*].price"`

    How to fix: `"ResultPath": "$.price"`
    """
    if found.role == "result" and found.error and found.compiled is not None and found.compiled.root == "$":
        yield found.fault()


@rule("SFN-D04", on="path", types=("result!",))
def result_path_is_not_context(found: Found) -> Findings:
    """Checks for a `ResultPath` that begins with `$$`.

    Why is this bad? The context object cannot be written, so AWS rejects the definition.

    Example: `"ResultPath": "$$.Execution.Input"`

    How to fix: `"ResultPath": "$.input"`
    """
    if found.role == "result" and found.error and _parses(found) and found.compiled.root == "$$":
        yield found.fault()


@rule("SFN-D05", on="path", types=("result!",))
def result_path_is_no_variable(found: Found) -> Findings:
    """Checks for a `ResultPath` of a variable.

    Why is this bad? Only `Assign` sets a variable, so AWS rejects the definition.

    Example: `"ResultPath": "$total"`

    How to fix: `"Assign": {"total.$": "$.total"}`
    """
    if found.role == "result" and found.error and _parses(found) and found.compiled.root not in ("$", "$$"):
        yield found.fault()


@rule("SFN-D06", on="path", types=("whole!", "items!", "result!"))
def functions_stand_in_templates(found: Found) -> Findings:
    """Checks for intrinsic functions in InputPath, OutputPath, ItemsPath and ResultPath.

    Why is this bad? AWS evaluates them only in fields that end in `.$`, and in ErrorPath and CausePath.

    Example: `"InputPath": "States.StringToJson($.text)"`

    How to fix: call the function in the Parameters of a Pass state
    """
    if found.role in ("whole", "items", "result") and found.error and found.is_intrinsic:
        message = _NOT_A_REFERENCE if found.role != "whole" else f"Invalid path '{found.text}'"
        hint = "call the function in a field that ends in .$, such as in Parameters"
        yield Finding(found.pointer, message, hint, offset=0, length=len(found.text))


@rule("SFN-D07", on="path", types=("template!",))
def template_values_are_expressions(found: Found) -> Findings:
    """Checks that the value of a key that ends in `.$` is a path (`$`, `$$`, `$name`) or a call of an intrinsic
    function.

    Why is this bad? AWS rejects the definition.

    Example: `"Parameters": {"id.$": "order.id"}`

    How to fix: `"Parameters": {"id.$": "$.order.id"}`
    """
    if _is_no_expression(found) and found.depth == 1 and found.field != "Assign":
        yield in_template(found)


def _is_no_expression(found: Found) -> bool:
    return (
        found.role == "template"
        and found.error is not None
        and not found.text.startswith("$")
        and not found.is_intrinsic
    )


@rule("SFN-D08", on="path", types=("object",))
def template_keys_are_unique(found: Found) -> Findings:
    """Checks for `x` and `x.$` in the same object.

    Why is this bad? Both become `x`, so AWS rejects the definition.

    Example: `"Parameters": {"id": 1, "id.$": "$.id"}`

    How to fix: `"Parameters": {"id.$": "$.id"}`
    """
    if found.field != "Assign":
        yield from twice(found)


def twice(found: Found) -> Findings:
    """Findings for names that stand in an object with `.$` and without."""
    pointer, node = found.pointer, found.compiled
    for key in node:
        if key.endswith(".$") and key != ".$" and key[:-2] in node:
            name = key[:-2]
            hint = f"remove '{name}' or '{key}'"
            yield Finding(
                (*pointer, key), f"Duplicate field '{name}' after evaluation", hint, key=True, location=pointer
            )


@rule("SFN-D09", on="path", types=("literal",), severity="warning", code="NO_DOLLAR")
def paths_stand_under_dollar_keys(found: Found) -> Findings:
    """Checks for values that look like a path or an intrinsic function under a key without `.$`.

    Why is this bad? The string is passed on literally.

    Example: `"Parameters": {"id": "$.id"}`

    How to fix: add `.$` to the key: `"Parameters": {"id.$": "$.id"}`
    """
    if found.role == "literal" and found.depth and looks_like_path(found.text):
        key = found.pointer[-1]
        if isinstance(key, str):
            message = f"The field '{key}' looks like a JSONPath but its name does not end with '.$'"
            yield Finding(found.pointer, message, f"write '{key}.$' to evaluate it", key=True)


@rule("SFN-D11", on="path", types=("object",), severity="warning", code="")
def template_keys_have_names(found: Found) -> Findings:
    """Checks for the key `.$`.

    Why is this bad? Its value gets an empty name.

    Example: `"Parameters": {".$": "$.id"}`

    How to fix: `"Parameters": {"id.$": "$.id"}`
    """
    if ".$" in found.compiled:
        yield Finding((*found.pointer, ".$"), "Key '.$' has an empty name", "add a name: 'id.$'", key=True)


@rule("SFN-D12", on="path", types=("template!",))
def templates_are_walked(found: Found) -> Findings:
    """Checks nested templates like top-level ones, including those in arrays.

    Why is this bad? AWS rejects the definition.

    Example: `"Parameters": {"items": [{"id.$": "order.id"}]}`

    How to fix: `"Parameters": {"items": [{"id.$": "$.order.id"}]}`
    """
    if _is_no_expression(found) and found.depth > 1 and found.field != "Assign":
        yield in_template(found)


@rule("SFN-D15", on="path", types=("constant",), severity="warning", code="NO_PATH")
def paths_stand_under_path_fields(found: Found) -> Findings:
    """Checks for paths in `Error`, `Cause` and the String comparisons of a Choice.

    Why is this bad? These fields have literals, so the path stays a string. (For Result see SFN-P01.)

    Example: `{"Variable": "$.a", "StringEquals": "$.b", "Next": "B"}`

    How to fix: `{"Variable": "$.a", "StringEqualsPath": "$.b", "Next": "B"}`
    """
    if found.field != "Result" and looks_like_path(found.text):
        message = f"The field '{found.field}' looks like a JSONPath but its name does not end with 'Path'"
        hint = "" if found.field == "StringMatches" else f"write '{found.field}Path' to evaluate it"
        yield Finding(found.pointer, message, hint, key=True)


# --- rules without a function ---

enter_rows(
    __name__,
    (
        Row(
            "SFN-D01",
            """Checks that `InputPath` and `OutputPath` are a path in a string, or null. null is an empty object.

            Why is this bad? AWS rejects the definition.

            Example: `"InputPath": {"a": 1}`

            How to fix: `"InputPath": "$.order"`
            """,
        ),
        Row(
            "SFN-D10",
            """Not reported: paths that AWS's parser accepts, such as filters, scripts, `$.[0]`, `$..a`, `[-1:]`, names
            in brackets and unions.

            Example: `"InputPath": "$.items[?(@.price > 10)]"`
            """,
            on="accepted",
        ),
    ),
)
