"""Rules about JSONata: where it is valid, and what an expression can refer to."""

from __future__ import annotations

from msgspec.structs import replace

from sfnrun.asl.lint.expressions import Found, looks_like_path
from sfnrun.asl.lint.rule import Finding, Findings, Row, enter_rows, rule
from sfnrun.asl.lint.rules.context_object import MEMBERS
from sfnrun.asl.lint.rules.variables import hidden_by_distributed, is_visible, never_assigned, only_inside
from sfnrun.asl.lint.shape import Violation, close_to

__all__: list[str] = []

_INVALID = "INVALID_JSONATA_EXPRESSION"
_UNSUPPORTED = "UNSUPPORTED_JSONATA_EXPRESSION"
_STATES = ("input", "result", "errorOutput", "context")
_INSTEAD = {
    "Parameters": "Arguments",
    "ResultSelector": "Output",
    "ResultPath": "Output, which may join $states.input and $states.result",
    "OutputPath": "Output",
    "InputPath": "Arguments or Output with $states.input",
    "Result": "Output",
}


@rule("SFN-Q01", on="shape")
def jsonata_states_have_no_jsonpath_fields(violation: Violation) -> Findings:
    """Checks for InputPath, OutputPath, ResultPath, Parameters, ResultSelector, Result and Path fields in JSONata
    states.

    Why is this bad? AWS rejects the definition.

    Example: `"QueryLanguage": "JSONata", "InputPath": "$.order"`

    How to fix: `"QueryLanguage": "JSONata", "Arguments": "{% $states.input.order %}"`
    """
    instead = _INSTEAD.get(violation.field, "")
    yield violation.found(hint=f"use {instead}" if instead else "")


@rule("SFN-Q03", on="shape")
def jsonata_machines_have_no_jsonpath_states(violation: Violation) -> Findings:
    """Checks for JSONPath states in JSONata state machines.

    Why is this bad? AWS rejects the definition. Inside a Map or Parallel it is a warning: no recording shows that AWS
    rejects it.

    Example: `{"QueryLanguage": "JSONata", "States": {"A": {"Type": "Pass", "QueryLanguage": "JSONPath", "End": true}}}`

    How to fix: make the state machine JSONPath, and set JSONata in single states
    """
    state = violation.pointer[:-1]
    message = "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine"
    hint = "make the state machine JSONPath, and set JSONata in single states"
    yield violation.found(hint, message=message, location=state, severity="warning" if len(state) > 2 else None)


def _is_framed(found: Found) -> bool:
    return found.text.startswith("{%") and found.text.endswith("%}") and len(found.text) >= 4


@rule("SFN-Q05", on="jsonata", types=("expression!",), code=_INVALID)
def expressions_parse(found: Found) -> Findings:
    """Checks for syntax errors in `{% %}`. AWS has JSONata 2.0, without `?:` and `??`.

    Why is this bad? AWS rejects the definition.

    Example: `"Output": "{% $states.input. %}"`

    How to fix: `"Output": "{% $states.input.x %}"`
    """
    if found.error and found.error.code == _INVALID and _is_framed(found) and found.field != "Assign":
        yield found.fault()


def _unsupported(found: Found, *words: str) -> Findings:
    """The error of the compiler, if its message has one of these words."""
    if found.error and found.error.code != _INVALID and any(word in found.error.message for word in words):
        yield found.fault()


@rule("SFN-Q06", on="jsonata", types=("expression!",), code=_UNSUPPORTED)
def expressions_begin_somewhere(found: Found) -> Findings:
    """Checks for top-level references to `$` or to a bare name.

    Why is this bad? JSONata in Step Functions has no context item at the top level, only inside path steps, filters and
    function bodies.

    Example: `"Output": "{% phone %}"`

    How to fix: `"Output": "{% $states.input.phone %}"`
    """
    if found.error and "'$$'" not in found.error.message:
        yield from _unsupported(found, "at the top level")


@rule("SFN-Q07", on="jsonata", types=("expression!",), code=_UNSUPPORTED)
def expressions_have_no_root(found: Found) -> Findings:
    """Checks for `$$` in expressions.

    Why is this bad? There is no root document: the input is `$states.input`, the context object `$states.context`.

    Example: `"Output": "{% $$.id %}"`

    How to fix: `"Output": "{% $states.input.id %}"`
    """
    yield from _unsupported(found, "'$$'")


@rule("SFN-Q08", on="jsonata", types=("expression!", "expression"), code=_UNSUPPORTED)
def states_members_are_available(found: Found) -> Findings:
    """Checks for `$states.result` and `$states.errorOutput` where they are not available.

    Why is this bad? The result exists in Output and Assign of Task, Map and Parallel states, the error output in those
    of a catcher.

    Example: `"Arguments": "{% $states.result %}"`

    How to fix: `"Output": "{% $states.result %}"`
    """
    yield from _unsupported(found, "is not available here")
    in_catcher = found.pointer[len(found.state.pointer)] == "Catch"
    if in_catcher and found.compiled is not None and "$states.result" in found.compiled.places:
        hint = "use $states.errorOutput in a catcher"
        warning = _mention(found, "$states.result", "$states.result is not available here", hint)
        yield replace(warning, severity="warning")


