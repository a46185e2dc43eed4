"""Rules about where states go. AWS runs three checks: dangling targets, an end state, and what StartAt comes to."""

from __future__ import annotations

from sfnrun.asl.lint.outline import Scope, State, Transition, has_placeholder, plain
from sfnrun.asl.lint.rule import Finding, Findings, rule
from sfnrun.asl.lint.shape import Violation, close_to

__all__: list[str] = []

_MISSING = "MISSING_TRANSITION_TARGET"

# Looking for a name like another one takes time for each state there is; with so many missing, it is no typo.
MAX_SUGGESTIONS = 20


@rule("SFN-G01", on="scope", code=_MISSING)
def start_exists(scope: Scope) -> Findings:
    """`StartAt` names a state of its own `States`, in the machine, every branch and every processor.

    Otherwise there is nothing to begin with, and AWS refuses the definition.

    Example: `{"StartAt": "Frist", "States": {"First": {...}}}`
    """
    if scope.states and scope.lacks(scope.start):
        yield _missing(scope, Transition((*scope.pointer, "StartAt"), scope.start))


@rule("SFN-G02", on="scope", code=_MISSING)
def targets_exist(scope: Scope) -> Findings:
    """`Next`, `Default`, `Choices[].Next` and `Catch[].Next` name a state of the same scope.

    AWS calls it a missing 'Next' target in all four places, and refuses the definition.

    Example: `"A": {"Type": "Pass", "Next": "Bb"}` beside a state "B"
    """
    for number, way in enumerate(scope.dangling):
        if plain(way.target) not in scope.plain_names and not _elsewhere(scope, way.target):
            yield _missing(scope, way, suggests=number < MAX_SUGGESTIONS)


def _missing(scope: Scope, way: Transition, why: str = "", *, suggests: bool = True) -> Finding:
    near = scope.plain_names.get(plain(way.target))
    close = near or (close_to(way.target, scope.states) if suggests and not why else None)
    hint = why or (f"did you mean '{close}'?" if close else "")
    return Finding(way.pointer, f"Missing 'Next' target: {way.target}", hint)


def _elsewhere(scope: Scope, target: str) -> str:
    """Where another scope has the state that is missing here, in words; "" if none has."""
    if target in scope.names_inside:
        owner = scope.names_inside[target]
        return f"it stands inside the {owner.type} '{owner.name}'"
    for owner in scope.ancestors:
        if target in owner.scope.states:
            return f"it stands outside the {owner.type} '{owner.name}'"
        for number, sibling in enumerate(owner.scopes):
            if sibling is not scope and target in sibling.states:
                return f"it stands in branch {number} of '{owner.name}'"
    return ""


@rule("SFN-G03", on="scope", code=_MISSING)
def states_are_reachable(scope: Scope) -> Findings:
    """Every state is reached by a walk from StartAt.

    That some state names it is not enough: two states that only name each other are never run. AWS refuses the
    definition. It does not look for them in a machine without an end state (SFN-G04), and neither do we.

    Example: `{"StartAt": "A", "States": {"A": {"Type": "Succeed"}, "B": {"Type": "Succeed"}}}`
    """
    if scope.has_unknown_ways or not _has_end(scope):
        return
    for name, state in scope.states.items():
        if name not in scope.reachable:
            yield Finding(state.pointer, f'State "{name}" is not reachable.', _how_to_reach(scope, name), key=True)


def _how_to_reach(scope: Scope, name: str) -> str:
    if isinstance(scope.start, str) and scope.start in scope.states:
        return "remove it, or name it in a Next"
    return f"StartAt names no state; did you mean '{name}'?" if len(scope.states) == 1 else "StartAt names no state"


def _has_end(scope: Scope) -> bool:
    return any(state.is_terminal for state in scope.states.values())


@rule("SFN-G04", on="scope", code="MISSING_END_STATE")
def there_is_an_end(scope: Scope) -> Findings:
    """Every scope has a state that ends it: one with `"End": true`, a Succeed or a Fail.

    Without one the machine, branch or iteration can only run for ever. AWS gives no location for it.

    Example: `"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}`
    """
    unknown = any(has_placeholder(state.get("End")) or state.leads_nowhere for state in scope.states.values())
    if scope.states and not _has_end(scope) and not unknown:
        hint = 'give the last state "End": true'
        yield Finding((*scope.pointer, "States"), "Workflow has no terminal state", hint, key=True, located=False)


