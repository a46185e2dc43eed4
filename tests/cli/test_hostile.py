"""Whatever is handed to it, the command line says what is wrong and what to do, and leaves nothing half-done."""

import re
import shlex
import time
from pathlib import Path

import pytest
import yaml

import sfnrun

TABLE = yaml.safe_load(Path(__file__).with_name("hostile.yaml").read_text(encoding="utf-8"))

# Every row finds these too.
STANDING = {
    "hello.json": '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}',
    "task.json": '{"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": '
    '"arn:aws:lambda:us-east-1:123456789012:function:f", "End": true}}}',
}


def content(given) -> bytes:
    if isinstance(given, str):
        return given.encode()
    if "hex" in given:
        return bytes.fromhex(str(given["hex"]))
    return (given["start"] + given["repeat"] * given["times"] + given["end"]).encode()


def left(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != ".gitignore"
    }


def test_the_table_is_long_enough():
    assert len(TABLE) >= 60
    assert len({row["name"] for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize("row", TABLE, ids=[row["name"] for row in TABLE])
def test_hostile(sfn, folder, row):
    files = {**STANDING, **row.get("files", {})}
    for name, given in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content(given))
    began = time.process_time()
    done = sfn(*shlex.split(row["run"]))
    took = time.process_time() - began
    codes = row.get("code", 2)
    assert done.code in (codes if isinstance(codes, list) else [codes]), done.err
    assert done.out == ""
    pattern = ".*?".join(re.escape(part) for part in row["says"])
    assert re.search(pattern, done.err, re.DOTALL), done.err
    # What functions print is their own.
    assert "Traceback" not in "".join(line for line in done.err.splitlines() if not line.startswith("    │ "))
    assert str(Path(sfnrun.__file__).parent) not in done.err
    assert "a bug" not in done.err
    assert "\x1b" not in done.err
    assert len(done.err) < 20_000
    assert took < 10  # seconds of the processor
    recorded = {name for name in left(folder) if name.startswith(".sfnrun/executions/")}
    assert left(folder) - recorded == set(files)
    if done.code == 2:
        assert recorded == set()
    for name in recorded:
        assert '{"event":"Execution' in (folder / name).read_text().splitlines()[-1]