@rule("SFN-Q09", on="jsonata", types=("expression!", "literal"), code=_INVALID)
def expressions_are_framed(found: Found) -> Findings:
    """Checks that an expression begins with `{%` and ends with `%}`, with nothing outside.

    Why is this bad? AWS rejects the definition. With spaces on both sides the string is not evaluated, which is a
    warning.

    Example: `"Output": "{% $states.input"`

    How to fix: `"Output": "{% $states.input %}"`
    """
    if found.error and not _is_framed(found):
        yield found.fault()
    bare = found.text.strip()
    if found.role == "literal" and bare.startswith("{%") and bare.endswith("%}"):
        message = "Plain string because of spaces outside {% and %}"
        yield Finding(found.pointer, message, f"write '{bare}' to evaluate it", severity="warning", code="")


@rule("SFN-Q11", on="jsonata", types=("expression",), severity="warning", code="")
def eval_is_not_there(found: Found) -> Findings:
    """Checks for `$eval`.

    Why is this bad? Step Functions does not have it: the state fails with T1006.

    Example: `"Output": "{% $eval($states.input.text) %}"`

    How to fix: `"Output": "{% $parse($states.input.text) %}"`
    """
    if found.compiled is not None and "eval" in found.compiled.calls and not is_visible(found.state, "eval"):
        yield _mention(found, "$eval", "$eval is disabled in Step Functions", "use $parse")


def _mention(found: Found, word: str, message: str, hint: str) -> Finding:
    offset, length = found.compiled.places.get(word) or (found.text.find(word), len(word))
    return Finding(found.pointer, message, hint, offset=max(0, offset), length=length)


@rule("SFN-Q12", on="jsonata", types=("expression",), severity="warning", code="")
def called_functions_exist(found: Found) -> Findings:
    """Checks for calls of unknown functions. Step Functions adds $partition, $range, $hash, $random, $uuid and $parse
    to those of JSONata.

    Why is this bad? The state fails with States.QueryEvaluationError.

    Example: `"Output": "{% $uuuid() %}"`

    How to fix: `"Output": "{% $uuid() %}"`
    """
    if found.compiled is None:
        return
    from sfnrun.expr.jsonata import BUILTINS  # JSONata machines alone need it

    for name in sorted(found.compiled.calls - BUILTINS - {"eval"}):
        if not is_visible(found.state, name):
            close = close_to(name, sorted(BUILTINS))
            yield _mention(found, f"${name}", f"Unknown function ${name}", f"did you mean ${close}?" if close else "")


@rule("SFN-Q13", on="jsonata", types=("expression",), severity="warning", code="")
def states_members_exist(found: Found) -> Findings:
    """Checks for unknown fields of `$states` (input, result, errorOutput, context) and `$states.context` (Execution,
    Map, State, StateMachine, Task).

    Why is this bad? The value is undefined, and an expression that returns nothing fails the state.

    Example: `"Output": "{% $states.inptu.id %}"`

    How to fix: `"Output": "{% $states.input.id %}"`
    """
    if found.compiled is None:
        return
    for prefix, names, known in (
        ("$states.", found.compiled.reads_states, _STATES),
        ("$states.context.", found.compiled.reads_context, MEMBERS),
    ):
        for name in sorted(name for name in names if name and name not in known):
            close = close_to(name, known)
            hint = f"did you mean {prefix}{close}?" if close else f"valid: {', '.join(known)}"
            yield _mention(found, prefix + name, f"{prefix}{name} does not exist", hint)


@rule("SFN-Q14", on="jsonata", types=("expression", "literal"), severity="warning", code="")
def dollar_keys_are_literal(found: Found) -> Findings:
    """Checks for keys that end in `.$` in JSONata states.

    Why is this bad? The key is literal there: only `{% %}` is evaluated.

    Example: `"Arguments": {"id.$": "$.id"}`

    How to fix: `"Arguments": {"id": "{% $states.input.id %}"}`
    """
    key = found.pointer[-1]
    if isinstance(key, str) and key.endswith(".$") and found.depth:
        message = f"Key '{key}' is literal in a JSONata state"
        yield Finding(found.pointer, message, f"write '{key[:-2]}', with a value in {{% %}}", key=True)


