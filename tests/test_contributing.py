"""CONTRIBUTING.md names files that exist, and its commands and counts are true."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "sfnrun"

# `sfnrun/asl/model.py`, `tests/bench`; XXX stands for a rule's number.
PATHS = sorted(set(re.findall(r"`(?:python )?((?:sfnrun|tests|\.ci)/[\w./]+)[ `]", TEXT)))


@pytest.mark.parametrize("path", PATHS)
def test_named_files_exist(path: str) -> None:
    assert (ROOT / path).exists()


def test_packages_of_the_map_are_those_of_the_tree() -> None:
    drawn = set(re.findall(r"\b(\w+)/", TEXT.partition("## The map")[2].partition("Imports run one way")[0]))
    packages = {init.parent.name for init in PACKAGE.glob("*/__init__.py")}
    assert packages <= drawn
    assert drawn - packages <= {"sfnrun", "text", "lint", "lambdas"}


@pytest.mark.parametrize("target", re.findall(r"`make (\w+)`", TEXT))
def test_make_targets_exist(target: str) -> None:
    subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_a_command_is_a_file_and_a_name() -> None:
    """`schema` is the simplest command: no file of the package but its own and the table of commands names it."""
    named = {
        file.name
        for file in (PACKAGE / "cli").glob("*.py")
        if re.search(r"cli\.schema\b|\"schema\"", file.read_text("utf-8"))
    }
    assert named <= {"application.py", "schema.py"}


def test_a_cache_backend_is_a_file_and_a_row() -> None:
    memcached = {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*.py")
        if re.search(r"memcached://|backends\.memcached\b", file.read_text("utf-8"))
    }
    assert memcached <= {"cache/backends/__init__.py", "cache/backends/memcached.py", "config/scalars.py"}
