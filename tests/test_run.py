"""A run as a whole: the Python API, its names and folders, and what is left of one stopped, killed or out of room."""

from __future__ import annotations

import subprocess
import sys


def test_run_is_the_function_whatever_was_imported_before() -> None:
    """A module and the function in it have one name; nobody should have to know that."""
    code = (
        "import sfnrun; from sfnrun import Result; import sfnrun.replay; import sfnrun.run\n"
        "machine = {'StartAt': 'S', 'States': {'S': {'Type': 'Succeed'}}}\n"
        "print(sfnrun.run(machine, 1).output, callable(sfnrun.replay))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "1 True\n"
