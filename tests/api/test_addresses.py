"""Addresses: what each notation means, what is refused, and that whatever is printed is read back as it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sfnrun.addresses import (
    LAST,
    Child,
    MachineAddress,
    Place,
    RunAddress,
    Step,
    is_token,
    parse_address,
    parse_machine,
    parse_place,
    parse_run,
    print_address,
)
from sfnrun.errors import UsageError

ARN = "arn:aws:states:eu-west-1:111122223333"
UUID = "0a1b2c3d-0a1b-4a1b-8a1b-0a1b2c3d4e5f"


def run(name: str, *children: Child) -> RunAddress:
    return RunAddress("name", name, children=children)


def arn(text: str, *children: Child) -> RunAddress:
    return RunAddress("arn", f"{ARN}:{text}", children=children)


def file(path: str, *children: Child) -> RunAddress:
    return RunAddress("file", path, children=children)


RUNS = {
    "": LAST,
    "last": LAST,
    "last~1": RunAddress("last", back=1),
    "last~12": RunAddress("last", back=12),
    "order-7": run("order-7"),
    "lasting": run("lasting"),
    "v1.2@home": run("v1.2@home"),
    "order-7/ship-3": run("order-7", Child("ship-3")),
    "order-7/Prices": run("order-7", Child("Prices")),
    "order-7/Prices[17]": run("order-7", Child("Prices", 17)),
    "order-7/Prices[0]/ship-3": run("order-7", Child("Prices", 0), Child("ship-3")),
    "order-7/Prices/8a1d": run("order-7", Child("Prices"), Child("8a1d")),
    'order-7/"a/b"[3]': run("order-7", Child("a/b", 3)),
    'order-7/"say \\"hi\\""': run("order-7", Child('say "hi"')),
    "last/Prices[2]": RunAddress("last", children=(Child("Prices", 2),)),
    f"{ARN}:execution:Order:order-7": arn("execution:Order:order-7"),
    f"{ARN}:execution:Order:order-7/ship-3": arn("execution:Order:order-7", Child("ship-3")),
    f"{ARN}:execution:Order/Prices:8a1d": arn("execution:Order/Prices:8a1d"),
    f"{ARN}:express:Order:order-7": arn("express:Order:order-7"),
    f"{ARN}:express:Order:order-7:{UUID}": arn(f"express:Order:order-7:{UUID}"),
    f"{ARN}:mapRun:Order/Prices:{UUID}": arn(f"mapRun:Order/Prices:{UUID}"),
    "arn:aws-us-gov:states:us-gov-west-1:1:execution:O:n": RunAddress(
        "arn", "arn:aws-us-gov:states:us-gov-west-1:1:execution:O:n"
    ),
    "refund.jsonl": file("refund.jsonl"),
    "histories/refund.jsonl": file("histories/refund.jsonl"),
    "/tmp/a:b/refund.jsonl": file("/tmp/a:b/refund.jsonl"),
    "./a:b.jsonl": file("./a:b.jsonl"),
    "../x y.jsonl": file("../x y.jsonl"),
    "~/x.jsonl": file("~/x.jsonl"),
    "C:\\runs\\refund.jsonl": file("C:\\runs\\refund.jsonl"),
    "histories/refund.jsonl/Prices[17]": file("histories/refund.jsonl", Child("Prices", 17)),
}


@pytest.mark.parametrize("text", RUNS)
def test_run_addresses(text: str) -> None:
    assert parse_run(text) == RUNS[text]
    assert parse_run(str(RUNS[text])) == RUNS[text]


ADDRESSES: dict[str, tuple[RunAddress, str | None]] = {
    "order-7": (run("order-7"), None),
    "order-7:Price": (run("order-7"), "Price"),
    ":Price": (LAST, "Price"),
    "last:Checkout[2].Price": (LAST, "Checkout[2].Price"),
    "last~1:Price": (RunAddress("last", back=1), "Price"),
    "order-7/Prices[17]:Lookup": (run("order-7", Child("Prices", 17)), "Lookup"),
    'order-7/"a:b"[1]:Lookup': (run("order-7", Child("a:b", 1)), "Lookup"),
    'order-7:"a:b"': (run("order-7"), '"a:b"'),
    "order-7:a:b": (run("order-7"), "a:b"),
    "order-7:Read x.jsonl": (run("order-7"), "Read x.jsonl"),
    "refund.jsonl:Price": (file("refund.jsonl"), "Price"),
    "/tmp/a:b/refund.jsonl:Price": (file("/tmp/a:b/refund.jsonl"), "Price"),
    "C:\\runs\\refund.jsonl:Price": (file("C:\\runs\\refund.jsonl"), "Price"),
    f"{ARN}:execution:Order:order-7:Price": (arn("execution:Order:order-7"), "Price"),
    f"{ARN}:execution:Order:order-7/Prices[1]:Price": (arn("execution:Order:order-7", Child("Prices", 1)), "Price"),
    f"{ARN}:express:Order:order-7:Price": (arn("express:Order:order-7"), "Price"),
    f"{ARN}:express:Order:order-7:{UUID}:Price": (arn(f"express:Order:order-7:{UUID}"), "Price"),
}


@pytest.mark.parametrize("text", ADDRESSES)
def test_addresses_of_places_in_runs(text: str) -> None:
    assert parse_address(text) == ADDRESSES[text]


PLACES: dict[str, list[Step]] = {
    "Price": [Step("Price")],
    "Charge the card!": [Step("Charge the card!")],
    "a/b": [Step("a/b")],
    "Poll#3": [Step("Poll", 3)],
    "Charge@2": [Step("Charge", None, 2)],
    "Each[0]": [Step("Each", None, None, 0)],
    "Checkout[2].Price": [Step("Checkout", None, None, 2), Step("Price")],
    "Checkout.Price": [Step("Checkout"), Step("Price")],
    "Loop#2[0].Charge@2": [Step("Loop", 2, None, 0), Step("Charge", None, 2)],
    "Loop#2@3[0].In[11].Charge#4@2": [Step("Loop", 2, 3, 0), Step("In", None, None, 11), Step("Charge", 4, 2)],
    'Checkout[2]."Price v1.2"': [Step("Checkout", None, None, 2), Step("Price v1.2")],
    '"A"[1]': [Step("A", None, None, 1)],
    '"A[1]"': [Step("A[1]")],
    '"tab\\t"': [Step("tab\t")],
    '"\\u00e9.#"@1': [Step("é.#", None, 1)],
}


@pytest.mark.parametrize("text", PLACES)
def test_places(text: str) -> None:
    place = Place(tuple(PLACES[text]))
    assert parse_place(text) == place
    assert parse_place(str(place)) == place


def test_a_text_that_is_a_states_name_is_that_state() -> None:
    states = ("A", "A[1]", "Price v1.2", "B")
    assert parse_place("A[1]", states) == Place.of("A[1]")
    assert parse_place("Price v1.2", states) == Place.of("Price v1.2")
    assert parse_place('"A"[1]', states) == Place((Step("A", item=1),))
    assert Place((Step("A", item=1),)).text(states) == '"A"[1]'
    assert Place((Step("B", item=1),)).text(states) == "B[1]"


REFUSED: list[tuple[Any, str]] = [
    (parse_run, "last~"),
    (parse_run, "last~x"),
    (parse_run, "order-7~1"),
    (parse_run, "order-7:Price"),
    (parse_run, "order-7/"),
    (parse_run, "order-7//x"),
    (parse_run, "order-7/Prices[x]"),
    (parse_run, "order-7/Prices[1"),
    (parse_run, 'order-7/"Prices'),
    (parse_run, "order-7[2]"),
    (parse_run, "order-7#2"),
    (parse_run, "/order-7"),
    (parse_address, "order-7:"),
    (parse_address, "order-7/Prices[1]x:Price"),
    (parse_place, ""),
    (parse_place, "."),
    (parse_place, "A."),
    (parse_place, ".A"),
    (parse_place, "A..B"),
    (parse_place, "A#"),
    (parse_place, "A#0"),
    (parse_place, "A@0"),
    (parse_place, "A#x"),
    (parse_place, "A@1#1"),
    (parse_place, "A[1]#1"),
    (parse_place, "A[1][2]"),
    (parse_place, "A[-1]"),
    (parse_place, "A[]"),
    (parse_place, "A[1"),
    (parse_place, "A:B"),
    (parse_place, '"A'),
    (parse_place, '"A"B'),
    (parse_place, '""'),
    (parse_machine, ""),
    (parse_machine, "#Order"),
    (parse_machine, "a.yaml#"),
]


@pytest.mark.parametrize(("parse", "text"), REFUSED, ids=[f"{parse.__name__} {text!r}" for parse, text in REFUSED])
def test_invalid_addresses_are_usage_errors(parse: Any, text: str) -> None:
    with pytest.raises(UsageError, match="invalid"):
        parse(text)


MACHINES = {
    "-": MachineAddress("stdin"),
    "order.asl.yaml": MachineAddress("name", "order.asl.yaml"),
    "template.yaml#Order": MachineAddress("name", "template.yaml", "Order"),
    "a#b/c.yaml#Order": MachineAddress("name", "a#b/c.yaml", "Order"),
    "OrderMachine": MachineAddress("name", "OrderMachine"),
    f"{ARN}:stateMachine:Order": MachineAddress("arn", f"{ARN}:stateMachine:Order"),
    f"{ARN}:stateMachine:Order:3": MachineAddress("arn", f"{ARN}:stateMachine:Order", "3"),
    f"{ARN}:stateMachine:Order:live": MachineAddress("arn", f"{ARN}:stateMachine:Order", "live"),
}


@pytest.mark.parametrize("text", MACHINES)
def test_machine_addresses(text: str) -> None:
    assert parse_machine(text) == MACHINES[text]
    assert str(MACHINES[text]) == text


def test_an_existing_file_wins_over_a_name_inside_a_file() -> None:
    assert parse_machine("a#b.yaml", {"a#b.yaml"}.__contains__) == MachineAddress("name", "a#b.yaml")
    assert parse_machine("a#b.yaml", {"a"}.__contains__) == MachineAddress("name", "a", "b.yaml")


def test_task_tokens_are_longer_than_names() -> None:
    assert is_token("AQCEAAAAKgAAAAMAAAAA" * 5)
    assert not is_token("a" * 80)
    assert not is_token("order-7:" + "Checkout[2].Price" * 9)


# --- what is printed is read back ---

STATES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from('.[]#@:"/ \\~'), min_size=1, max_size=12
)
COUNTS = st.none() | st.integers(1, 10**6)
INDICES = st.none() | st.integers(0, 10**6)
PLACES_OF_ANY_KIND = st.lists(st.builds(Step, STATES, COUNTS, COUNTS, INDICES), min_size=1, max_size=4).map(
    lambda steps: Place(tuple(steps))
)
CHILDREN = st.lists(st.builds(Child, STATES, INDICES), max_size=3).map(tuple)
EXECUTION_NAMES = st.text("abzAZ019-_.@", min_size=1, max_size=20).filter(
    lambda name: name != "last" and ".jsonl" not in name
)
BASES = st.one_of(
    st.builds(RunAddress, st.just("name"), EXECUTION_NAMES),
    st.builds(RunAddress, st.just("last"), back=st.integers(0, 99)),
    st.builds(lambda name: RunAddress("arn", f"{ARN}:execution:Order:{name}"), EXECUTION_NAMES),
    st.builds(lambda name: RunAddress("arn", f"{ARN}:express:Order:{name}:{UUID}"), EXECUTION_NAMES),
    st.builds(lambda name: RunAddress("file", f"./runs/{name}:{name}.jsonl"), EXECUTION_NAMES),
)
ANY_RUN = st.builds(lambda base, children: RunAddress(base.kind, base.name, base.back, children), BASES, CHILDREN)


@settings(deadline=None)
@given(PLACES_OF_ANY_KIND, st.lists(STATES, max_size=3))
@example(Place((Step("A", item=1),)), ["A[1]", '"A"[1]'])
@example(Place((Step("𝄞", 2),)), ["𝄞#2", '"𝄞"#2'])
def test_a_place_is_read_back_as_printed(place: Place, others: list[str]) -> None:
    states = {*others, str(place), *(step.state for step in place.steps)}
    assert parse_place(place.text(states), states) == place
    assert parse_place(str(place)) == place


@settings(deadline=None)
@given(ANY_RUN, st.none() | PLACES_OF_ANY_KIND)
def test_a_run_and_its_place_are_read_back_as_printed(run: RunAddress, place: Place | None) -> None:
    read, text = parse_address(print_address(run, place))
    assert read == run
    assert (None if text is None else parse_place(text)) == place
