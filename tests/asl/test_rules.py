"""Each rule has a file of definitions: those that it flags, with what is said of them, and those it leaves alone.

    python tests/asl/test_rules.py

writes anew what is said; the difference is to be read before it is committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import yaml

from sfnrun.asl.lint.rulebook import SECTIONS, all_rules, check, rules_named
from sfnrun.asl.lint.shape import schema
from sfnrun.asl.text.source import from_text
from sfnrun.errors import DefinitionError, Problem, UsageError, caret

RULES = all_rules()
FOLDER = Path(__file__).parent / "rules"
HELLO = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}'

# Rules that no small text can break.
WITHOUT_FILE = {"SFN-S00", "SFN-S13", "SFN-S15", "SFN-S16"}


def fixtures() -> dict[str, dict[str, Any]]:
    return {path.stem: yaml.load(path.read_text("utf-8"), yaml.CSafeLoader) for path in sorted(FOLDER.glob("*.yaml"))}


FIXTURES = fixtures()


def problems_of(text: str, rule: str, workflow_type: str = "STANDARD") -> list[Problem]:
    """All problems of a definition; a rule that is off by default is selected."""
    select = () if RULES[rule].default else (rule,)
    try:
        return check(from_text(text, "definition"), workflow_type=workflow_type, select=select)
    except DefinitionError as error:
        return list(error.problems)


def told(problem: Problem) -> str:
    """Position, severity, rule, AWS's code and location, message, caret, hint."""
    span = problem.span
    assert span
    place = " ".join(str(problem.location).split())
    words = [f"{span.line}:{span.column}", problem.severity, problem.rule, problem.code, f"at {place}"]
    lines = [" ".join(word for word in words if word), f"  {problem.message}", caret(problem.source_line, span)]
    lines += [f"  help: {problem.hint}"] if problem.hint else []
    return "\n".join(line.rstrip() for line in "\n".join(lines).split("\n"))


def all_told(problems: list[Problem]) -> str:
    text = "\n".join(map(told, problems)) + "\n"
    return "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in text)


def flagged() -> Iterator[Any]:
    for rule, fixture in FIXTURES.items():
        for number, case in enumerate(fixture.get("flagged", ())):
            yield pytest.param(rule, case, fixture.get("type", "STANDARD"), id=f"{rule}-{number}")


def clean() -> Iterator[Any]:
    for rule, fixture in FIXTURES.items():
        for number, text in enumerate(fixture.get("clean", ())):
            yield pytest.param(rule, text, fixture.get("type", "STANDARD"), id=f"{rule}-{number}")


@pytest.mark.parametrize(("rule", "case", "workflow_type"), list(flagged()))
def test_what_is_flagged(rule: str, case: dict[str, str], workflow_type: str) -> None:
    problems = problems_of(case["definition"], rule, workflow_type)
    assert rule in {problem.rule for problem in problems}
    assert all_told(problems) == case["says"]


@pytest.mark.parametrize(("rule", "text", "workflow_type"), list(clean()))
def test_what_is_left_alone(rule: str, text: str, workflow_type: str) -> None:
    problems = problems_of(text, rule, workflow_type)
    assert [str(problem) for problem in problems if problem.rule == rule or problem.severity == "error"] == []


def test_every_rule_has_its_file() -> None:
    assert FIXTURES.keys() | WITHOUT_FILE == RULES.keys()
    for id, rule in RULES.items():
        if id not in WITHOUT_FILE:
            assert FIXTURES[id].get("clean"), id
            assert bool(FIXTURES[id].get("flagged")) == (rule.on != "accepted"), id


@pytest.mark.parametrize("id", RULES)
def test_every_rule_is_documented(id: str) -> None:
    what, *parts = RULES[id].documentation.split("\n\n")
    heads = [part.split(" ", 1)[0] for part in parts]
    if RULES[id].on == "accepted":
        assert what.startswith("Not reported: ")
        assert heads == ["Example:"]
    else:
        assert what.startswith(("Checks ", "Notes "))
        assert heads == ["Why", "Example:", "How"]


def test_every_section_is_entered() -> None:
    assert {rule.section for rule in RULES.values()} == SECTIONS.keys()


