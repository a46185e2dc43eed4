"""The command line, run in this process as a shell would run it."""

import io
import json
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from sfnrun.cli.application import run as run_cli


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder of its own for each test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("SFNRUN_DEBUG", raising=False)
    return tmp_path


@pytest.fixture
def sfn(capfdbinary, monkeypatch):
    """Run `sfnrun` with arguments, and with `stdin` if it is given."""

    def run(*arguments: str, stdin: str | None = None) -> Done:
        monkeypatch.setattr(sys, "argv", ["sfnrun", *arguments])
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capfdbinary.readouterr()
        code = run_cli()
        out, err = capfdbinary.readouterr()
        return Done(code, out.decode(), err.decode())

    return run


@pytest.fixture
def definition(folder):
    """Write a definition and return its name."""

    def write(states: dict, start: str | None = None, name: str = "machine.asl.json") -> str:
        machine = {"StartAt": start or next(iter(states)), "States": states}
        (folder / name).write_text(json.dumps(machine, indent=2))
        return name

    return write


@pytest.fixture
def hello(definition) -> str:
    return definition({"Hello": {"Type": "Pass", "End": True}}, name="hello.asl.json")


@pytest.fixture
def function(folder):
    """Write the handler of a function; return the Task that invokes it."""

    def write(name: str, code: str, **fields) -> dict:
        (folder / "functions").mkdir(exist_ok=True)
        (folder / "functions" / f"{name}.py").write_text(code)
        arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
        return {"Type": "Task", "Resource": arn, "End": True, **fields}

    return write
