"""JSON texts nest to the same depth on every version of Python."""

import json

import pytest

from sfnrun.payload import loads

BRACKETS = {"arrays": ("[", "]"), "objects": ('{"a":', "}"), "both": ('[{"[":', "}]")}


@pytest.mark.parametrize("kind", BRACKETS)
@pytest.mark.parametrize("decode", [None, json.JSONDecoder().decode], ids=["fast", "strict"])
def test_a_thousand_levels_are_read_and_no_more(kind, decode):
    opening, closing = BRACKETS[kind]
    levels = 1000 // len(closing)
    for text in (opening * levels + "1" + closing * levels, f" {opening * levels}1{closing * levels} "):
        assert loads(text, decode)
        assert loads(text.encode(), decode)
    for more in (levels + 1, 2 * levels, 100 * levels):
        with pytest.raises(ValueError, match="nested deeper than 1000 levels"):
            loads(opening * more + "1" + closing * more, decode)


@pytest.mark.parametrize(
    "value",
    ["[" * 5000, "{[" * 3000, '"[' * 3000, "\\[" * 3000, [["[", "]"]] * 3000, [{"[{": "}"}] * 3000, [[]] * 3000],
    ids=["opened", "objects", "quotes", "backslashes", "pairs", "keys", "flat"],
)
def test_brackets_in_strings_are_no_nesting(value):
    assert loads(json.dumps(value)) == value


def test_deep_and_with_brackets_in_strings():
    text = '["[",' * 1001 + "1" + "]" * 1001
    with pytest.raises(ValueError, match="nested deeper"):
        loads(text)
    assert loads('["[",' * 1000 + "1" + "]" * 1000)
