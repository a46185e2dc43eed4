"""The command line at a terminal: a pseudo-terminal is the process's own, as a person's is."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest


def at_terminal(folder: Path, *arguments: str, keys: str = "", columns: int = 80) -> tuple[int, str, str]:
    """Exit code, stdout, and what the terminal showed without its escape sequences."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.write(ours, keys.encode())
    process = subprocess.Popen(
        [sys.executable, "-m", "sfnrun", *arguments],
        cwd=folder,
        env={**{name: value for name, value in os.environ.items() if name != "COLUMNS"}, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - a terminal needs a session of its own
    )
    os.close(theirs)
    watchdog = threading.Timer(30, process.kill)  # one that waits for another key
    watchdog.start()
    shown = b""
    # Linux says EIO when the last process has closed its end.
    with contextlib.suppress(OSError):
        while data := os.read(ours, 65536):
            shown += data
    os.close(ours)
    watchdog.cancel()
    assert process.stdout is not None
    out = process.stdout.read().decode()
    process.stdout.close()
    return process.wait(timeout=30), out, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", shown.decode())


@pytest.fixture
def three(definition) -> str:
    return definition(
        {
            "One": {"Type": "Pass", "Result": 1, "ResultPath": "$.one", "Next": "Two"},
            "Two": {"Type": "Pass", "Result": 2, "ResultPath": "$.two", "Next": "Three"},
            "Three": {"Type": "Pass", "Result": 3, "ResultPath": "$.three", "End": True},
        }
    )


def test_a_person_steps_through(folder, three):
    code, out, shown = at_terminal(folder, "execute", three, "--step", keys="\ns\nc\n")
    assert (code, out) == (0, '{"one":1,"three":3}\n')
    assert "● One  Pass" in shown
    assert '"one": 1' in shown
    assert "Two skipped" in shown
    assert "✓ Three" in shown


def test_a_person_quits(folder, three):
    code, out, shown = at_terminal(folder, "execute", three, "--step", "--name", "quit", keys="\nq\n")
    assert (code, out) == (130, "")
    assert "ABORTED" in shown
    replayed, _, _ = at_terminal(folder, "trace", "replay", "quit")
    assert replayed == 0


def test_a_person_edits(folder, three):
    editor = folder / "editor.sh"
    editor.write_text('#!/bin/sh\necho \'{"edited": true}\' > "$1"\n')
    editor.chmod(0o755)
    os.environ["EDITOR"] = str(editor)
    try:
        code, out, _ = at_terminal(folder, "execute", three, "--step", keys="e\nc\n")
    finally:
        del os.environ["EDITOR"]
    assert (code, out) == (0, '{"edited":true,"one":1,"two":2,"three":3}\n')


def test_a_person_steps_through_a_replay(folder, three):
    at_terminal(folder, "execute", three, "--name", "once")
    code, out, shown = at_terminal(folder, "trace", "replay", "once", "--step", keys="\n\nb\nq\n")
    assert (code, out) == (0, "")
    assert re.findall(r"● (\d)/8 .* (\w+)\n", shown) == [("2", "One"), ("4", "Two"), ("6", "Three"), ("4", "Two")]


@pytest.mark.parametrize("columns", [30, 80, 200])
def test_the_live_trace_fits_the_terminal(folder, three, columns):
    code, out, shown = at_terminal(folder, "execute", three, columns=columns)
    assert (code, out) == (0, '{"one":1,"two":2,"three":3}\n')
    assert [line.split()[1] for line in shown.splitlines() if line.startswith("  ✓")] == ["One", "Two", "Three"]
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= columns