@rule("SFN-G05", on="scope", code=_MISSING)
def map_has_no_way_out(scope: Scope) -> Findings:
    """No transition leads out of a Map's processor, or into it.

    An iteration ends with its own last state; what comes after the Map stands in the Map's Next.

    Example: `"Next": "AfterTheMap"` inside an ItemProcessor
    """
    yield from _across(scope, "Map")


@rule("SFN-G06", on="scope", code=_MISSING)
def parallel_has_no_way_out(scope: Scope) -> Findings:
    """No transition leads from one branch into another, out of a Parallel, or into it.

    A branch ends with its own last state; what comes after all branches stands in the Parallel's Next.

    Example: `"Next": "AfterTheParallel"` inside a branch
    """
    yield from _across(scope, "Parallel")


def _across(scope: Scope, type_: str) -> Findings:
    for way in scope.dangling:
        why = _elsewhere(scope, way.target)
        if why and plain(way.target) not in scope.plain_names and _border(scope, way.target) == type_:
            yield _missing(scope, way, why)


def _border(scope: Scope, target: str) -> str:
    """The type of the state whose border the transition would cross."""
    owner = scope.names_inside.get(target) or scope.owner
    return owner.type if owner else ""


@rule("SFN-G07", on="scope", severity="warning", code="")
def an_end_is_in_reach(scope: Scope) -> Findings:
    """From every state that is reached, some end can be reached.

    A loop without a way out runs until the timeout of the execution, or its 25,000th event.

    Example: A goes to B or C, C goes to D, and D only to C.
    """
    if scope.has_unknown_ways or not _has_end(scope):
        return
    ends = _states_that_end(scope)
    lost = [name for name in scope.states if name in scope.reachable and name not in ends]
    if lost and not scope.dangling:
        more = f" nor from {len(lost) - 1} more" if len(lost) > 1 else ""
        message = f'From "{lost[0]}" no terminal state can be reached{more}'
        yield Finding(scope.states[lost[0]].pointer, message, "give the loop a way out: a Choice, or a Catch", key=True)


def _states_that_end(scope: Scope) -> set[str]:
    """Names of the states from which some end can be reached."""
    before: dict[str, list[str]] = {}
    for state in scope.states.values():
        for following in scope.next_states(state):
            before.setdefault(following.name, []).append(state.name)
    ends = {state.name for state in scope.states.values() if state.is_terminal}
    waiting = list(ends)
    while waiting:
        for name in before.get(waiting.pop(), ()):
            if name not in ends:
                ends.add(name)
                waiting.append(name)
    return ends


@rule("SFN-G08", on="shape")
def targets_are_strings(violation: Violation) -> Findings:
    """`Next`, `Default` and `StartAt` are strings with something in them.

    Nothing else can be the name of a state.

    Example: `"Next": ["B", "C"]`
    """
    several = isinstance(violation.value, list)
    yield violation.found(hint="only a Choice goes to one of several states" if several else "")


@rule("SFN-G09", on="state", types=("Choice",), severity="warning", code="")
def choice_has_a_default(state: State) -> Findings:
    """A Choice has a `Default`.

    Where no rule matches, the execution fails (with States.NoChoiceMatched by the specification, with States.Runtime on
    AWS), and no Catch can help.

    Example: `"A": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": true, "Next": "B"}]}`
    """
    always = any(rule.get("Condition") is True for _, rule in state.choices)
    if "Default" not in state.value and state.get("Choices") and not always:
        message = "No Default: unmatched input fails with States.NoChoiceMatched"
        yield Finding(state.pointer, message, 'add "Default": "name of a state"', key=True)


@rule("SFN-G10", on="scope", code=_MISSING)
def targets_are_spelt_as_the_state(scope: Scope) -> Findings:
    """A target does not differ from an existing name by case, blanks or hyphens alone.

    Names are compared exactly, so the target is missing.

    Example: `"Next": "done"` beside a state "Done"
    """
    for way in scope.dangling:
        if plain(way.target) in scope.plain_names:
            yield _missing(scope, way)
