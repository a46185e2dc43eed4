"""Definitions whose verdict is known: recorded on AWS, published by AWS, or claimed by tests of other validators."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sfnrun.asl.lint.rulebook import check
from sfnrun.asl.load import read_source
from sfnrun.asl.parse import parse
from sfnrun.asl.text.source import Source, from_text
from sfnrun.errors import DefinitionError, Problem

CORPUS = Path(__file__).resolve().parents[2] / "../shared/conformance/validation"
RECORDINGS = CORPUS.parent / "aws_histories"
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"conformance data not found ({CORPUS})")

# Verdicts of the corpus that we do not share, and why.
CONTESTED = {
    "localstack/services__lambda_list_functions": "lambda has one optimized action, invoke; AWS never saw this one",
    "asl-validator/invalid-json-surround-syntax-extra-spaces": "blanks inside {% %} are free",
    "floe/intrinsic_function_spec-102-States.Format_with_too_few_arguments": "AWS may find out when it runs: a warning",
    "probe/G07-1": "an unreachable state is an error wherever there is an end (measured on AWS)",
}


def manifest() -> list[dict[str, Any]]:
    if not CORPUS.is_dir():
        return []
    cases: list[dict[str, Any]] = json.loads((CORPUS / "manifest.json").read_text("utf-8"))["cases"]
    return cases


CASES = {case["id"]: case for case in manifest()}


def read(case: dict[str, Any]) -> tuple[Source | None, list[Problem]]:
    try:
        source = read_source(CORPUS / case["file"])
    except DefinitionError as error:
        return None, list(error.problems)
    return source, check(source, workflow_type=case["type"])


def is_refused(problems: list[Problem]) -> bool:
    return any(problem.severity == "error" for problem in problems)


@pytest.mark.parametrize("id", [id for id, case in CASES.items() if not case["uncertain"] and id not in CONTESTED])
def test_the_verdict(id: str) -> None:
    case = CASES[id]
    _, problems = read(case)
    shown = "\n".join(map(str, problems))
    assert ("invalid" if is_refused(problems) else "valid") == case["verdict"], shown
    found = {problem.rule.removeprefix("SFN-") for problem in problems}
    assert set(case["warnings"] or ()) <= found
    if case["rule"] and case["verdict"] == "invalid":
        assert case["rule"] in found, shown


@pytest.mark.parametrize("id", CONTESTED)
def test_the_exceptions_are_still_needed(id: str) -> None:
    if id in CASES:
        assert is_refused(read(CASES[id])[1]) == (CASES[id]["verdict"] == "valid")


@pytest.mark.parametrize("id", [id for id, case in CASES.items() if case["confidence"] == "aws-recorded"])
def test_what_aws_said(id: str) -> None:
    """AWS's code, message and location, and nothing besides."""
    _, problems = read(CASES[id])
    ours = [problem for problem in problems if problem.severity == "error"]
    recorded = CASES[id]["expected"]
    assert len(ours) == len(recorded)
    for problem, said in zip(ours, recorded, strict=True):
        assert (problem.code, problem.location) == (said["code"], said["location"])
        if said["message"]:
            # A blank that AWS has at the end was lost in the corpus.
            assert problem.message.strip() == said["message"].replace("<partition>", "aws")


@pytest.mark.parametrize("id", CASES)
def test_problems_have_their_place(id: str) -> None:
    text = (CORPUS / CASES[id]["file"]).read_text("utf-8")
    lines = text.split("\n")
    for problem in read(CASES[id])[1]:
        span = problem.span
        assert span, problem
        assert 1 <= span.line <= span.end_line <= len(lines)
        assert 1 <= span.column <= len(lines[span.line - 1]) + 1
        assert (span.line, span.column) <= (span.end_line, span.end_column)
        assert problem.source_line == lines[span.line - 1].rstrip("\r")


@pytest.mark.parametrize("id", [id for id, case in CASES.items() if case["verdict"] == "valid"])
def test_what_is_valid_can_be_parsed(id: str) -> None:
    source, problems = read(CASES[id])
    if source and not source.unresolved and not is_refused(problems):
        parse(source)


def executed() -> Iterator[tuple[str, str, str]]:
    """Every definition that AWS ran in a recording: its case, its type and its text, each text once."""
    seen: set[str] = set()
    for path in sorted(RECORDINGS.glob("*.json.gz")):
        for case in json.loads(gzip.decompress(path.read_bytes())):
            text = json.dumps(case.get("definition"))
            if case["kind"] == "execution" and text not in seen:
                seen.add(text)
                yield case["id"], case["type"], text


def test_what_aws_has_run_is_not_refused() -> None:
    for id, workflow_type, text in executed():
        problems = check(from_text(text, id), workflow_type=workflow_type)
        assert [str(problem) for problem in problems if problem.severity == "error"] == [], id
