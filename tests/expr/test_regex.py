"""Regular expressions in bounded time: the machine agrees with `re`, and ends where `re` would not."""

import random
import re

import pytest

from sfnrun.expr import regex
from sfnrun.expr.meter import Exceeded, Meter
from sfnrun.expr.regex import compile_regex

PATTERNS = [
    "",
    "abc",
    "a|b|",
    "a*b+c?",
    "a*?b+?c??",
    "a{2}b{1,2}c{,2}x{1,}",
    "(a(b)?)+c",
    "(?:a|ab)(?:c|bcd)x",
    "[^a-c]x|[]a]",
    r"\bab\b.\w\d?\s",
    "^a$|^",
    "(?=ab)a.(?!c).",
    "(?<=a)b|(?<!a)c",
    "(?>a*)ab|b",
    "a*+b|a++|a?+a",
    r"(a|b)\1",
    r"(?P<n>.)(?P=n)",
    "(?i)AbC",
    "a(?i:B)c",
    "(?s).x.",
    "a(?#comment)b",
    r"\.\x61\u0062",
    "x{a}{",
]


def spans(found):
    """Up to the first empty match."""
    result = []
    for start, end, groups in found:
        result.append((start, end, groups))
        if start == end:
            break
    return result


@pytest.mark.parametrize("by_machine", [True, False], ids=["machine", "re"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_regex_agrees_with_re(pattern, by_machine, monkeypatch):
    if by_machine:
        monkeypatch.setattr(regex, "CHEAP", -1)
    chance = random.Random(pattern)
    texts = ["", *("".join(chance.choices("abcABCx1. \n{}", k=length % 9)) for length in range(200))]
    expected = re.compile(pattern, re.ASCII)
    found = compile_regex(pattern, re.ASCII)
    for text in texts:
        assert found.matches(text, Meter()) is (expected.fullmatch(text) is not None), text
        every = ((*each.span(), each.groups()) for each in expected.finditer(text))
        assert spans(found.find_all(text, Meter())) == spans(every), text


RUNAWAYS = [
    ("(a+)+$", "a" * 100 + "!"),
    ("(a|a)*b", "a" * 5000),
    (".*a.*b.*c.*d", "x" * 3000),
    ("(?:(?:a{1,5}){1,5}){1,9}", "a" * 300 + "b"),
    ("(a*)*", "a" * 1000 + "b"),
]


@pytest.mark.parametrize(("pattern", "text"), RUNAWAYS, ids=[pattern for pattern, _ in RUNAWAYS])
def test_regex_takes_steps_in_proportion_to_the_text(pattern, text):
    once, twice = Meter(), Meter()
    assert not compile_regex(pattern).matches(text, once)
    assert not compile_regex(pattern).matches(text[:-1] + text, twice)
    start = Meter().steps
    assert (start - twice.steps) < 3 * (start - once.steps)


def test_regex_with_a_backreference_ends_when_its_steps_are_spent():
    with pytest.raises(Exceeded, match="too many steps"):
        compile_regex(r"(a*)*\1b").matches("a" * 3000, Meter())


def test_regex_search_takes_steps_in_proportion_to_the_text():
    text = "1" * 50_000
    meter = Meter()
    assert list(compile_regex(r"\d+-").find_all(text, meter)) == []
    assert Meter().steps - meter.steps < 10 * len(text)


@pytest.mark.parametrize("pattern", ["(?x) a b", "(a)(?(1)b|c)", "(?x:a)"])
def test_regex_refuses_what_only_python_has(pattern):
    with pytest.raises(re.error, match="not supported"):
        compile_regex(pattern)


def test_a_pattern_that_is_too_large_for_the_machine_ends(monkeypatch):
    with pytest.raises(Exceeded, match="too large"):
        compile_regex("(?:(?:a{1,50}){1,50}){1,50}").matches("a" * 100, Meter())
