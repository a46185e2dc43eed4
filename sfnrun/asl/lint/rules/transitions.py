"""Rules about transitions. AWS checks for dangling targets, a terminal state and reachability."""

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
    """Checks for a `StartAt` that names no state of its own `States`: of the state machine, a branch or a processor.

    Why is this bad? AWS rejects the definition: there is no first state.

    Example: `{"StartAt": "Frist", "States": {"First": {...}}}`

    How to fix: `{"StartAt": "First", "States": {"First": {...}}}`
    """
    if scope.states and scope.lacks(scope.start):
        yield _missing(scope, Transition((*scope.pointer, "StartAt"), scope.start))


@rule("SFN-G02", on="scope", code=_MISSING)
def targets_exist(scope: Scope) -> Findings:
    """Checks for transitions (`Next`, `Default`, `Choices[].Next`, `Catch[].Next`) to states that do not exist in the
    same scope.

    Why is this bad? AWS rejects the definition; its message says 'Next' for all four fields.

    Example: `"A": {"Type": "Pass", "Next": "Bb"}` beside a state "B"

    How to fix: `"A": {"Type": "Pass", "Next": "B"}`
    """
    for number, transition in enumerate(scope.dangling):
        if plain(transition.target) not in scope.plain_names and not _elsewhere(scope, transition.target):
            yield _missing(scope, transition, suggests=number < MAX_SUGGESTIONS)


def _missing(scope: Scope, transition: Transition, why: str = "", *, suggests: bool = True) -> Finding:
    near = scope.plain_names.get(plain(transition.target))
    close = near or (close_to(transition.target, scope.states) if suggests and not why else None)
    hint = why or (f"did you mean '{close}'?" if close else "")
    return Finding(transition.pointer, f"Missing 'Next' target: {transition.target}", hint)


def _elsewhere(scope: Scope, target: str) -> str:
    """Where another scope has the state that is missing here, in words; "" if none has."""
    if target in scope.names_inside:
        owner = scope.names_inside[target]
        return f"it is inside the {owner.type} '{owner.name}'"
    for owner in scope.ancestors:
        if target in owner.scope.states:
            return f"it is outside the {owner.type} '{owner.name}'"
        for number, sibling in enumerate(owner.scopes):
            if sibling is not scope and target in sibling.states:
                return f"it is in branch {number} of '{owner.name}'"
    return ""


@rule("SFN-G03", on="scope", code=_MISSING)
def states_are_reachable(scope: Scope) -> Findings:
    """Checks for states that no path from `StartAt` reaches.

    Why is this bad? AWS rejects the definition. States that are referenced only by each other are unreachable, too. Not
    checked without an end state (SFN-G04), as in AWS.

    Example: `{"StartAt": "A", "States": {"A": {"Type": "Succeed"}, "B": {"Type": "Succeed"}}}`

    How to fix: remove the state, or add a transition to it
    """
    if scope.has_unknown_transitions or not _has_end(scope):
        return
    for name, state in scope.states.items():
        if name not in scope.reachable:
            yield Finding(state.pointer, f'State "{name}" is not reachable.', _how_to_reach(scope, name), key=True)


def _how_to_reach(scope: Scope, name: str) -> str:
    if isinstance(scope.start, str) and scope.start in scope.states:
        return "remove it, or add a transition to it"
    return f"StartAt names no state; did you mean '{name}'?" if len(scope.states) == 1 else "StartAt names no state"


def _has_end(scope: Scope) -> bool:
    return any(state.is_terminal for state in scope.states.values())


@rule("SFN-G04", on="scope", code="MISSING_END_STATE")
def there_is_an_end(scope: Scope) -> Findings:
    """Checks for scopes without a terminal state (`"End": true`, Succeed or Fail).

    Why is this bad? The state machine, branch or iteration can never end. AWS reports no location.

    Example: `"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}`

    How to fix: `"B": {"Type": "Pass", "End": true}`
    """
    unknown = any(has_placeholder(state.get("End")) or state.lacks_transition for state in scope.states.values())
    if scope.states and not _has_end(scope) and not unknown:
        hint = 'add "End": true to the last state'
        yield Finding((*scope.pointer, "States"), "Workflow has no terminal state", hint, key=True, located=False)


