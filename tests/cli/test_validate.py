def test_a_good_file_has_nothing_to_say(sfn, hello):
    assert sfn("validate", hello) == (0, "", "1 file checked, no problems\n")
    assert sfn("validate", hello, "--quiet") == (0, "", "")


def test_all_problems_of_all_files_are_told_at_once(sfn, definition, hello, folder):
    first = definition({"A": {"Type": "Pass", "Next": "B"}}, name="first.asl.json")
    second = definition({"A": {"Type": "Task", "End": True}}, start="Nowhere", name="second.asl.json")
    done = sfn("validate", first, hello, second)
    assert done.code == 1
    assert "first.asl.json:6:15: error " in done.out
    assert "second.asl.json:" in done.out
    assert '    6 |       "Next": "B"\n' in done.out
    assert done.err.startswith("3 files checked: ")
    assert "errors" in done.err


def test_stdin_is_a_file_too(sfn):
    done = sfn("validate", "-", stdin='{"StartAt": "A"}')
    assert done.code == 1
    assert "-:1:1: error" in done.out


def test_user_code_is_never_imported(sfn, definition, function, folder):
    task = function("f", "raise SystemExit('imported')\n")
    assert sfn("validate", definition({"T": task})).code == 0


def test_values_for_placeholders(sfn, folder):
    (folder / "m.json").write_text(
        '{"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": ${Pause}, "End": true}}}'
    )
    assert sfn("validate", "m.json", "--set", "Pause=5").code == 0
    assert sfn("validate", "m.json", "--set", "Pause=soon").code != 0
