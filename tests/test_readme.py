"""What the README shows is run as it stands, and its figures of time are the only thing that may differ."""

import contextlib
import fcntl
import json
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import termios
import time
import tomllib
from pathlib import Path
from subprocess import PIPE

import pytest

from sfnrun.asl.lint.rulebook import all_rules
from sfnrun.cli.application import run as run_cli

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The parts of the repository that its commands are run in."""
    for folder in ("statemachines", "functions"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns(".sfnrun", "__pycache__"))
    shutil.copy(ROOT / "sfnrun.yaml", tmp_path)
    return tmp_path


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1", "COLUMNS": "200"}


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environment(), text=True, capture_output=True, encoding="utf-8", check=False
    )


def run_as_shown(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of a session, with a terminal of 100 columns as its stdout.

    One that is killed after some seconds is killed when its execution waits instead.
    """
    words = shlex.split(command, comments=True)
    is_killed = words[:3] == ["timeout", "-s", "KILL"]
    ours, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = subprocess.Popen(
        words[4:] if is_killed else words,
        cwd=folder, env={**environment(), "SFNRUN_PAGER": "cat"}, stdout=terminal, stderr=PIPE, text=True,
    )  # fmt: skip
    os.close(terminal)
    with process:
        if is_killed:
            history = folder / ".sfnrun/executions" / f"{words[words.index('--name') + 1]}.jsonl"
            while process.poll() is None and not (history.is_file() and "WaitStateEntered" in history.read_text()):
                time.sleep(0.01)
            process.kill()
        shown = b""
        with contextlib.suppress(OSError):  # Linux says EIO when the last process has closed its end
            while data := os.read(ours, 65536):
                shown += data
        assert process.stderr is not None
        err = process.stderr.read()
    os.close(ours)
    return subprocess.CompletedProcess(words, process.returncode, shown.decode().replace("\r\n", "\n"), err)


def sessions() -> list[tuple[str, list[str]]]:
    """Every command of every terminal session, with the lines it prints."""
    found = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = part.splitlines()
            found.append((command, lines))
    return found


def without_times(line: str) -> str:
    line = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +\S+ \S+ +|(?<=STARTED) +(?=TOOK)", "WHEN  ", line)
    line = re.sub(r"<?\d+(\.\d+)? ms\b|(?<=\bin )\d+(\.\d+)? s\b", "TIME", line)
    return re.sub(r"\d{8}-\d{6}\S*\.jsonl", "NAME.jsonl", line)


def test_the_sessions_are_what_a_terminal_shows(clone: Path):
    assert len(sessions()) >= 2
    for command, lines in sessions():
        done = run_as_shown(command, clone)
        exits = re.search(r"# exits with (\d+)", command)
        code = 128 - done.returncode if done.returncode < 0 else done.returncode  # as a shell has it
        assert code == (int(exits[1]) if exits else 0), done.stderr
        shown = [*done.stderr.splitlines(), *done.stdout.splitlines()]
        assert [without_times(line) for line in shown] == [without_times(line) for line in lines]


def test_the_first_command_gives_json_alone(clone: Path):
    command = blocks("sh")[0].strip().split(" && ")
    assert command[0] == "python3 -m venv .venv"
    assert command[1] == ".venv/bin/pip install -q ."
    done = run([*shlex.split(command[2].removeprefix(".venv/bin/")), "--clock", "virtual"], clone)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["parcel"]["pieces"] == 7


def test_the_second_command_runs_the_tests():
    assert blocks("sh")[1].strip() == (
        "python3 -m venv .venv-dev && .venv-dev/bin/pip install -q -e '.[dev]' && .venv-dev/bin/pytest -n auto"
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert any(requirement.startswith("pytest") for requirement in project["project"]["optional-dependencies"]["dev"])


def test_the_python_example_runs(tmp_path: Path):
    (example,) = blocks("python")
    done = run([sys.executable, "-W", "error", "-c", example], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_configurations_are_such(tmp_path: Path):
    from sfnrun.config import load_project

    path = tmp_path / "sfnrun.yaml"
    configs = []
    for text in blocks("yaml"):
        path.write_text(text, encoding="utf-8")
        configs.append(load_project(tmp_path, config=path))
    answers, caching = configs
    assert dict(answers.settings.substitutions) == {"TableName": "orders"}
    assert len(answers.settings.tasks) == 2
    (rule,) = caching.settings.tasks.values()
    assert rule.cache is not None
    assert rule.cache.ttl_ms == 60_000


def test_what_validate_says_is_what_it_says(tmp_path: Path):
    (definition,) = blocks("yaml order.asl.yaml")
    (tmp_path / "order.asl.yaml").write_text(definition, encoding="utf-8")
    done = run(["sfnrun", "validate", "order.asl.yaml"], tmp_path)
    (told,) = [block for block in blocks("text") if block.startswith("order.asl.yaml:")]
    assert done.returncode == 1
    assert done.stdout + done.stderr == told


def test_the_lines_about_validate_run(clone: Path):
    (lines,) = [block for block in blocks("sh") if block.startswith("sfnrun validate")]
    (clone / "template.yaml").write_text(
        "Resources:\n  OrderStateMachine:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n"
        "      Definition: {StartAt: A, States: {A: {Type: Succeed}}}\n",
        encoding="utf-8",
    )
    for line in lines.splitlines():
        command = [word for word in shlex.split(line, comments=True) if word != "--watch"]
        done = run(command, clone)
        assert done.returncode == 0, done.stderr


def test_every_command_and_option_that_is_named_exists(capfd, monkeypatch):
    named = set(re.findall(r"`sfnrun (\w+(?: list| show| replay| why| diff| import| export)?)", README))
    assert {"validate", "execute"} <= named
    assert {f"trace {name}" for name in ("list", "show", "replay", "why", "diff", "import", "export")} <= named
    for command in sorted(named):
        options = {
            option
            for quoted in re.findall(rf"`sfnrun {command}([^`]*)`", README)
            for option in re.findall(r"--[a-z-]+", quoted)
        }
        monkeypatch.setattr(sys, "argv", ["sfnrun", *command.split(), "--help"])
        code = run_cli()
        shown = capfd.readouterr().out
        assert code == 0, command
        assert {option for option in options if option not in shown} == set()


def test_the_ten_words_are_ten():
    section = README.split("## Ten words")[1].split("\n## ")[0]
    assert len(re.findall(r"^\| \*\*\w+\*\* \|", section, re.MULTILINE)) == 10


def test_the_rooms_of_the_picture_are_there():
    picture = README.split("## How it works")[1].split("```")[1]
    named = set(re.findall(r"\b([a-z_]+(?:/|\.py))", picture)) - {"sfnrun/"}
    assert {name for name in named if not (ROOT / "sfnrun" / name).exists()} == set()


def test_exit_codes_are_those_of_the_help():
    from sfnrun.cli.application import EXIT_CODES

    rows = re.findall(r"^\| (\d+) \| (.*?)[:;|]", README, re.MULTILINE)
    said = re.findall(r"(\d+) ([^;.]+)", EXIT_CODES)
    assert [(number, text.strip()) for number, text in rows] == said


def test_it_counts_the_rules() -> None:
    (counted,) = re.findall(r"knows (\d+) rules", README)
    assert int(counted) == len(all_rules())