def named_in(node: Any) -> Iterator[str]:
    """Every rule that a part of the schema names."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from named_in(child)
    for rule in node.get("x-rules", {}).values() if isinstance(node, dict) else ():
        yield from rule.values() if isinstance(rule, dict) else (rule,)


def constraints(node: Any, path: str = "#") -> Iterator[tuple[str, str]]:
    """Every keyword of the schema that a definition can break, with whether a rule is named for it."""
    breakable = {"type", "enum", "minimum", "maximum", "minItems", "minLength", "maxLength", "minProperties", "pattern"}
    breakable |= {"required", "oneOf", "anyOf", "not"}
    if isinstance(node, dict):
        if "/if" not in path and "/oneOf" not in path and "/anyOf" not in path and "/not" not in path:
            for keyword in breakable & node.keys():
                yield f"{path}/{keyword}", "yes" if keyword in node.get("x-rules", {}) else "no"
            if node.get("additionalProperties") is False:
                yield f"{path}/additionalProperties", "yes" if "additionalProperties" in node["x-rules"] else "no"
        for key, child in node.items():
            if key not in ("x-rules", "enum"):
                yield from constraints(child, f"{path}/{key}")
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from constraints(child, f"{path}/{index}")


def test_whatever_the_schema_refuses_is_a_rule() -> None:
    assert set(named_in(schema())) <= RULES.keys()
    assert [path for path, named in constraints(schema()) if named == "no"] == []


def test_long_definitions_are_told() -> None:
    text = HELLO.replace('"End"', f'"Result": "{"x" * 900_000}", "End"')
    assert [problem.rule for problem in problems_of(text, "SFN-S13")] == ["SFN-S13"]


def test_the_blank_that_aws_has_at_the_end() -> None:
    text = HELLO.replace('"Pass"', '"Task", "Resource": "arn:aws:states:::glue:startJobRun.waitForTaskToken"')
    text = text.replace("glue:startJobRun", "lambda:invoke")
    messages = [problem.message for problem in problems_of(text, "SFN-K02", "EXPRESS") if problem.rule == "SFN-K02"]
    assert messages == ["Express state machine does not support '.waitForTaskToken' service integration "]


def test_rules_are_selected_and_ignored() -> None:
    text = '{"StartAt": "X", "States": {"A": {"Type": "Task", "Resource": "me", "End": true}}}'
    source = from_text(text)

    def rules(**options: Any) -> list[str]:
        return [problem.rule for problem in check(source, **options)]

    assert rules() == ["SFN-G01", "SFN-G03", "SFN-T01"]
    assert rules(select=["G"]) == ["SFN-G01", "SFN-G03"]
    assert rules(select=["SFN-T19"]) == ["SFN-T19"]
    assert rules(ignore=["g03", "SFN-T"]) == ["SFN-G01"]
    assert "SFN-T19" in rules_named(["T"])


def test_a_rule_that_does_not_exist() -> None:
    with pytest.raises(UsageError, match="unknown rule SFN-G99"):
        check(from_text(HELLO), select=["SFN-G99"])


def test_ten_thousand_problems() -> None:
    states = ", ".join(f'"S{n}": {{"Type": "Pass", "Nxt": "S{n + 1}"}}' for n in range(10_000))
    problems = problems_of(f'{{"StartAt": "S0", "States": {{{states}}}}}', "SFN-F03")
    assert [problem.rule for problem in problems] == ["SFN-F03"] * 10_000


def test_what_stands_around_very_many_states_is_told_once() -> None:
    states = ", ".join(f'"S{n}": {{"Type": "Pass", "Next": "S{n + 1}"}}' for n in range(1200))
    text = f'{{"StartAt": "S0", "Extra": 1, "States": {{{states}, "S1200": {{"Type": "Pass", "End": 1}}}}}}'
    assert [problem.rule for problem in problems_of(text, "SFN-S07")] == ["SFN-S07", "SFN-F07"]


# --- writing ---------------------------------------------------------------------------------------------------------


def written(rule: str, fixture: dict[str, Any]) -> str:
    """The file of a rule."""
    lines = [f"# {RULES[rule].title}"]
    if "type" in fixture:
        lines.append(f"type: {fixture['type']}")
    for number, case in enumerate(fixture.get("flagged", ())):
        lines += ["flagged:"] if number == 0 else [""]
        says = all_told(problems_of(case["definition"], rule, fixture.get("type", "STANDARD")))
        lines += ["  - definition: |", indent(case["definition"].rstrip("\n"), " " * 6)]
        lines += ["    says: |2" if says.startswith(" ") else "    says: |", indent(says.rstrip("\n"), " " * 6)]
    for number, text in enumerate(fixture.get("clean", ())):
        lines += ["clean:"] if number == 0 else [""]
        lines += ["  - |", indent(text.rstrip("\n"), " " * 4)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for rule, fixture in FIXTURES.items():
        (FOLDER / f"{rule}.yaml").write_text(written(rule, fixture), "utf-8")
