"""Rules about workflow variables: their names, their visibility, and reads before an assignment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from sfnrun.asl.lint.expressions import Expressions, Found
from sfnrun.asl.lint.outline import Scope, State
from sfnrun.asl.lint.rule import Finding, Findings, Row, enter_rows, rule
from sfnrun.asl.lint.rules.paths import in_template, twice
from sfnrun.asl.lint.shape import close_to
from sfnrun.errors import Severity

__all__ = ["hidden_by_distributed", "is_visible", "never_assigned", "only_inside"]

MAX_LENGTH = 80


@rule("SFN-V01", on="state")
def names_are_identifiers(state: State) -> Findings:
    """Checks that variable names begin with a letter and consist of letters, digits and underscores (Unicode ID_Start
    and ID_Continue).

    Why is this bad? AWS rejects the definition. A hyphen inside is a warning: no expression can read such a variable.

    Example: `"Assign": {"2nd": 1}`

    How to fix: `"Assign": {"second": 1}`
    """
    for pointer, name in state.assigned:
        if not name.isidentifier():
            plain = "".join(c if c.isalnum() else "_" for c in name).strip("_")
            hint = f"did you mean '{plain}'?" if plain.isidentifier() else ""
            without = name.removeprefix("$")
            hint = "remove the $" if without != name and without.isidentifier() else hint
            severity: Severity = "warning" if name.replace("-", "_").isidentifier() else "error"
            message = f"'{name}' is not a valid variable name"
            yield Finding(pointer, message, hint, key=True, severity=severity)


@rule("SFN-V02", on="state")
def names_are_not_too_long(state: State) -> Findings:
    """Checks for variable names longer than 80 characters.

    Why is this bad? AWS rejects the definition.

    Example: `"Assign": {"aaaa…": 1}` with 81 of them

    How to fix: shorten the name
    """
    for pointer, name in state.assigned:
        if len(name) > MAX_LENGTH:
            yield Finding(
                pointer, f"Variable name is longer than {MAX_LENGTH}", f"it has {len(name)} characters", key=True
            )


@rule("SFN-V03", on="state")
def states_is_reserved(state: State) -> Findings:
    """Checks for a variable that is named `states`.

    Why is this bad? `$states` is reserved for input, result, error and context in JSONata.

    Example: `"Assign": {"states": 1}`

    How to fix: `"Assign": {"regions": 1}`
    """
    for pointer, name in state.assigned:
        if name == "states":
            yield Finding(pointer, "'states' is reserved", "use another name", key=True)


# --- what a state can see --------------------------------------------------------------------------------------------


def _visible_scopes(scope: Scope) -> Iterator[Scope]:
    """The scopes whose variables a state of `scope` sees: its own and those around, up to a distributed Map."""
    yield scope
    for owner in scope.ancestors:
        if owner.is_distributed:
            return
        yield owner.scope


def is_visible(state: State, name: str) -> bool:
    """Whether a variable of that name is assigned where the state can see it."""
    return any(name in scope.assigned for scope in _visible_scopes(state.scope))


def _hidden_outside(state: State, name: str) -> str:
    """The distributed Map that hides a variable from its processor; "" if none does."""
    crossed = ""
    for owner in state.scope.ancestors:
        crossed = crossed or (owner.name if owner.is_distributed else "")
        if crossed and name in owner.scope.assigned:
            return crossed
    return ""


def _hidden_inside(state: State, name: str) -> State | None:
    """The Map or Parallel inside which alone a variable has a value; None if there is none."""
    root = state.scope
    for owner in state.scope.ancestors:
        root = owner.scope
    return root.variables_inside.get(name)


def _reads(found: Found) -> Iterator[tuple[str, int, int]]:
    """The variables that an expression reads, with where the first mention stands."""
    if found.compiled is None:
        return
    places = getattr(found.compiled, "places", {})
    for name in sorted(found.compiled.reads):
        offset, length = places.get(f"${name}") or (found.text.find(f"${name}"), len(name) + 1)
        yield name, max(0, offset), length


def never_assigned(found: Found) -> Findings:
    """Findings for variables that nothing assigns anywhere."""
    for name, offset, length in _reads(found):
        state = found.state
        if is_visible(state, name) or _hidden_outside(state, name) or _hidden_inside(state, name):
            continue
        seen = {known for scope in _visible_scopes(state.scope) for known in scope.assigned}
        close = close_to(name, sorted(seen))
        hint = f"did you mean ${close}?" if close else "assign it in an earlier state"
        yield Finding(found.pointer, f"Variable ${name} is never assigned", hint, offset=offset, length=length)


@rule("SFN-V05", on="reading", types=("path",), severity="warning", code="")
def variables_are_assigned(found: Found) -> Findings:
    """Checks for paths that read a variable that is never assigned.

    Why is this bad? The state fails. (For JSONata see SFN-Q21; for a variable that is assigned only on some paths,
    SFN-V13.)

    Example: `"Parameters": {"id.$": "$orderId"}`, with no Assign of orderId

    How to fix: add `"Assign": {"orderId.$": "$.id"}` to an earlier state
    """
    yield from never_assigned(found)


@rule("SFN-V06", on="scope")
def inner_scopes_assign_their_own(scope: Scope) -> Findings:
    """Checks for assignments to a variable that an enclosing scope assigns.

    Why is this bad? Inner scopes can read it but not change it. If the outer assignment comes after the Map or
    Parallel, AWS accepts it, so it is a warning. Child executions of a DISTRIBUTED Map have their own variables.

    Example: `"Assign": {"total": 0}` before a Parallel, and `"Assign": {"total": 1}` in one of its branches

    How to fix: use another name, and return the value as output
    """
    outer = {name for around in _visible_scopes(scope) if around is not scope for name in around.assigned}
    for state in scope.states.values() if outer else ():
        for pointer, name in state.assigned:
            if name in outer:
                severity: Severity = "error" if _may_have_a_value(scope, name) else "warning"
                message = f"Variable '{name}' is already assigned in an outer scope"
                hint = "use another name, and return the value as output"
                yield Finding(pointer, message, hint, key=True, severity=severity)


def _may_have_a_value(scope: Scope, name: str) -> bool:
    """Whether some way to the Map or Parallel that a scope stands in assigns a variable around it."""
    for owner in scope.ancestors:
        around = owner.scope
        for state in around.states.values():
            if any(name == assigned for _, assigned in state.assigned):
                following = around.next_states(state)
                if any(owner.name in around.reached_from(one) for one in following):
                    return True
    return False


@rule("SFN-V07", on="reading", types=("path",), severity="warning", code="")
def inner_variables_stay_inside(found: Found) -> Findings:
    """Checks for reads of a variable that is assigned only inside a Map or Parallel.

    Why is this bad? Such variables are not visible outside.

    Example: `"x.$": "$count"`, where only a state inside a branch assigns count

    How to fix: return the value as output
    """
    yield from only_inside(found)


def only_inside(found: Found) -> Findings:
    """Findings for variables that have a value only inside a Map or Parallel."""
    for name, offset, length in _reads(found):
        if not is_visible(found.state, name) and not _hidden_outside(found.state, name):
            owner = _hidden_inside(found.state, name)
            if owner:
                message = f"${name} is only visible inside {owner.type} '{owner.name}'"
                yield Finding(found.pointer, message, "return it as output", offset=offset, length=length)


@rule("SFN-V08", on="path", types=("object",))
def assigned_names_are_unique(found: Found) -> Findings:
    """Checks for `x` and `x.$` in the same Assign.

    Why is this bad? Both assign `x`, so AWS rejects the definition.

    Example: `"Assign": {"id": 1, "id.$": "$.id"}`

    How to fix: `"Assign": {"id.$": "$.id"}`
    """
    if found.field == "Assign":
        yield from twice(found)


@rule("SFN-V10", on="jsonata", types=("expression!",), code="INVALID_JSONATA_EXPRESSION")
def assigned_expressions_parse(found: Found) -> Findings:
    """Checks for syntax errors in JSONata expressions of Assign.

    Why is this bad? AWS rejects the definition.

    Example: `"Assign": {"x": "{% $states.input. %}"}`

    How to fix: `"Assign": {"x": "{% $states.input.x %}"}`
    """
    if (
        found.field == "Assign"
        and found.error
        and found.error.code == "INVALID_JSONATA_EXPRESSION"
        and "{%" in found.text[:2]
    ):
        yield found.fault()


@rule("SFN-V11", on="path", types=("template!",))
def assigned_templates_are_expressions(found: Found) -> Findings:
    """Checks that the value of a key of Assign that ends in `.$` is a path or a call of an intrinsic function.

    Why is this bad? AWS rejects the definition.

    Example: `"Assign": {"id.$": "order.id"}`

    How to fix: `"Assign": {"id.$": "$.order.id"}`
    """
    no_expression = found.error is not None and not found.text.startswith("$") and not found.is_intrinsic
    if found.role == "template" and found.field == "Assign" and no_expression:
        yield in_template(found)


@rule("SFN-V12", on="reading", types=("path",), severity="warning", code="")
def distributed_maps_see_no_variables(found: Found) -> Findings:
    """Checks for variables of an outer scope in the processor of a DISTRIBUTED Map.

    Why is this bad? Its iterations are executions of their own and do not see them.

    Example: `"x.$": "$total"` inside a DISTRIBUTED Map, where total is assigned before the Map

    How to fix: pass the value with ItemSelector
    """
    yield from hidden_by_distributed(found)


def hidden_by_distributed(found: Found) -> Findings:
    """Findings for variables that a distributed Map hides."""
    for name, offset, length in _reads(found):
        if not is_visible(found.state, name):
            owner = _hidden_outside(found.state, name)
            if owner:
                message = f"${name} is not visible in the DISTRIBUTED Map '{owner}'"
                yield Finding(found.pointer, message, "pass it with ItemSelector", offset=offset, length=length)


# --- on every way ----------------------------------------------------------------------------------------------------


@rule("SFN-V13", on="expressions", severity="info", code="")
def variables_are_assigned_on_every_way(expressions: Expressions) -> Findings:
    """Notes variables that are not assigned on every path to the state.

    Why is this bad? On the other paths the state fails (JSONata: States.QueryEvaluationError).

    Example: one branch of a Choice assigns `x`, the other does not, and the state where they meet reads `$x`

    How to fix: assign the variable before the paths split
    """
    reading: dict[State, list[Found]] = defaultdict(list)
    for found in expressions.all:
        if found.is_compiled and found.compiled.reads:
            reading[found.state].append(found)
    if not reading:
        return
    known: dict[State, frozenset[str]] = {}
    for scope in expressions.outline.scopes:
        around = known.get(scope.owner, frozenset()) if scope.owner and not scope.owner.is_distributed else frozenset()
        known |= _known_on_entry(scope, around)
    for state, those in reading.items():
        for found in those:
            for name, offset, length in _reads(found):
                if is_visible(state, name) and state in known and name not in known[state]:
                    message = f"${name} is not assigned on every path to '{state.name}'"
                    yield Finding(found.pointer, message, offset=offset, length=length)


def _known_on_entry(scope: Scope, around: frozenset[str]) -> dict[State, frozenset[str]]:
    """For each reachable state the variables that have a value whichever way led to it."""
    start = scope.states.get(scope.start) if isinstance(scope.start, str) else None
    known: dict[State, frozenset[str]] = {start: around} if start else {}
    waiting = [start] if start else []
    while waiting:
        state = waiting.pop()
        for target, names in _ways(state):
            after = known[state] | names
            before = known.get(target)
            if before is None or not before <= after:
                known[target] = after if before is None else before & after
                waiting.append(target)
    return known


def _ways(state: State) -> Iterator[tuple[State, frozenset[str]]]:
    """The states that may follow, each with the names that are assigned on the way there."""
    states = state.scope.states

    def assigned(holder: dict[str, Any]) -> frozenset[str]:
        assign = holder.get("Assign")
        return frozenset(name for name, _ in state.variables_of(assign)) if isinstance(assign, dict) else frozenset()

    for field in ("Next", "Default"):
        target = state.get(field)
        if isinstance(target, str) and target in states:
            yield states[target], assigned(state.value)
    for pointer, holder in (*state.choices, *state.catchers):
        target = holder.get("Next")
        if isinstance(target, str) and target in states:
            # A rule without Assign uses the state's; a catcher has its own or none.
            is_rule = pointer[len(state.pointer)] == "Choices"
            yield states[target], assigned(state.value if is_rule and "Assign" not in holder else holder)


# --- rules without a function ---

enter_rows(
    __name__,
    (
        Row(
            "SFN-V04",
            """Checks for `Assign` in Succeed and Fail states.

            Why is this bad? AWS rejects the definition: no later state can read the variable.

            Example: `"A": {"Type": "Succeed", "Assign": {"x": 1}}`

            How to fix: `"A": {"Type": "Succeed"}`
            """,
            hint="remove it: no later state can read the variable",
        ),
        Row(
            "SFN-V09",
            """Checks that `Assign` is an object.

            Why is this bad? AWS rejects a single expression; its values can be expressions.

            Example: `"Assign": "{% {'x': 1} %}"`

            How to fix: `"Assign": {"x": "{% 1 %}"}`
            """,
        ),
    ),
)