@rule("SFN-Q15", on="jsonata", types=("literal",), severity="warning", code="")
def paths_are_plain_strings(found: Found) -> Findings:
    """Checks for strings that look like a JSONPath in JSONata states.

    Why is this bad? They are plain strings there. (Under a key that ends in `.$`: SFN-Q14.)

    Example: `"Arguments": {"id": "$.id"}`

    How to fix: `"Arguments": {"id": "{% $states.input.id %}"}`
    """
    if looks_like_path(found.text) and not (found.depth and found.key.endswith(".$")):
        context = found.text.startswith("$$.")
        path = found.text.removeprefix("$$." if context else "$").removeprefix(".")
        meant = f"$states.{'context' if context else 'input'}" + ("" if path.startswith("[") else ".") + path
        hint = "" if found.text.startswith("States.") else f"did you mean '{{% {meant} %}}'?"
        yield Finding(found.pointer, f"'{found.text}' is a plain string here", hint)


@rule("SFN-Q18", on="path", types=("literal", "constant"), severity="warning", code="")
def expressions_are_plain_in_jsonpath(found: Found) -> Findings:
    """Checks for strings in `{% %}` in JSONPath states.

    Why is this bad? They are plain strings there.

    Example: `"Parameters": {"id": "{% $states.input.id %}"}` in a JSONPath state

    How to fix: add `"QueryLanguage": "JSONata"` to the state
    """
    if found.text.startswith("{%") and found.text.endswith("%}"):
        hint = 'add "QueryLanguage": "JSONata" to the state'
        yield Finding(found.pointer, "'{% ... %}' is a plain string in a JSONPath state", hint)


@rule("SFN-Q21", on="reading", types=("jsonata",), severity="warning", code="")
def variables_have_values(found: Found) -> Findings:
    """Checks for expressions that read a variable that is not assigned or not visible.

    Why is this bad? It is assigned nowhere, only inside a Map or Parallel, or outside the DISTRIBUTED Map that reads
    it, so the state fails.

    Example: `"Output": "{% $orderId %}"`, with no Assign of orderId

    How to fix: add `"Assign": {"orderId": "{% $states.input.id %}"}` to an earlier state
    """
    yield from never_assigned(found)
    yield from only_inside(found)
    yield from hidden_by_distributed(found)


@rule("SFN-Q22", on="jsonata", types=("expression!",), code=_UNSUPPORTED)
def states_is_not_assigned(found: Found) -> Findings:
    """Checks for assignments to `$states` in expressions.

    Why is this bad? AWS rejects the definition. Any other name is valid for a variable of the expression.

    Example: `"Output": "{% ($states := 1; $states) %}"`

    How to fix: `"Output": "{% ($s := 1; $s) %}"`
    """
    yield from _unsupported(found, "Assignment to")


# --- rules without a function ---

enter_rows(
    __name__,
    (
        Row(
            "SFN-Q02",
            """Checks for Arguments, Output, Items or Condition in JSONPath states. JSONPath is the default language.

            Why is this bad? AWS rejects the definition.

            Example: `"A": {"Type": "Pass", "Output": {"x": 1}, "End": true}`

            How to fix: `"A": {"Type": "Pass", "QueryLanguage": "JSONata", "Output": {"x": 1}, "End": true}`
            """,
            hint='add "QueryLanguage": "JSONata" to the state or the state machine',
        ),
        Row(
            "SFN-Q04",
            """Not reported: JSONata states in a JSONPath state machine.

            Example: `"A": {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% 1 %}", "End": true}`
            """,
            on="accepted",
        ),
        Row(
            "SFN-Q10",
            """Checks that `Arguments` of a Task is an object or one expression. Those of a Parallel can be any JSON.

            Why is this bad? AWS rejects the definition.

            Example: `"Arguments": [1, 2]`

            How to fix: `"Arguments": {"items": [1, 2]}`
            """,
        ),
        Row(
            "SFN-Q16",
            """Checks that numeric fields of JSONata states have a number or an expression.

            Why is this bad? AWS rejects the definition.

            Example: `"TimeoutSeconds": "30"`

            How to fix: `"TimeoutSeconds": 30`
            """,
        ),
        Row(
            "SFN-Q17",
            """Checks for states in a Map or Parallel that rely on its query language.

            Why is this bad? They have the language of the state machine, or their own, so AWS rejects the definition.

            Example: a Map with `"QueryLanguage": "JSONata"`, and in its processor a Pass with `Output` that has none

            How to fix: add `"QueryLanguage": "JSONata"` to the inner state
            """,
            hint='add "QueryLanguage": "JSONata" to this state, too, or to the state machine',
        ),
        Row(
            "SFN-Q19",
            """Not reported: any JSON in Output and Assign, such as null and plain strings; `{%10%}` needs no spaces.

            Example: `"Output": {"a": null, "b": "text", "c": "{%10%}"}`
            """,
            on="accepted",
        ),
        Row(
            "SFN-Q20",
            """Not reported: $partition, $range, $hash, $random (with or without a seed), $uuid and $parse.

            Example: `"Output": "{% $random(42) %}"`
            """,
            on="accepted",
        ),
    ),
)
