"""A file as a whole: what is checked, what is remembered, and what the Python API tells."""

from __future__ import annotations

from pathlib import Path

import pytest

import sfnrun
from sfnrun.asl.lint import inspection, verdicts
from sfnrun.asl.lint.inspection import Wanted, inspect
from sfnrun.asl.lint.typo import only_meant
from sfnrun.errors import DefinitionError, UsageError

CLEAN = '{"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": ${Pause}, "End": true}}}'
BROKEN = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}'


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The verdicts that had to be found, in a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found: list[str] = []
    asked = verdicts.is_known_clean

    def is_known_clean(name: str | None) -> bool:
        known = asked(name)
        if not known and name not in found:
            found.append(str(name))
        return known

    monkeypatch.setattr(inspection, "is_known_clean", is_known_clean)
    return found


def test_a_clean_file_is_checked_once_for_all_that_it_depends_on(checks: list[str], tmp_path: Path) -> None:
    path = tmp_path / "m.asl.json"
    path.write_text(CLEAN)
    several = (
        Wanted({"Pause": 1}),
        Wanted({"Pause": 2}),
        Wanted({"Pause": 1}, "EXPRESS"),
        Wanted({"Pause": 1}, select=("W",)),
        Wanted({"Pause": 1}, ignore=("W",)),
    )
    for wanted in several * 2:
        assert inspect(str(path), wanted)[0].problems == ()
    assert len(checks) == len(set(checks)) == len(several)
    path.write_text(CLEAN + " ")
    inspect(str(path), several[0])
    assert len(checks) == len(several) + 1


def test_values_that_are_not_asked_for_make_no_difference(checks: list[str], tmp_path: Path) -> None:
    path = tmp_path / "m.asl.yaml"
    path.write_text("StartAt: A\nStates: {A: {Type: Succeed}}\n")
    for value in range(3):
        assert inspect(str(path), Wanted({"Pause": value}))[0].problems == ()
    assert len(checks) == 1


def test_problems_are_found_anew_each_time(checks: list[str], tmp_path: Path) -> None:
    path = tmp_path / "m.asl.json"
    path.write_text(BROKEN)
    for _ in range(2):
        assert [problem.rule for problem in sfnrun.validate(path)] == ["SFN-G04", "SFN-G02"]
    assert not (tmp_path / "cache").exists()


def test_two_machines_of_a_template_have_verdicts_of_their_own(checks: list[str], tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    good, bad = CLEAN.replace("${Pause}", "1"), BROKEN
    path.write_text(
        "Resources:\n"
        + "".join(
            f"  M{n}:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n      Definition: {text}\n"
            for n, text in enumerate((good, bad, good))
        )
    )
    for _ in range(2):
        assert [problem.rule for problem in sfnrun.validate(path)] == ["SFN-G04", "SFN-G02"]


@pytest.mark.parametrize("cache", ["/dev/null", "/proc/nowhere"])
def test_a_cache_that_cannot_be_written_is_done_without(
    cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    path = tmp_path / "m.asl.json"
    path.write_text(CLEAN)
    assert sfnrun.validate(path, substitutions={"Pause": 1}) == []


def test_the_oldest_verdicts_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(verdicts, "MOST", 10)
    names = [f"{n:02}" for n in range(1, 12)]
    for name in names:
        verdicts.remember_clean(name)
    verdicts.remember_clean("00 the last")
    assert len(list((tmp_path / "sfnrun/clean").iterdir())) == 7
    assert verdicts.is_known_clean("00 the last")


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
        with pytest.raises(UsageError, match="there is no rule"):
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
