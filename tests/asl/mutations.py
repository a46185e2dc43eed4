"""Ways to break a valid definition at a random place, and a program that counts how many of the breaks are reported.

    python tests/asl/mutations.py [--seed N] [--rounds N] DEFINITION...

A break counts as reported if there is an error that was not there before, in the state that was broken (or, for a break
of the scope, in the scope).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sfnrun.asl.lint.outline import Outline, State
from sfnrun.asl.lint.rulebook import check
from sfnrun.asl.load import read_source
from sfnrun.asl.text.source import Source, from_text
from sfnrun.errors import DefinitionError, Problem

__all__ = ["MUTATIONS", "Tally", "readable", "run"]

Mutation = Callable[[State, random.Random], bool]
MUTATIONS: dict[str, Mutation] = {}


def mutation(break_: Mutation) -> Mutation:
    """Enter a way to break a state; it says whether it could."""
    MUTATIONS[break_.__name__] = break_
    return break_


def rename(value: dict[str, Any], old: str, new: str) -> None:
    """Give a member another name, in its place."""
    items = [(new if key == old else key, member) for key, member in value.items()]
    value.clear()
    value.update(items)


def put(value: dict[str, Any], **members: Any) -> bool:
    value.update(members)
    return True


def one_of(rng: random.Random, items: Iterable[Any]) -> Any:
    found = list(items)
    return rng.choice(found) if found else None


def flows(state: State) -> bool:
    return state.type not in ("Choice", "Succeed", "Fail")


def handled(state: State) -> bool:
    return state.type in ("Task", "Parallel", "Map")


# --- every state -----------------------------------------------------------------------------------------------------


@mutation
def type_missing(state: State, rng: random.Random) -> bool:
    del state.value["Type"]
    return True


@mutation
def type_unknown(state: State, rng: random.Random) -> bool:
    return put(state.value, Type=rng.choice([state.type.lower(), state.type + "s", "Lambda", "", 7]))


@mutation
def field_unknown(state: State, rng: random.Random) -> bool:
    return put(state.value, **{rng.choice(["Foo", "Timeout", "description", "next"]): 1})


@mutation
def field_misspelt(state: State, rng: random.Random) -> bool:
    name = one_of(rng, [name for name in state.value if len(name) > 3])
    at = rng.randrange(len(name) - 1)
    wrong = name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    if wrong == name or wrong in state.value:
        wrong = name + "s"
    rename(state.value, name, wrong)
    return True


@mutation
def field_of_another_type(state: State, rng: random.Random) -> bool:
    if state.type == "Task":
        return put(state.value, **{rng.choice(["Branches", "Choices", "Seconds"]): []})
    return put(state.value, **{rng.choice(["Resource", "HeartbeatSeconds"]): "x"})


@mutation
def comment_a_number(state: State, rng: random.Random) -> bool:
    return put(state.value, Comment=rng.choice([1, True, ["x"], {}]))


@mutation
def language_unknown(state: State, rng: random.Random) -> bool:
    return put(state.value, QueryLanguage=rng.choice(["jsonata", "JSONpath", "JMESPath", 1]))


@mutation
def field_of_the_other_language(state: State, rng: random.Random) -> bool:
    if state.type == "Fail":
        return state.is_jsonata and put(state.value, ErrorPath="$.e")
    return put(state.value, **({"InputPath": "$.x"} if state.is_jsonata else {"Output": 1}))


# --- transitions -----------------------------------------------------------------------------------------------------


@mutation
def next_missing(state: State, rng: random.Random) -> bool:
    return flows(state) and (state.value.pop("Next", None) or state.value.pop("End", None)) is not None


@mutation
def next_to_nowhere(state: State, rng: random.Random) -> bool:
    return "Next" in state.value and put(state.value, Next="Nowhere at all")


@mutation
def next_in_another_case(state: State, rng: random.Random) -> bool:
    name = state.value.get("Next", "")
    return name.swapcase() not in state.scope.states and name != "" and put(state.value, Next=name.swapcase())


@mutation
def next_and_end(state: State, rng: random.Random) -> bool:
    return flows(state) and put(state.value, Next=state.value.get("Next", state.name), End=True)


@mutation
def default_to_nowhere(state: State, rng: random.Random) -> bool:
    return state.type == "Choice" and put(state.value, Default="Nowhere at all")


@mutation
def catch_to_nowhere(state: State, rng: random.Random) -> bool:
    return handled(state) and put(state.value, Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Nowhere at all"}])


@mutation
def unreachable_state(state: State, rng: random.Random) -> bool:
    return put(state.scope.value["States"], **{"Never reached": {"Type": "Pass", "Next": state.name}})


@mutation
def start_to_nowhere(state: State, rng: random.Random) -> bool:
    return put(state.scope.value, StartAt="Nowhere at all")


@mutation
def name_used_twice(state: State, rng: random.Random) -> bool:
    if state.type != "Parallel":
        return False
    state.value["Branches"].append({"StartAt": state.name, "States": {state.name: {"Type": "Succeed"}}})
    return True


# --- Retry and Catch -------------------------------------------------------------------------------------------------


def retrying(state: State, **fields: Any) -> bool:
    return handled(state) and put(state.value, Retry=[{"ErrorEquals": ["Late"], **fields}])


@mutation
def retry_without_errors(state: State, rng: random.Random) -> bool:
    return handled(state) and put(state.value, Retry=[rng.choice([{}, {"ErrorEquals": []}, {"ErrorEquals": "Late"}])])


@mutation
def retry_out_of_range(state: State, rng: random.Random) -> bool:
    wrong = [("MaxAttempts", -1), ("BackoffRate", 0.5), ("IntervalSeconds", "1"), ("MaxDelaySeconds", 0)]
    return retrying(state, **dict([rng.choice(wrong)]))


@mutation
def states_all_in_company(state: State, rng: random.Random) -> bool:
    return handled(state) and put(state.value, Retry=[{"ErrorEquals": ["States.ALL", "Late"]}])


@mutation
def retry_an_object(state: State, rng: random.Random) -> bool:
    return handled(state) and put(state.value, Retry={"ErrorEquals": ["States.ALL"]})


# --- expressions -----------------------------------------------------------------------------------------------------

BAD_PATHS = ("$.a[", "a.b", "$.a[?(@.b", "$.", "States.UUID()")
BAD_TEMPLATES = ("order.id", "States.Format('{}'", "States.Foo(1)", "States.UUID(1)", "$.a[", 5)
BAD_JSONATA = ("{% $states.input. %}", "{% (1 %}", "{% 1 + %}", "{% $states.input", "{% phone %}", "{% $$.x %}")


@mutation
def path_broken(state: State, rng: random.Random) -> bool:
    suits = not state.is_jsonata and state.type != "Fail"
    return suits and put(state.value, **{rng.choice(["InputPath", "OutputPath"]): rng.choice(BAD_PATHS)})


@mutation
def result_path_no_reference(state: State, rng: random.Random) -> bool:
    suits = not state.is_jsonata and state.type in ("Task", "Pass", "Parallel", "Map")
    return suits and put(state.value, ResultPath=rng.choice(["$.a[*]", "$..b", "$$.Execution", "$v", "a", "$[0:2]"]))


@mutation
def template_broken(state: State, rng: random.Random) -> bool:
    suits = not state.is_jsonata and state.type in ("Task", "Pass", "Parallel")
    return suits and put(state.value, Parameters={"deep": [{"x.$": rng.choice(BAD_TEMPLATES)}]})


@mutation
def jsonata_broken(state: State, rng: random.Random) -> bool:
    suits = state.is_jsonata and state.type != "Fail"
    return suits and put(state.value, Output={"deep": [rng.choice(BAD_JSONATA)]})


# --- by type ---------------------------------------------------------------------------------------------------------


@mutation
def resource_missing(state: State, rng: random.Random) -> bool:
    return state.type == "Task" and state.value.pop("Resource", None) is not None


@mutation
def resource_unknown(state: State, rng: random.Random) -> bool:
    integration = "arn:aws:states:::"
    wrong = [
        "my-function",
        integration + "lamda:invoke",
        integration + "sqs:send",
        integration + "sqs:sendMessage.sync",
    ]
    return state.type == "Task" and put(state.value, Resource=rng.choice(wrong))


@mutation
def timeout_out_of_range(state: State, rng: random.Random) -> bool:
    field = rng.choice(["TimeoutSeconds", "HeartbeatSeconds"])
    return state.type == "Task" and put(state.value, **{field: rng.choice([0, -1, "1", 1.5, 100_000_000])})


@mutation
def wait_for_nothing_known(state: State, rng: random.Random) -> bool:
    wrong = [{"Seconds": 1, "Timestamp": "2030-01-31T09:00:00Z"}, {"Seconds": -1}, {"Timestamp": "2030-01-31"}, {}]
    if state.type == "Wait":
        for name in ("Seconds", "SecondsPath", "Timestamp", "TimestampPath"):
            state.value.pop(name, None)
        state.value.update(rng.choice(wrong))
    return state.type == "Wait"


@mutation
def choices_empty(state: State, rng: random.Random) -> bool:
    return state.type == "Choice" and put(state.value, Choices=rng.choice([[], {}, [1], None]))


@mutation
def rule_without_next(state: State, rng: random.Random) -> bool:
    return state.type == "Choice" and one_of(rng, state.choices)[1].pop("Next", None) is not None


@mutation
def rule_broken(state: State, rng: random.Random) -> bool:
    if state.type != "Choice" or state.is_jsonata:
        return False
    wrong: list[dict[str, Any]] = [
        {"StringEquals": "x"},
        {"Variable": "$.x"},
        {"Variable": "$.x", "StringEqual": "x"},
        {"Variable": "$.x", "NumericEquals": "1"},
        {"Variable": "$.x", "IsNull": True, "IsPresent": True},
        {"Variable": "x", "IsNull": True},
        {"Not": [{"Variable": "$.x", "IsNull": True}]},
        {"And": [{"Variable": "$.x", "IsNull": True, "Next": "x"}]},
    ]
    state.value["Choices"].append({**rng.choice(wrong), "Next": state.value["Choices"][0]["Next"]})
    return True


@mutation
def condition_broken(state: State, rng: random.Random) -> bool:
    if state.type != "Choice" or not state.is_jsonata:
        return False
    target = state.value["Choices"][0]["Next"]
    wrong: list[dict[str, Any]] = [{}, {"Condition": "$x"}, {"Condition": 1}, {"Condition": "{% 1 + %}"}]
    state.value["Choices"].insert(0, {**rng.choice(wrong), "Next": target})
    return True


@mutation
def branches_empty(state: State, rng: random.Random) -> bool:
    return state.type == "Parallel" and put(state.value, Branches=rng.choice([[], {}, [{}], ["x"]]))


@mutation
def processor_missing(state: State, rng: random.Random) -> bool:
    processor = state.value.pop("ItemProcessor", None) or state.value.pop("Iterator", None)
    return state.type == "Map" and processor is not None


@mutation
def map_number_out_of_range(state: State, rng: random.Random) -> bool:
    return state.type == "Map" and put(state.value, MaxConcurrency=rng.choice([-1, 1.5, "1", "many"]))


@mutation
def mode_unknown(state: State, rng: random.Random) -> bool:
    processor = state.value.get("ItemProcessor")
    wrong: list[dict[str, Any]] = [{"Mode": "inline"}, {"Mode": "DISTRIBUTED"}, {"ExecutionType": "STANDARD"}]
    return state.type == "Map" and bool(processor) and put(processor, ProcessorConfig=rng.choice(wrong))


@mutation
def variable_misnamed(state: State, rng: random.Random) -> bool:
    suits = state.type not in ("Succeed", "Fail")
    return suits and put(state.value, Assign={rng.choice(["2nd", "a b", "states", "v" * 81]): 1})


# --- counting --------------------------------------------------------------------------------------------------------

OF_THE_SCOPE = {"unreachable_state", "start_to_nowhere"}


class Tally:
    """How often each way was tried, and how often it was reported."""

    def __init__(self) -> None:
        self.tried: Counter[str] = Counter()
        self.reported: Counter[str] = Counter()
        self.missed: list[str] = []

    @property
    def rate(self) -> float:
        return sum(self.reported.values()) / max(1, sum(self.tried.values()))

    def __str__(self) -> str:
        lines = [f"{name:32}{self.reported[name]:6} of{count:6}" for name, count in sorted(self.tried.items())]
        return "\n".join([*lines, f"{100 * self.rate:.2f} % of {sum(self.tried.values())}"])


def run(sources: Iterable[Source], rounds: int, seed: int) -> Tally:
    """Break each definition in each way `rounds` times, each time somewhere else."""
    rng = random.Random(seed)
    tally = Tally()
    for source in sources:
        text = json.dumps(source.value, ensure_ascii=False)
        before = {(problem.rule, problem.message) for problem in errors(from_text(text))}
        for name, break_ in MUTATIONS.items():
            for _ in range(rounds):
                broken = Outline.of(json.loads(text))
                state = next((s for s in rng.sample(broken.states, len(broken.states)) if break_(s, rng)), None)
                if state:
                    pointer = state.scope.pointer if name in OF_THE_SCOPE else state.pointer
                    tally.tried[name] += 1
                    if is_reported(broken.value, pointer, before):
                        tally.reported[name] += 1
                    else:
                        tally.missed.append(f"{name} in {source.name} at {pointer}: {json.dumps(state.value)[:200]}")
    return tally


def errors(source: Source) -> list[Problem]:
    return [problem for problem in check(source) if problem.severity == "error"]


def is_reported(value: Any, pointer: tuple[str | int, ...], before: set[tuple[str, str]]) -> bool:
    source = from_text(json.dumps(value, indent=1, ensure_ascii=False))
    around, key = source.locate(pointer), source.locate(pointer, key=True)
    assert around
    assert key
    for problem in errors(source):
        if (problem.rule, problem.message) not in before and problem.span:
            at = (problem.span.line, problem.span.column)
            if (key.line, key.column) <= at <= (around.end_line, around.end_column):
                return True
    return False


def readable(paths: Iterable[Path]) -> list[Source]:
    """The definitions in these files that are valid as they stand."""
    found = []
    for path in paths:
        try:
            source = read_source(path)
        except DefinitionError:
            continue
        if not errors(source):
            found.append(source)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("definitions", nargs="+", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    tally = run(readable(options.definitions), options.rounds, options.seed)
    print(tally, *tally.missed[:40], sep="\n")
    return int(tally.rate < 0.99)


if __name__ == "__main__":
    sys.exit(main())
