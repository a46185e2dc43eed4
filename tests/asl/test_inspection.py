"""Definitions and files through the Python API: rules that are selected or ignored, and misspelled names."""

from __future__ import annotations

from pathlib import Path

import pytest

import sfnrun
from sfnrun.asl.lint.typo import only_meant
from sfnrun.errors import DefinitionError, UsageError

BROKEN = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}'


def test_the_api_selects_and_ignores(tmp_path: Path) -> None:
    for definition in (
        BROKEN,
        tmp_path / "m.asl.json",
        {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}},
    ):
        if isinstance(definition, Path):
            definition.write_text(BROKEN)
        assert [problem.rule for problem in sfnrun.validate(definition, select=["G02"])] == ["SFN-G02"]
        assert [problem.rule for problem in sfnrun.validate(definition, ignore=["SFN-G02"])] == ["SFN-G04"]
        with pytest.raises(UsageError, match="unknown rule"):
            sfnrun.validate(definition, ignore=["SFN-Z"])


def test_what_is_ignored_does_not_stop_a_machine() -> None:
    text = '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}, "B": {"Type": "Succeed"}}}'
    with pytest.raises(DefinitionError):
        sfnrun.load(text)
    assert sfnrun.load(text, ignore=["SFN-G03"])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Nxt", "Next"),
        ("next", "Next"),
        ("Edn", "End"),
        ("ResultPaht", "ResultPath"),
        ("Reslut", "Result"),
        ("X", None),  # too short to tell
        ("Ed", None),
        ("Foo", None),
        ("ItemSelect", None),  # ItemSelects or ItemSelector
        ("MaxItemsPat", "MaxItemsPath"),
        ("Errror", "Error"),
        ("x" * 10_000, None),
    ],
)
def test_only_one_name_can_be_meant(name: str, meant: str | None) -> None:
    names = ("Next", "End", "Result", "ResultPath", "Error", "MaxItems", "MaxItemsPath", "ItemSelector", "ItemSelects")
    assert only_meant(name, names) == meant
