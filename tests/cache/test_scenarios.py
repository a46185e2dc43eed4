"""Every scenario of scenarios.yaml on every backend and under both clocks, with the same expectations."""

from pathlib import Path

import pytest
import yaml

from sfnrun.cache.backend import is_entry_key
from sfnrun.cache.entry import encode
from sfnrun.cache.outcome import describe
from sfnrun.effects import Pending
from sfnrun.payload import Payload

from .world import World

SCENARIOS = yaml.safe_load((Path(__file__).parent / "scenarios.yaml").read_text())
REQUEST = {"attempt", "token"}
CHECKED = {"ask", "with", "gives", "fails", "calls", "pending", *REQUEST}


@pytest.mark.parametrize("clock", ["virtual", "real"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
def test_scenario(scenario, clock, place, tmp_path):
    world = World(place.backend, tmp_path, scenario["tasks"], clock)
    for step in scenario["steps"]:
        if "ask" in step:
            expect(world, step)
        else:
            ((what, value),) = step.items()
            happen(world, place, what, value)


def expect(world: World, step: dict) -> None:
    reply = world.ask(step["ask"], step["with"], **{name: step[name] for name in REQUEST & step.keys()})
    if step.get("outcome") == "none":
        assert not hasattr(reply, "note") or reply.note is None
    else:
        expect_note(reply.note, {name: value for name, value in step.items() if name not in CHECKED}, step)
    failed = getattr(reply, "failure", None)
    assert (failed and failed.name) == step.get("fails"), step
    if "gives" in step:
        value = reply.output.value if isinstance(reply.output, Payload) else reply.output
        assert step["gives"].items() <= value.items(), (step, reply.note)
    assert isinstance(getattr(reply, "output", None), Pending) == bool(step.get("pending") or failed), step
    if "calls" in step:
        assert world.calls.get(step["ask"], 0) == step["calls"], (step, reply.note)


def expect_note(note: dict, expected: dict, step: dict) -> None:
    assert expected.pop("reason", "") in note.get("reason", ""), (step, note)
    assert expected.items() <= note.items(), (step, note)
    assert describe(note)


def happen(world: World, place, what: str, value) -> None:
    if what == "wait":
        world.now += round(value * 1000)
    elif what == "database":
        world.database |= value
    elif what == "tasks":
        world.rule(value)
    elif what in ("down", "up", "flush"):
        getattr(place, what)()
    elif what == "plant":
        plant(world, value)
    elif what == "said":
        assert len(world.said) == len(value), world.said
        assert all(part in line for part, line in zip(value, world.said, strict=True)), world.said
    elif what == "kept":
        assert len(list(world.store.scan())) == value
    elif what in ("failing", "code", "environment"):
        getattr(world, what).clear()
        getattr(world, what).update(value)
    else:
        assert what == "pending"
        world.pending = set(value)


PLANTED = {
    "newer": lambda whole: whole.replace(b'["sfnrun cache",2', b'["sfnrun cache",3', 1),
    "damaged": lambda whole: whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:],
    "pickle": lambda whole: b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x0dtouch /planted\x85R.",
}


def plant(world: World, kind: str) -> None:
    """Put other bytes in the place of every entry."""
    for key, entry, text, _size in list(world.store.scan()):
        assert is_entry_key(key)
        world.backend.put(key, PLANTED[kind](encode(entry, text)), None)