@rule("SFN-G05", on="scope", code=_MISSING)
def map_has_no_way_out(scope: Scope) -> Findings:
    """Checks for transitions into or out of a Map processor.

    Why is this bad? An iteration ends with its own last state, so AWS rejects the definition.

    Example: `"Next": "AfterTheMap"` inside an ItemProcessor

    How to fix: end the iteration with `"End": true`, and set `Next` on the Map
    """
    yield from _across(scope, "Map")


@rule("SFN-G06", on="scope", code=_MISSING)
def parallel_has_no_way_out(scope: Scope) -> Findings:
    """Checks for transitions from one branch of a Parallel into another, out of it, or into it.

    Why is this bad? A branch ends with its own last state, so AWS rejects the definition.

    Example: `"Next": "AfterTheParallel"` inside a branch

    How to fix: end the branch with `"End": true`, and set `Next` on the Parallel
    """
    yield from _across(scope, "Parallel")


def _across(scope: Scope, type_: str) -> Findings:
    for transition in scope.dangling:
        why = _elsewhere(scope, transition.target)
        if why and plain(transition.target) not in scope.plain_names and _border(scope, transition.target) == type_:
            yield _missing(scope, transition, why)


def _border(scope: Scope, target: str) -> str:
    """The type of the state whose border the transition would cross."""
    owner = scope.names_inside.get(target) or scope.owner
    return owner.type if owner else ""


@rule("SFN-G07", on="scope", severity="warning", code="")
def an_end_is_in_reach(scope: Scope) -> Findings:
    """Checks for states from which no terminal state can be reached.

    Why is this bad? The loop runs until the execution times out or reaches 25,000 events.

    Example: A goes to B or C, C goes to D, and D only to C.

    How to fix: add an exit with a Choice or a Catch
    """
    if scope.has_unknown_transitions or not _has_end(scope):
        return
    ends = _states_that_end(scope)
    lost = [name for name in scope.states if name in scope.reachable and name not in ends]
    if lost and not scope.dangling:
        more = f" nor from {len(lost) - 1} more" if len(lost) > 1 else ""
        message = f'From "{lost[0]}" no terminal state can be reached{more}'
        yield Finding(scope.states[lost[0]].pointer, message, "add an exit with a Choice or a Catch", key=True)


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
    """Checks for a `Next`, `Default` or `StartAt` that is not a non-empty string.

    Why is this bad? AWS rejects the definition: nothing else can name a state.

    Example: `"Next": ["B", "C"]`

    How to fix: `"Next": "B"`
    """
    several = isinstance(violation.value, list)
    yield violation.found(hint="use a Choice to select one of several states" if several else "")


@rule("SFN-G09", on="state", types=("Choice",), severity="warning", code="")
def choice_has_a_default(state: State) -> Findings:
    """Checks for Choice states without `Default`.

    Why is this bad? If no rule matches, the execution fails (States.Runtime in AWS, States.NoChoiceMatched in the
    specification), and no Catch applies.

    Example: `"A": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": true, "Next": "B"}]}`

    How to fix: add `"Default": "B"`
    """
    always = any(rule.get("Condition") is True for _, rule in state.choices)
    if "Default" not in state.value and state.get("Choices") and not always:
        message = "No Default: unmatched input fails with States.NoChoiceMatched"
        yield Finding(state.pointer, message, 'add "Default": "NAME"', key=True)


@rule("SFN-G10", on="scope", code=_MISSING)
def targets_are_spelt_as_the_state(scope: Scope) -> Findings:
    """Checks for targets that differ from a state name only in case, spaces or hyphens.

    Why is this bad? State names must match exactly, so the target does not exist.

    Example: `"Next": "done"` beside a state "Done"

    How to fix: `"Next": "Done"`
    """
    for transition in scope.dangling:
        if plain(transition.target) in scope.plain_names:
            yield _missing(scope, transition)
