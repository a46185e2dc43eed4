"""Rules about paths into values that are known before the execution."""

from __future__ import annotations

from sfnrun.asl.lint.expressions import Expressions, Found
from sfnrun.asl.lint.outline import Outline, State, has_placeholder
from sfnrun.asl.lint.rule import Finding, Findings, rule
from sfnrun.asl.lint.rules.context_object import paths_of
from sfnrun.errors import ExpressionError
from sfnrun.expr.jsonpath import Path, compile_path
from sfnrun.payload import Json, dumps

__all__: list[str] = []


def _missing(document: Json, path: Path) -> str | None:
    """The first part of a definite path that a known document lacks; None if it has all, or nobody can tell."""
    if path.keys is None or path.root != "$":
        return None
    for number, key in enumerate(path.keys, 1):
        inside = isinstance(document, dict) if isinstance(key, str) else isinstance(document, list)
        try:
            if not inside:
                raise LookupError
            document = document[key]
        except LookupError:
            return "$" + "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in path.keys[:number])
    return None


def _is_known(state: State) -> bool:
    """Whether what a Pass hands on is its Result, whatever its input."""
    whole = state.value.get("ResultPath", "$") == "$"
    return state.type == "Pass" and not state.is_jsonata and "Result" in state.value and whole


@rule("SFN-D13", on="state", types=("Pass",), severity="warning", code="")
def output_path_finds_something(state: State) -> Findings:
    """Checks for an `OutputPath` that matches nothing in the Result of a Pass state.

    Why is this bad? The execution fails with States.Runtime.

    Example: `{"Type": "Pass", "Result": {"a": 1}, "OutputPath": "$.b", "End": true}`

    How to fix: `{"Type": "Pass", "Result": {"a": 1}, "OutputPath": "$.a", "End": true}`
    """
    text = state.get("OutputPath")
    if not _is_known(state) or not isinstance(text, str) or has_placeholder(dumps(state.get("Result"))):
        return
    try:
        missing = _missing(state.get("Result"), compile_path(text))
    except ExpressionError:
        return  # SFN-D02 says so
    if missing:
        message = f"OutputPath matches nothing: Result has no {missing}"
        yield Finding(state.at("OutputPath"), message, "the execution fails with States.Runtime")


# What reads the input of its state as it comes in (unless there is an InputPath).
_OF_THE_INPUT = frozenset({"whole", "items", "number", "timeout", "wait", "variable", "operand", "fail", "template"})
_NOT_OF_THE_INPUT = frozenset({"Assign", "OutputPath", "ResultSelector"})


@rule("SFN-D14", on="expressions", severity="warning", code="")
def paths_find_something_in_a_known_input(expressions: Expressions) -> Findings:
    """Checks paths against an input that is known in advance, because the only predecessor is a Pass state with
    `Result`.

    Why is this bad? A path that matches nothing fails the execution.

    Example: a Pass with `"Result": {"a": 1}`, and after it a Wait with `"SecondsPath": "$.seconds"`

    How to fix: add the field to the Result, or correct the path
    """
    known = _known_inputs(expressions.outline)
    for found in expressions.all if known else ():
        state = found.state
        reads = found.role in _OF_THE_INPUT and found.field not in _NOT_OF_THE_INPUT and found.error is None
        if state in known and reads and not _tests_presence(found) and _is_the_input(found):
            for path in paths_of(found):
                missing = _missing(known[state].get("Result"), path)
                if missing:
                    yield _finding(found, path, known[state], missing)


def _finding(found: Found, path: Path, source: State, missing: str) -> Finding:
    message = f"{path.text} matches nothing: the input is the Result of '{source.name}', which has no {missing}"
    offset = max(0, found.text.find(path.text))
    hint = "the execution fails with States.Runtime"
    return Finding(found.pointer, message, hint, offset=offset, length=len(path.text))


def _known_inputs(outline: Outline) -> dict[State, State]:
    """The states whose input can only be the Result of one Pass, with that Pass."""
    known: dict[State, State] = {}
    for scope in outline.scopes:
        if scope.has_unknown_transitions:
            continue
        before: dict[str, list[State]] = {}
        for state in scope.states.values():
            for following in scope.next_states(state):
                before.setdefault(following.name, []).append(state)
        for name, states in before.items():
            (first, *others) = states
            alone = not others and name != scope.start and _is_known(first) and "OutputPath" not in first.value
            if alone and not has_placeholder(dumps(first.get("Result"))):
                known[scope.states[name]] = first
    return known


def _is_the_input(found: Found) -> bool:
    """Whether `$` is the whole input of the state, not what an InputPath left of it, nor the result of its work."""
    inner = found.pointer[len(found.state.pointer)] in ("Catch", "ResultWriter")
    return not inner and (found.field == "InputPath" or found.state.value.get("InputPath", "$") == "$")


def _tests_presence(found: Found) -> bool:
    """Whether a Choice only asks if something is there; a rule that comes later may rely on the answer."""
    return found.role in ("variable", "operand") and "IsPresent" in dumps(found.state.get("Choices"))
