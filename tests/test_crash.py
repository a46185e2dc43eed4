"""A small run of the crash test; `python tests/crash.py --kills 500` is the large one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
def test_twenty_kills_lose_nothing() -> None:
    script = "import sys, crash; crash.main(kills=20, seed=int(sys.argv[1]), clocks=('virtual',))"
    folder = Path(__file__).resolve().parent
    done = subprocess.run([sys.executable, "-c", script, "3"], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
