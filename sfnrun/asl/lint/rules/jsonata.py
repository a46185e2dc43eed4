"""Rules about JSONata: where it can stand, and what an expression may refer to."""

from __future__ import annotations

from msgspec.structs import replace

from sfnrun.asl.lint.expressions import Found, looks_like_path
from sfnrun.asl.lint.rule import Finding, Findings, rule
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
    """A JSONata state has no InputPath, OutputPath, ResultPath, Parameters, ResultSelector, Result or field with Path.

    Example: `"QueryLanguage": "JSONata", "InputPath": "$.order"`
    """
    instead = _INSTEAD.get(violation.field, "")
    yield violation.found(hint=f"use {instead}" if instead else "")


@rule("SFN-Q02", on="shape")
def jsonpath_states_have_no_jsonata_fields(violation: Violation) -> Findings:
    """A JSONPath state has no Arguments, Output, Items or Condition.

    JSONPath is the language of every state that says nothing else, in a machine that says nothing else.

    Example: `"A": {"Type": "Pass", "Output": {"x": 1}, "End": true}`
    """
    yield violation.found(hint='add "QueryLanguage": "JSONata" to the state, or to the machine')


@rule("SFN-Q03", on="shape")
def jsonata_machines_have_no_jsonpath_states(violation: Violation) -> Findings:
    """In a JSONata machine no state is JSONPath.

    For states inside a Map or Parallel this is a warning: that AWS refuses these too has not been seen.

    Example: `{"QueryLanguage": "JSONata", "States": {"A": {"Type": "Pass", "QueryLanguage": "JSONPath", "End": true}}}`
    """
    state = violation.pointer[:-1]
    message = "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine"
    hint = "let the machine be JSONPath, and set JSONata in single states"
    yield violation.found(hint, message=message, location=state, severity="warning" if len(state) > 2 else None)


@rule("SFN-Q04", on="accepted")
def jsonpath_machines_may_have_jsonata_states(_: object) -> Findings:
    """In a JSONPath machine single states may be JSONata.

    Example: `"A": {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% 1 %}", "End": true}`
    """
    yield from ()


def _is_framed(found: Found) -> bool:
    return found.text.startswith("{%") and found.text.endswith("%}") and len(found.text) >= 4


@rule("SFN-Q05", on="jsonata", types=("expression!",), code=_INVALID)
def expressions_parse(found: Found) -> Findings:
    """What stands in `{% %}` is JSONata (of version 2.0: `?:` and `??` came later).

    Example: `"Output": "{% $states.input. %}"`
    """
    if found.error and found.error.code == _INVALID and _is_framed(found) and found.field != "Assign":
        yield found.fault()


def _unsupported(found: Found, *words: str) -> Findings:
    """The error of the compiler, if its message has one of these words."""
    if found.error and found.error.code != _INVALID and any(word in found.error.message for word in words):
        yield found.fault()


@rule("SFN-Q06", on="jsonata", types=("expression!",), code=_UNSUPPORTED)
def expressions_begin_somewhere(found: Found) -> Findings:
    """An expression begins at `$states` or at a variable, not at a bare name or `$`.

    There is no context item at the top of an expression. Inside a path step, a filter or a function body there is.

    Example: `"Output": "{% phone %}"`
    """
    if found.error and "'$$'" not in found.error.message:
        yield from _unsupported(found, "at the top level")


@rule("SFN-Q07", on="jsonata", types=("expression!",), code=_UNSUPPORTED)
def expressions_have_no_root(found: Found) -> Findings:
    """`$$` is not used.

    There is no root document; `$states.input` is the input of the state, `$states.context` the context object.

    Example: `"Output": "{% $$.id %}"`
    """
    yield from _unsupported(found, "'$$'")


