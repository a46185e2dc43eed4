"""`--fix` mends what it can and touches nothing else; `--diff` shows it first."""

from pathlib import Path

import pytest
import yaml

TABLE = yaml.safe_load(Path(__file__).with_name("fixes.yaml").read_text("utf-8"))
TYPO = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Edn": true}}}'
MENDED = TYPO.replace("Edn", "End")


@pytest.mark.parametrize("row", TABLE, ids=[row["name"] for row in TABLE])
def test_fixes(sfn, folder, row):
    path = folder / row["file"]
    path.write_text(row["before"], "utf-8")
    sfn("validate", row["file"], "--fix")
    assert path.read_text("utf-8") == row.get("after", row["before"])
    # What was mended stays mended.
    assert ", 0 fixed" in sfn("validate", row["file"], "--fix").err
    assert path.read_text("utf-8") == row.get("after", row["before"])


def test_the_diff_is_shown_and_nothing_is_written(sfn, folder):
    (folder / "m.asl.json").write_text(TYPO)
    done = sfn("validate", "m.asl.json", "--diff")
    assert done.out.splitlines() == [
        "--- m.asl.json",
        "+++ m.asl.json",
        "@@ -1 +1 @@",
        f"-{TYPO}",
        "\\ No newline at end of file",
        f"+{MENDED}",
        "\\ No newline at end of file",
    ]
    assert done.code == 1
    assert done.err == "1 file checked: 1 error, 1 can be fixed\n"
    assert (folder / "m.asl.json").read_text() == TYPO


def test_the_diff_is_shown_first(sfn, folder):
    (folder / "m.asl.json").write_text(TYPO)
    done = sfn("validate", "m.asl.json", "--fix", "--diff")
    assert (done.code, done.err) == (0, "1 file checked, no problems, 1 fixed\n")
    assert f"+{MENDED}" in done.out
    assert (folder / "m.asl.json").read_text() == MENDED


def test_what_is_left_is_told(sfn, folder):
    (folder / "m.asl.json").write_text(TYPO.replace('"StartAt": "A"', '"StartAt": "B"'))
    done = sfn("validate", "m.asl.json", "--fix")
    assert done.code == 1
    assert "SFN-G01" in done.out
    assert "Edn" not in done.out


def test_fixes_are_offered(sfn, folder):
    (folder / "m.asl.json").write_text(TYPO)
    assert sfn("validate", "m.asl.json").err == "1 file checked: 1 error, 1 fixable with --fix\n"


def test_line_ends_and_the_byte_order_mark_stay(sfn, folder):
    text = "\ufeffStartAt: A\r\nStates:\r\n  A:\r\n    Type: Pass\r\n    Comment: \xe9\r\n"
    (folder / "m.asl.yaml").write_bytes(text.encode())
    assert sfn("validate", "m.asl.yaml", "--fix").code == 0
    assert (folder / "m.asl.yaml").read_bytes() == f"{text}    End: true\r\n".encode()


def test_a_file_that_may_not_be_written(sfn, folder, monkeypatch):
    (folder / "m.asl.json").write_text(TYPO)
    opened = open

    def refused(path, mode="r", *rest, **more):
        if "+" in mode:
            raise PermissionError(13, "Permission denied")
        return opened(path, mode, *rest, **more)

    monkeypatch.setattr("builtins.open", refused)
    done = sfn("validate", "m.asl.json", "--fix")
    assert (done.code, done.err) == (2, "error: cannot write m.asl.json: Permission denied\n")


def test_stdin_is_not_written(sfn):
    done = sfn("validate", "-", "--fix", stdin=TYPO)
    assert done.code == 1
    assert ", 0 fixed" in done.err


def test_a_diff_is_text(sfn, folder):
    (folder / "m.asl.json").write_text(TYPO)
    assert sfn("validate", "m.asl.json", "--diff", "--format", "junit").code == 2
