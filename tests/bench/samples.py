"""Every published sample loads, and most run to their end, in a made-up world; run it: `python tests/bench/samples.py`.

The samples are AWS's collection of workflows. Their placeholders are given made-up values, and their Tasks answers that
have whatever the definition reads: all paths of it are gathered, and what they are compared with.
"""

from __future__ import annotations

import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import sfnrun
from sfnrun import Reply, Request
from sfnrun.asl.load import read_source as load_source
from sfnrun.asl.model import Fail, Machine, every_state

SAMPLES = Path(__file__).resolve().parents[2] / "../shared/conformance/validation/files/samples"

Json = Any
Steps = tuple[str, ...]


class Ran(NamedTuple):
    """What came of a sample: "succeeded", "failed by design", "distributed", "refused", or where it went wrong."""

    name: str
    end: str
    states: int = 0
    told: str = ""


# --- placeholders ---

PLACEHOLDER = re.compile(r"\$\{([^}]+)\}")


def made_up(text: str) -> dict[str, str]:
    """A value for each placeholder: an ARN for one that is a whole Resource, else its name."""
    resources = set(re.findall(r'"Resource"\s*:\s*"\$\{([^}]+)\}"', text))
    names = {name for name in PLACEHOLDER.findall(text) if not name.startswith("$")}
    return {name: resource(name) if name in resources else re.sub(r"\W", "-", name) for name in names}


def resource(name: str) -> str:
    """What a placeholder for a whole Resource means, by its name."""
    word = re.sub(r"\W", "-", name)
    if "activity" in name.lower():
        return f"arn:aws:states:us-east-1:123456789012:activity:{word}"
    return f"arn:aws:lambda:us-east-1:123456789012:function:{word}"


# --- a world that has whatever is read ---

PATH = re.compile(r"\$\$?((?:\.[A-Za-z_][\w-]*|\.?\[\s*(?:\d+|\*|'[^']+')\s*\])+)")
JSONATA_PATH = re.compile(r"\$[A-Za-z]\w*((?:\.[A-Za-z_]\w*|\[\d+\])+)")
STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[\s*(\d+|\*)\s*\]|\['([^']+)'\]")
LIST = "[]"

# A sample that runs through so many states would do so with any input.
IN_CIRCLES = 5000


def steps_of(text: str) -> Steps:
    """The keys of a path, with LIST for any index."""
    steps = (key or quoted or LIST for key, _, quoted in STEP.findall(text))
    return tuple(steps)