@rule("SFN-Q08", on="jsonata", types=("expression!", "expression"), code=_UNSUPPORTED)
def states_members_are_available(found: Found) -> Findings:
    """`$states.result` and `$states.errorOutput` are read where they are.

    The result is in Output and Assign of Task, Map and Parallel states, the error output in those of a catcher.

    Example: `"Arguments": "{% $states.result %}"`
    """
    yield from _unsupported(found, "is not available here")
    in_catcher = found.pointer[len(found.state.pointer)] == "Catch"
    if in_catcher and found.compiled is not None and "$states.result" in found.compiled.places:
        hint = "a catcher has $states.errorOutput"
        warning = _mention(found, "$states.result", "$states.result is not available here", hint)
        yield replace(warning, severity="warning")


@rule("SFN-Q09", on="jsonata", types=("expression!", "literal"), code=_INVALID)
def expressions_are_framed(found: Found) -> Findings:
    """An expression begins with `{%` and ends with `%}`, with nothing outside, not even blanks.

    A text with blanks on both sides is a plain string to AWS, which is a warning here.

    Example: `"Output": "{% $states.input"`
    """
    if found.error and not _is_framed(found):
        yield found.fault()
    bare = found.text.strip()
    if found.role == "literal" and bare.startswith("{%") and bare.endswith("%}"):
        message = "With blanks outside of {% and %} this is a plain string"
        yield Finding(found.pointer, message, f"write '{bare}', if it is to be evaluated", severity="warning", code="")


@rule("SFN-Q10", on="shape")
def task_arguments_are_an_object(violation: Violation) -> Findings:
    """`Arguments` of a Task is an object, or one expression.

    (Those of a Parallel may be any JSON.)

    Example: `"Arguments": [1, 2]`
    """
    yield violation.found()


@rule("SFN-Q11", on="jsonata", types=("expression",), severity="warning", code="")
def eval_is_not_there(found: Found) -> Findings:
    """`$eval` does not exist in Step Functions.

    It fails the state with T1006. `$parse` reads JSON.

    Example: `"Output": "{% $eval($states.input.text) %}"`
    """
    if found.compiled is not None and "eval" in found.compiled.calls and not is_visible(found.state, "eval"):
        yield _mention(found, "$eval", "$eval is disabled in Step Functions", "use $parse")


def _mention(found: Found, word: str, message: str, hint: str) -> Finding:
    offset, length = found.compiled.places.get(word) or (found.text.find(word), len(word))
    return Finding(found.pointer, message, hint, offset=max(0, offset), length=length)


@rule("SFN-Q12", on="jsonata", types=("expression",), severity="warning", code="")
def called_functions_exist(found: Found) -> Findings:
    """A function that is called is one of JSONata, one of Step Functions, or a variable.

    Step Functions adds $partition, $range, $hash, $random, $uuid and $parse.

    Example: `"Output": "{% $uuuid() %}"`
    """
    if found.compiled is None:
        return
    from sfnrun.expr.jsonata import BUILTINS  # JSONata machines alone need it

    for name in sorted(found.compiled.calls - BUILTINS - {"eval"}):
        if not is_visible(found.state, name):
            close = close_to(name, sorted(BUILTINS))
            yield _mention(found, f"${name}", f"unknown function ${name}", f"did you mean ${close}?" if close else "")


@rule("SFN-Q13", on="jsonata", types=("expression",), severity="warning", code="")
def states_members_exist(found: Found) -> Findings:
    """`$states` has input, result, errorOutput and context; the context Execution, Map, State, StateMachine and Task.

    Anything else is nothing, and an expression that gives nothing fails the state.

    Example: `"Output": "{% $states.inptu.id %}"`
    """
    if found.compiled is None:
        return
    for prefix, names, known in (
        ("$states.", found.compiled.reads_states, _STATES),
        ("$states.context.", found.compiled.reads_context, MEMBERS),
    ):
        for name in sorted(name for name in names if name and name not in known):
            close = close_to(name, known)
            hint = f"did you mean {prefix}{close}?" if close else f"there are {', '.join(known)}"
            yield _mention(found, prefix + name, f"{prefix}{name} does not exist", hint)


