"""Machines inside templates: which are found, what they are, and that a caret stands in the template where it should.

    python tests/asl/test_machines_in_templates.py

writes anew what is said; the difference is to be read before it is committed.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import yaml

import sfnrun
from sfnrun.asl.lint.inspection import CheckOptions
from sfnrun.asl.load import inspect, machine_in, machines_in
from sfnrun.errors import Problem, UsageError

TABLES = Path(__file__).with_name("templates")


def tables() -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    for path in sorted(TABLES.glob("*.yaml")):
        yield path, yaml.safe_load(path.read_text("utf-8"))


def cases() -> Iterator[Any]:
    for path, table in tables():
        for case in table:
            yield pytest.param(path.stem, case, id=f"{path.stem}: {case['case']}")


def lay(folder: Path, case: dict[str, Any]) -> str:
    """Write the files of a case; the first one is the template."""
    for name, text in case["files"].items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return next(iter(case["files"]))


def under_caret(problem: Problem) -> str:
    """The text that the carets stand under, in the file itself."""
    span = problem.span
    if span is None:
        return ""
    line = Path(problem.path).read_bytes().decode().split("\n")[span.line - 1]
    end = span.end_column - 1 if span.end_line == span.line else len(line)
    return line[span.column - 1 : end]


def told(case: dict[str, Any], template: str) -> str:
    """The machines, and each problem with its place, its rule, and what is under the caret."""
    substitutions = case.get("set", {})
    lines = [
        " ".join(word for word in (part.name, part.workflow_type, part.path, "" if part.source else "(unread)") if word)
        for part in machines_in(template, substitutions)
    ]
    for found in inspect(template, CheckOptions(substitutions)):
        for problem in found.problems:
            span = problem.span
            place = f"{problem.path}:{span.line}:{span.column}" if span else problem.path
            lines.append(f"{place} {problem.rule} <{under_caret(problem)}> {problem.message}")
    return "\n".join(lines or ["nothing"]) + "\n"


@pytest.mark.parametrize(("table", "case"), list(cases()))
def test_templates(table: str, case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert told(case, lay(tmp_path, case)) == case["says"]


def test_every_kind_has_its_table() -> None:
    assert {path.stem for path, _ in tables()} == {"cdk", "cloudformation", "sam", "serverless"}


SAM = """\
Resources:
  First:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition: {StartAt: A, States: {A: {Type: Pass, Result: "${AWS::Region}", End: true}}}
  Second:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition:
        StartAt: B
        States: {B: {Type: Succeed}}
"""


def test_one_machine_of_a_template_is_run_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(SAM)
    result = sfnrun.run(f"{path}#First")
    assert (result.output, result.arn.split(":")[-2]) == ("us-east-1", "First")
    assert sfnrun.run(f"{path}#First", substitutions={"AWS::Region": "eu-north-1"}).output == "eu-north-1"
    assert machine_in(f"{path}#Second").value["StartAt"] == "B"
    with pytest.raises(UsageError, match="2 state machines"):
        sfnrun.load(path)
    with pytest.raises(UsageError, match="state machine not found: Third"):
        sfnrun.load(f"{path}#Third")


def test_a_file_may_have_a_mark_in_its_name(tmp_path: Path) -> None:
    path = tmp_path / "order#2.asl.json"
    path.write_text('{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}')
    assert sfnrun.load(str(path)).name == "order#2"


def test_a_definition_that_speaks_of_resources_is_none_the_less_one(tmp_path: Path) -> None:
    path = tmp_path / "m.asl.json"
    path.write_text('{"Comment": "Resources", "StartAt": "A", "States": {"Resources": {"Type": "Succeed"}}}')
    assert [problem.rule for problem in sfnrun.validate(path)] == ["SFN-G01", "SFN-G03"]


def test_windows_lines_and_wide_characters(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    text = """\
Resources:
  M:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      DefinitionString: |
        {"Comment": "\N{GRINNING FACE}", "StartAt": "A",
         "States": {"A": {"Comment": "\N{GRINNING FACE}", "Type": "Pass", "Next": "B"}}}
"""
    path.write_bytes(text.replace("\n", "\r\n").encode())
    found = {problem.rule: under_caret(problem) for problem in sfnrun.validate(path)}
    assert found == {"SFN-G02": '"B"', "SFN-G04": '"States"'}


def test_a_deeply_nested_join_costs_no_stack(tmp_path: Path) -> None:
    node = '"x"'
    for _ in range(400):
        node = f'{{"Fn::Join": ["", [{node}]]}}'
    path = tmp_path / "deep.template.json"
    path.write_text(
        '{"Resources": {"M": {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"DefinitionString": '
        + node
        + "}}}}"
    )
    assert [problem.rule for problem in sfnrun.validate(path)] == ["SFN-S01"]


# --- writing ---------------------------------------------------------------------------------------------------------


def main() -> None:
    for path, table in tables():
        text = re.match(r"(?:#[^\n]*\n)*", path.read_text("utf-8"))
        blocks = [written(case) for case in table]
        path.write_text((text[0] if text else "") + "\n".join(blocks), "utf-8")


def written(case: dict[str, Any]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        before = os.getcwd()
        os.chdir(folder)
        try:
            says = told(case, lay(Path(folder), case))
        finally:
            os.chdir(before)
    lines = [f"- case: {case['case']}"]
    if "set" in case:
        lines.append(f"  set: {case['set']}")
    lines.append("  files:")
    for name, content in case["files"].items():
        lines += [f"    {name}: |", indent(content.rstrip("\n"), " " * 6)]
    lines += ["  says: |", indent(says.rstrip("\n"), " " * 4)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