def texts(node: Json) -> Iterator[str]:
    """Every string in a definition."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for member in node.values() if isinstance(node, dict) else node:
            yield from texts(member)


def objects(node: Json) -> Iterator[dict[str, Json]]:
    """Every object in a definition."""
    if isinstance(node, dict):
        yield node
    if isinstance(node, dict | list):
        for member in node.values() if isinstance(node, dict) else node:
            yield from objects(member)


def paths_read(definition: Json) -> set[Steps]:
    """All paths, and what is left of them where a ResultPath, a variable or a Map stands before."""
    found: set[Steps] = set()
    for text in texts(definition):
        for match in [*PATH.findall(text), *JSONATA_PATH.findall(text)]:
            steps = steps_of(match)
            found |= {steps[index:] for index in range(len(steps)) if steps[index] != LIST}
    return found


COMPARED = {
    "String": lambda value: [value] if isinstance(value, str) else ["text"],
    "Numeric": lambda value: [value, value + 1, value - 1] if isinstance(value, int | float) else [1],
    "Boolean": lambda value: [value, not value] if isinstance(value, bool) else [True],
    "Timestamp": lambda value: ["2026-01-01T00:00:00Z"],
}


def values_compared(definition: Json) -> dict[Steps, list[Json]]:
    """What Choice rules and JSONata conditions compare paths with."""
    found: dict[Steps, list[Json]] = defaultdict(list)
    for rule in objects(definition):
        if isinstance(rule.get("Variable"), str):
            steps = steps_of(rule["Variable"])
            for operator, value in rule.items():
                kind = next((kind for kind in COMPARED if operator.startswith(kind)), None)
                if kind is not None:
                    found[steps] += COMPARED[kind](value)
        for path, quoted in re.findall(r"\$\w+((?:\.\w+)+)\s*=\s*['\"]([^'\"]*)", str(rule.get("Condition", ""))):
            found[steps_of(path)].append(quoted)
    return {steps[index:]: values for steps, values in found.items() for index in range(len(steps))}


NUMBERS = re.compile(r"States\.MathAdd\(([^)]*)\)|SecondsPath|Count|Seconds|Total|Size")


def skeleton(definition: Json, turn: int) -> dict[str, Json]:
    """A document that has every path; where several values are compared, another one each turn."""
    compared = values_compared(definition)
    lists = {steps_of(node["ItemsPath"])[-1:] for node in objects(definition) if isinstance(node.get("ItemsPath"), str)}
    document: dict[str, Json] = {}
    for steps in sorted(paths_read(definition), key=lambda steps: (len(steps), steps)):
        values = compared.get(steps) or [leaf(steps)]
        value = values[turn % len(values)]
        put(document, steps, [{}] if steps[-1:] in lists else value)
    return fleshed(document, document)


def leaf(steps: Steps) -> Json:
    """A value that goes by the name of its key."""
    name = steps[-1].lower()
    if name.endswith(("count", "seconds", "size", "total", "index", "price", "amount", "number", "iterator")):
        return 1
    return "2026-01-01T00:00:00Z" if "time" in name or "date" in name else "text"


def put(document: dict[str, Json], steps: Steps, value: Json) -> None:
    """Put a value at a path, making objects and one-element arrays on its way."""
    here: Json = document
    for step, following in zip(steps, (*steps[1:], None), strict=True):
        made = value if following is None else [{}] if following == LIST else {}
        if step == LIST:
            if following is None:
                here[0] = value
            elif not isinstance(here[0], type(made)):
                here[0] = made
            here = here[0]
        else:
            if following is None:
                here.setdefault(step, value)
            elif not isinstance(here.get(step), type(made)):
                here[step] = made
            here = here[step]


def fleshed(node: Json, whole: dict[str, Json]) -> Json:
    """Items of which nothing is known have everything."""
    if isinstance(node, list):
        return [{**whole, **item} if item == {} else fleshed(item, whole) for item in node]
    if isinstance(node, dict):
        return {key: fleshed(member, whole) for key, member in node.items()}
    return node


class World:
    """Answers every Task with a skeleton, after two answers with another."""

    def __init__(self, skeletons: Sequence[Json]) -> None:
        self.skeletons = skeletons
        self.asked = 0

    def __call__(self, request: Request) -> Reply:
        self.asked += 1
        document = self.skeletons[self.asked // 2 % len(self.skeletons)]
        return Reply(document, submitted={}, duration_ms=1000)


# --- running them ---


def run_sample(path: Path) -> Ran:
    """Load a sample and run it, with up to four inputs until one ends well."""
    text = path.read_text(encoding="utf-8")
    name = path.name.split("__")[0]
    try:
        source = load_source(path, substitutions=made_up(text))
        machine = sfnrun.load(source)
    except sfnrun.DefinitionError as error:
        if any(problem.rule == "SFN-U01" for problem in error.problems):
            return Ran(name, "distributed")
        return Ran(name, "refused", told=str(error).splitlines()[0])
    skeletons = [skeleton(source.value, turn) for turn in range(4)]
    ran = Ran(name, "not run")
    for given in skeletons:
        ran = ended(name, machine, given, World(skeletons))
        if ran.end == "succeeded" or ran.states > IN_CIRCLES:
            break
    return ran


def ended(name: str, machine: Machine, given: Json, world: World) -> Ran:
    """Run it once."""
    result = sfnrun.run(machine, given, tasks=world, seed=1)
    entered = sum(event.type.endswith("StateEntered") for event in result.happened.events())
    if result.status == "SUCCEEDED":
        return Ran(name, "succeeded", entered)
    designed = {state.error.literal for state in every_state(machine.graph) if isinstance(state, Fail) and state.error}
    entries = [event.type for event in result.happened.events() if event.type.endswith("Entered")]
    last = entries[-1] if entries else ""
    if result.status == "FAILED" and (result.error in designed or last == "FailStateEntered"):
        return Ran(name, "failed by design", entered)
    return Ran(name, "went wrong", entered, f"{result.status} {result.error}: {result.cause}")


def run_all() -> list[Ran]:
    """Every sample, in order of name."""
    return [run_sample(path) for path in sorted(SAMPLES.iterdir())]


def main() -> None:
    """Run all and tell what came of them."""
    if not SAMPLES.is_dir():
        sys.exit(f"no samples in {SAMPLES}")
    began = time.perf_counter()
    all_ran = run_all()
    for ran in all_ran:
        print(f"{ran.end:18}{ran.states:6}  {ran.name}" + (f"\n{'':26}{ran.told[:150]}" if ran.told else ""))
    ends = defaultdict(int)
    for ran in all_ran:
        ends[ran.end] += 1
    told = ", ".join(f"{count} {end}" for end, count in sorted(ends.items(), key=lambda pair: -pair[1]))
    print(f"\n{len(all_ran)} samples in {time.perf_counter() - began:.1f} s: {told}")


if __name__ == "__main__":
    main()
