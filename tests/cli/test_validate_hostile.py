"""Whatever is given to `validate` ends in a clear message, soon, and without eating the machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench.validating import write_hostile

# What must be said of each, in order.
SAYS = {
    "1 GB.asl.json": ["SFN-S13", "1,073,741,824 bytes"],
    "10,000 problems.asl.json": ["SFN-F03", "did you mean 'Next'?", "9,800 more problems"],
    "binary.asl.json": ["SFN-S01", "Binary file"],
    "deep.asl.json": ["SFN-S01", "Nested deeper than 1,000 levels"],
    "deep.asl.yaml": ["Nested deeper than 1,000 levels"],
    "laughs.asl.yaml": ["Aliases expand to more than 500,000 values"],
    "one line of 1 MB.asl.json": ["SFN-F03", "'Nxt'"],
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    assert write_hostile(folder) == sorted(SAYS)
    return folder


# A process of its own between pytest and sfnrun: a child begins with the size of its parent.
MEASURED = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "sfnrun", "validate", sys.argv[1]], stderr=subprocess.STDOUT)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(done.returncode, used.ru_maxrss, used.ru_utime + used.ru_stime)
"""


@pytest.mark.parametrize("name", SAYS)
def test_hostile_files(hostile, name):
    run = subprocess.run(
        [sys.executable, "-c", MEASURED, name],
        cwd=hostile,
        env={**os.environ, "XDG_CACHE_HOME": str(hostile / "cache")},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    *lines, measured = run.stdout.splitlines()
    out = "\n".join(lines)
    code, kilobytes, seconds = map(float, measured.split())
    assert code == 1, out[:2000]
    at = 0
    for part in SAYS[name]:
        assert part in out[at:], out[:2000]
        at = out.index(part, at)
    assert "Traceback" not in out
    assert len(out) < 200_000
    assert kilobytes / 1024 < 200
    assert seconds < 20  # of the processor: 2 on an idle machine, and minutes if the work is quadratic


def test_a_pipe_that_never_ends(hostile):
    """No more is read of it than a definition may have."""
    with Path("/dev/zero").open("rb") as endless:
        done = subprocess.run(
            [sys.executable, "-m", "sfnrun", "validate", "-"],
            stdin=endless,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "SFN-S13" in done.stdout
