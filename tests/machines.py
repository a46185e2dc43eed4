"""Machines made up by hypothesis: valid, of every state type, in both query languages, in a world full of faults.

    python tests/machines.py --examples 10000 --seed 1

A Sample is a machine with an input and a world that answers its Tasks. `check(sample)` runs it: whatever happens has to
be an outcome of AWS's, the history well formed, and its replay, whole or cut off anywhere, the same again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from running import run

import sfnrun
from sfnrun import PENDING, Reply, Request, TaskFailed
from sfnrun.api.replay import replay_of
from sfnrun.errors import WaitingError
from sfnrun.history.recording import Recording, read

__all__ = ["Sample", "check", "samples"]

State = dict[str, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]

ACCOUNT = "us-east-1:123456789012"
AT_ONCE = [
    f"arn:aws:lambda:{ACCOUNT}:function:f",
    "arn:aws:states:::lambda:invoke",
    "arn:aws:states:::aws-sdk:s3:getObject",
]
LASTING = [
    f"arn:aws:states:{ACCOUNT}:activity:a",
    "arn:aws:states:::states:startExecution.sync:2",
    "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
]
START = 1_767_225_600_000
STATUSES = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}

# --- data and what looks at it ---

ODD = st.sampled_from(["\r\n", "\u2028", "x" * 300, 2**70, -0.0, 1e300])
ATOMS = st.one_of(ODD, st.none(), st.booleans(), st.integers(-9, 99), st.floats(-9, 9), st.text(max_size=5))


def values(atoms: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        atoms,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcn"), inner, max_size=3),
        max_leaves=6,
    )


VALUES = values(ATOMS)
DATA = values(ATOMS | st.just("half \ud800 a character"))  # which no definition may have
ITEMS = st.lists(DATA, max_size=4)
INPUTS = st.one_of(
    DATA, st.fixed_dictionaries({"a": DATA, "n": st.integers(0, 3), "items": ITEMS, "s": st.text(max_size=5)})
)

# Mostly what is there, sometimes what is not.
PATHS = st.sampled_from(
    ["$", "$", "$.a", "$.n", "$.items", "$.items[0]", "$.a.b", "$$.Execution.Input", "$$.State.Name"]
)
INTRINSICS = st.sampled_from([
    "States.UUID()", "States.MathRandom(1, 100)", "States.Format('{}-{}', $.n, $$.State.Name)", "States.Array($, 1)",
    "States.MathAdd($.n, 1)", "States.ArrayLength($.items)", "States.JsonToString($)", "States.Hash($.s, 'MD5')",
])  # fmt: skip
ANSWERED = st.sampled_from([
    "$states.input", "$states.input.a", "$states.input.n + 1", "$count($states.input.items)", "$string($states.input)",
    "$uuid()", "$random()", "$millis()", "[$states.input]", "$states.context.State.Name",
    "$states.context.Execution.Input",
])  # fmt: skip
ERRORS = ["E", "F", "States.Timeout", "States.TaskFailed", "States.QueryEvaluationError", "States.HeartbeatTimeout"]
CONDITIONS = st.sampled_from([
    {"Variable": "$.n", "NumericLessThan": 2}, {"Variable": "$.a", "IsPresent": True},
    {"Not": {"Variable": "$.n", "IsNumeric": True}}, {"Variable": "$.s", "StringMatches": "*a*"},
    {"And": [{"Variable": "$.a", "IsPresent": True}, {"Variable": "$.a", "IsNull": True}]},
    {"Or": [{"Variable": "$$.State.Name", "StringEquals": "x"}, {"Variable": "$.items", "IsPresent": True}]},
])  # fmt: skip
BOOLEANS = st.sampled_from(
    ["$exists($states.input.a)", "$states.input.n < 2", "$type($states.input) = 'array'", "true"]
)


def jsonata(expression: str) -> str:
    return f"{{% {expression} %}}"


EXPRESSIONS = ANSWERED.map(jsonata)
PATH_TEMPLATES = st.dictionaries(st.sampled_from(["k", "l.$", "m.$"]), st.just(""), min_size=1, max_size=3).flatmap(
    lambda keys: st.fixed_dictionaries({key: PATHS | INTRINSICS if key.endswith(".$") else VALUES for key in keys})
)
JSONATA_TEMPLATES = st.one_of(
    EXPRESSIONS, st.fixed_dictionaries({"k": EXPRESSIONS, "c": ATOMS.filter(lambda a: a != "")})
)

RESULT_PATHS = st.sampled_from(["$", "$.r", "$.a.b", None])
SELECTIONS = st.sampled_from(["$", "$.a", "$$.Execution.Input", None])
RETRIES = st.lists(
    st.fixed_dictionaries(
        {"ErrorEquals": st.lists(st.sampled_from(ERRORS), min_size=1, max_size=2, unique=True)},
        optional={
            "IntervalSeconds": st.integers(1, 5),
            "MaxAttempts": st.integers(0, 3),
            "BackoffRate": st.sampled_from([1, 1.5, 2]),
            "MaxDelaySeconds": st.integers(6, 9),
            "JitterStrategy": st.sampled_from(["FULL", "NONE"]),
        },
    ),
    min_size=1,
    max_size=2,
)


# --- states ---


@dataclass
class Graph:
    """The states of one scope, as they are made: its name, how deep it stands, and what may still be made in it."""

    draw: Draw
    language: str
    lasting: bool
    scope: str = "S"
    depth: int = 0
    jsonata: bool = False
    names: list[str] = field(default_factory=list)

    def make(self) -> dict[str, Any]:
        """States in a row, each of which leads to the next, and some also to later ones."""
        count = self.draw(st.integers(1, 4 if self.depth == 0 else 2))
        self.names = [f"{self.scope}{index}" for index in range(count)]
        states = {name: self.state(index) for index, name in enumerate(self.names)}
        return {"StartAt": self.names[0], "States": states}

    def maybe(self, **fields: st.SearchStrategy[Any]) -> State:
        """Some of the fields."""
        return {name: self.draw(strategy) for name, strategy in fields.items() if self.draw(st.integers(0, 3)) == 0}

    def state(self, index: int) -> State:
        last = index == len(self.names) - 1
        kinds = ["Pass", "Task", "Task", "Wait", *(["Succeed", "Fail"] if last else ["Choice"])]
        kind = self.draw(st.sampled_from(kinds + ["Parallel", "Map"] * (self.depth < 2)))
        mixed = self.language == "JSONPath" and self.draw(st.integers(0, 3)) == 0
        self.jsonata = self.language == "JSONata" or mixed
        state = {"Type": kind, **({"QueryLanguage": "JSONata"} if mixed else {})}
        if kind not in ("Choice", "Succeed", "Fail"):
            state |= {"End": True} if last else {"Next": self.names[index + 1]}
        if kind not in ("Fail",):
            state |= self.jsonata_fields(index) if self.jsonata else self.path_fields(kind, index)
        state |= getattr(self, kind.lower())(index)
        return state

    def path_fields(self, kind: str, index: int) -> State:
        fields = self.maybe(InputPath=SELECTIONS, OutputPath=st.sampled_from(["$", "$", None, "$.a"]))
        if kind in ("Pass", "Task", "Parallel", "Map"):
            fields |= self.maybe(ResultPath=RESULT_PATHS)
        if kind in ("Task", "Parallel", "Map"):
            fields |= self.maybe(ResultSelector=PATH_TEMPLATES)
        if kind not in ("Succeed",):
            fields |= self.maybe(Assign=st.fixed_dictionaries({f"v{self.scope}{index}.$": PATHS | INTRINSICS}))
        return fields

    def jsonata_fields(self, index: int) -> State:
        return self.maybe(Output=JSONATA_TEMPLATES)

    def later(self, index: int) -> str:
        """A state after this one; the last stands for itself where there is none."""
        return str(self.draw(st.sampled_from(self.names[index + 1 :] or self.names[-1:])))

    def persistence(self, index: int) -> State:
        fields = self.maybe(Retry=RETRIES)
        if index < len(self.names) - 1 and self.draw(st.booleans()):
            names = self.draw(st.sampled_from([["States.ALL"], ["E", "States.Timeout"], ["States.TaskFailed"]]))
            catcher: State = {"ErrorEquals": names, "Next": self.later(index)}
            if not self.jsonata:
                catcher |= self.maybe(ResultPath=RESULT_PATHS)
            elif self.draw(st.booleans()):
                catcher["Output"] = jsonata("$states.errorOutput.Error")
            fields["Catch"] = [catcher]
        return fields

    # --- one for each type ---

    def pass_(self, index: int) -> State:
        if self.jsonata:
            return {}
        return self.draw(st.one_of(st.just({}), st.fixed_dictionaries({"Result": VALUES}),
                                   st.fixed_dictionaries({"Parameters": PATH_TEMPLATES})))  # fmt: skip

    def task(self, index: int) -> State:
        resource = self.draw(st.sampled_from(AT_ONCE + LASTING * self.lasting))
        arguments: State = {"Arguments": {"k": self.draw(EXPRESSIONS)}} if self.jsonata else {
            "Parameters": self.draw(PATH_TEMPLATES)}  # fmt: skip
        if resource.startswith("arn:aws:states:::lambda"):
            arguments = {name: {"FunctionName": "f", **value} for name, value in arguments.items()}
        if resource.startswith("arn:aws:states:::states"):
            arguments = {name: {"StateMachineArn": "m", **value} for name, value in arguments.items()}
        if resource.startswith("arn:aws:states:::sqs"):
            token = {"t": jsonata("$states.context.Task.Token")} if self.jsonata else {"t.$": "$$.Task.Token"}
            arguments = {name: {"QueueUrl": "q", "MessageBody": token} for name in arguments}
        if resource.startswith("arn:aws:states:::aws-sdk"):
            arguments = {name: {"Bucket": "b", "Key": "k"} for name in arguments}
        limits = self.maybe(TimeoutSeconds=st.integers(5, 9), HeartbeatSeconds=st.integers(1, 4))
        return {"Resource": resource, **arguments, **limits, **self.persistence(index)}

    def wait(self, index: int) -> State:
        options = [{"Seconds": 3}, {"Timestamp": "2026-01-01T00:00:04Z"}]
        options += [{"Seconds": jsonata("$states.input.n")}] if self.jsonata else [{"SecondsPath": "$.n"}]
        return dict(self.draw(st.sampled_from(options)))

    def choice(self, index: int) -> State:
        rules = []
        for _ in range(self.draw(st.integers(1, 2))):
            test = {"Condition": jsonata(self.draw(BOOLEANS))} if self.jsonata else dict(self.draw(CONDITIONS))
            rules.append({**test, "Next": self.later(index)})
        return {"Choices": rules, "Default": self.names[index + 1]}

    def succeed(self, index: int) -> State:
        return {}

    def fail(self, index: int) -> State:
        if self.jsonata:
            return self.maybe(Error=st.just("E"), Cause=st.just(jsonata("$string($states.input)")))
        return self.maybe(Error=st.just("E"), CausePath=st.sampled_from(["$.s", "States.JsonToString($)"]))

    def inside(self, name: str) -> dict[str, Any]:
        return Graph(self.draw, self.language, self.lasting, name, self.depth + 1).make()

    def parallel(self, index: int) -> State:
        jsonata_ = self.jsonata
        branches = [self.inside(f"{self.names[index]}B{n}") for n in range(self.draw(st.integers(1, 3)))]
        self.jsonata = jsonata_
        return {"Branches": branches, **self.persistence(index)}

    def map(self, index: int) -> State:
        jsonata_ = self.jsonata
        state: State = {"ItemProcessor": self.inside(f"{self.names[index]}I")}
        self.jsonata = jsonata_
        state |= self.maybe(MaxConcurrency=st.integers(1, 3))
        if jsonata_:
            state["Items"] = self.draw(st.sampled_from([jsonata("$states.context.Execution.Input.items"), [1, 2, 3]]))
            value = "$states.context.Map.Item.Value"
            selectors = [{"v": jsonata(value)}, {"v": jsonata(f"$number({value})")}]
        else:
            state["ItemsPath"] = self.draw(st.sampled_from(["$$.Execution.Input.items", "$.items", "$"]))
            value = "$$.Map.Item.Value"
            selectors = [{"v.$": value, "i.$": "$$.Map.Item.Index"}, {"v.$": f"States.MathAdd({value}, 1)"}]
        state |= self.maybe(ItemSelector=st.sampled_from(selectors))
        return {**state, **self.persistence(index)}


setattr(Graph, "pass", Graph.pass_)


# --- the world ---

ANSWERS = st.one_of(
    st.fixed_dictionaries({"result": DATA}),
    st.fixed_dictionaries({"result": DATA}),
    st.fixed_dictionaries({"error": st.sampled_from(["E", "F", "States.TaskFailed", None])}),
    st.just({"silent": True}),
)
TIMES = st.sampled_from([0, 0, 1, 4_000, 30_000])


@dataclass(frozen=True)
class Sample:
    """A machine with all that it takes to run it; `answers` are given in turn, over and over."""

    definition: dict[str, Any]
    input: Any
    answers: list[tuple[dict[str, Any], int]]
    options: dict[str, Any]
    cut: float

    def world(self) -> Callable[[Request], Reply]:
        asked = 0

        def answer(request: Request) -> Reply:
            nonlocal asked
            told, duration = self.answers[asked % len(self.answers)]
            asked += 1
            if "silent" in told:
                return Reply(PENDING, submitted={"asked": asked})
            if "error" in told:
                return Reply(failure=TaskFailed(told["error"], "because"), duration_ms=duration)
            return Reply(told["result"], submitted={"asked": asked}, duration_ms=duration, worker_name="w")

        return answer


@st.composite
def samples(draw: Draw) -> Sample:
    """Any Sample."""
    express = draw(st.integers(0, 5)) == 0
    language = draw(st.sampled_from(["JSONPath", "JSONata"]))
    machine: dict[str, Any] = {"QueryLanguage": "JSONata"} if language == "JSONata" else {}
    if draw(st.integers(0, 7)) == 0:
        machine["TimeoutSeconds"] = draw(st.integers(1, 20))
    machine |= Graph(draw, language, lasting=not express).make()
    options: dict[str, Any] = {"seed": draw(st.integers(0, 9)), "start_time": START}
    options["type"] = "EXPRESS" if express else "STANDARD"
    if draw(st.integers(0, 9)) == 0:
        options["stop_at"] = START + draw(st.integers(0, 9_000))
    answers = draw(st.lists(st.tuples(ANSWERS, TIMES), min_size=1, max_size=5))
    return Sample(machine, draw(INPUTS), answers, options, draw(st.floats(0, 1)))


# --- what must hold ---


def check(sample: Sample) -> sfnrun.Result:
    """Run a Sample and hold it against all that is promised."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = run(
                sample.definition, sample.input, tasks=sample.world(), store=folder, name="n", **sample.options
            )
        except WaitingError as waiting:
            return check_waiting(waiting, read(Path(folder) / "n.jsonl"))
        assert result.history is not None
        recording = read(result.history)
        replayed = sfnrun.replay(result.history)
    assert_well_formed(result)
    again = run(sample.definition, sample.input, tasks=sample.world(), name="n", **sample.options)
    assert summary(again) == summary(result), "the same seed gave another run"
    assert summary(replayed) == summary(result), "the replay went another way"
    assert_prefix(recording, result, int(sample.cut * len(recording.lines)))
    return result