@rule("SFN-Q14", on="jsonata", types=("expression", "literal"), severity="warning", code="")
def dollar_keys_are_literal(found: Found) -> Findings:
    """A key that ends in `.$` is an ordinary key in a JSONata state.

    Only `{% %}` is evaluated.

    Example: `"Arguments": {"id.$": "$.id"}`
    """
    key = found.pointer[-1]
    if isinstance(key, str) and key.endswith(".$") and found.depth:
        message = f"key '{key}' is literal in a JSONata state"
        yield Finding(found.pointer, message, f"write '{key[:-2]}', with a value in {{% %}}", key=True)


@rule("SFN-Q15", on="jsonata", types=("literal",), severity="warning", code="")
def paths_are_plain_strings(found: Found) -> Findings:
    """A string that looks like a JSONPath is a plain string in a JSONata state.

    Under a key that ends in `.$` it is SFN-Q14 that says so.

    Example: `"Arguments": {"id": "$.id"}`
    """
    if looks_like_path(found.text) and not (found.depth and found.key.endswith(".$")):
        context = found.text.startswith("$$.")
        path = found.text.removeprefix("$$." if context else "$").removeprefix(".")
        meant = f"$states.{'context' if context else 'input'}" + ("" if path.startswith("[") else ".") + path
        hint = "" if found.text.startswith("States.") else f"did you mean '{{% {meant} %}}'?"
        yield Finding(found.pointer, f"'{found.text}' is a plain string here", hint)


@rule("SFN-Q16", on="shape")
def numbers_are_numbers_or_expressions(violation: Violation) -> Findings:
    """A field for a number takes a number or an expression in JSONata states, never another string.

    Example: `"TimeoutSeconds": "30"`
    """
    yield violation.found()


@rule("SFN-Q17", on="shape")
def language_comes_from_the_machine(violation: Violation) -> Findings:
    """States inside a Map or Parallel have the language of the machine, or their own; not that of the Map or Parallel.

    Example: a Map with `"QueryLanguage": "JSONata"`, and in its processor a Pass with `Output` that has none
    """
    yield violation.found(hint='add "QueryLanguage": "JSONata" to this state too, or to the machine')


@rule("SFN-Q18", on="path", types=("literal", "constant"), severity="warning", code="")
def expressions_are_plain_in_jsonpath(found: Found) -> Findings:
    """A string in `{% %}` is a plain string in a JSONPath state.

    Example: `"Parameters": {"id": "{% $states.input.id %}"}` in a JSONPath state
    """
    if found.text.startswith("{%") and found.text.endswith("%}"):
        hint = 'add "QueryLanguage": "JSONata" to the state'
        yield Finding(found.pointer, "'{% ... %}' is a plain string in a JSONPath state", hint)


@rule("SFN-Q19", on="accepted")
def outputs_may_be_anything(_: object) -> Findings:
    """Values of Output and Assign may be any JSON, null and plain strings too; `{%10%}` needs no blanks.

    Example: `"Output": {"a": null, "b": "text", "c": "{%10%}"}`
    """
    yield from ()


@rule("SFN-Q20", on="accepted")
def functions_of_step_functions(_: object) -> Findings:
    """$partition, $range, $hash, $random (with or without a seed), $uuid and $parse are fine.

    Example: `"Output": "{% $random(42) %}"`
    """
    yield from ()


@rule("SFN-Q21", on="reading", types=("jsonata",), severity="warning", code="")
def variables_have_values(found: Found) -> Findings:
    """A variable that an expression reads is assigned, and can be seen where it is read.

    It could be assigned nowhere, inside a Map or Parallel only, or outside of the DISTRIBUTED Map that reads it.

    Example: `"Output": "{% $orderId %}"`, with no Assign of orderId
    """
    yield from never_assigned(found)
    yield from only_inside(found)
    yield from hidden_by_distributed(found)


@rule("SFN-Q22", on="jsonata", types=("expression!",), code=_UNSUPPORTED)
def states_is_not_assigned(found: Found) -> Findings:
    """An expression does not assign to `$states`.

    AWS rejects the definition. Any other name is free for a variable of the expression.

    Example: `"Output": "{% ($states := 1; $states) %}"`
    """
    yield from _unsupported(found, "Assignment to")