def check_waiting(waiting: WaitingError, recording: Recording) -> sfnrun.Result:
    """Somebody has to answer a task token first: the history ends there, and replays as far as it goes."""
    assert waiting.tokens
    result = replay_of(recording)
    assert result.status == "RUNNING"
    return result


def summary(result: sfnrun.Result) -> tuple[Any, ...]:
    return result.status, result.output_text, result.error, result.cause, result.events


def assert_well_formed(result: sfnrun.Result) -> None:
    events = result.events
    assert result.status in STATUSES
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert all(event["previousEventId"] < event["id"] for event in events)
    entered = sum(event["type"].endswith("StateEntered") for event in events)
    exited = sum(event["type"].endswith("StateExited") for event in events)
    assert exited <= entered
    assert (result.output_text is not None) == (result.status == "SUCCEEDED")


def assert_prefix(recording: Recording, result: sfnrun.Result, kept: int) -> None:
    """A recording that was cut off anywhere replays as far as it goes."""
    cut = Recording(recording.path, recording.start, recording.lines[:kept])
    replayed = replay_of(cut)
    assert replayed.events == result.events[: len(replayed.events)]


def main() -> None:
    """Check many and tell what they were like."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    ended: Counter[str] = Counter()
    began = time.perf_counter()

    @seed(options.seed)
    @settings(
        max_examples=options.examples,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(samples())
    def every(sample: Sample) -> None:
        result = check(sample)
        ended[result.status if result.status != "FAILED" else f"FAILED {result.error}"] += 1

    every()
    for how, count in ended.most_common():
        print(f"{count:7,} {how}")
    print(f"{sum(ended.values()):7,} machines, none crashed or diverged, in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    main()
