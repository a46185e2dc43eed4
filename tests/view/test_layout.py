import re
from io import StringIO

import pytest
from telling import Teller, plain

from sfnrun.view.changes import changes, summary
from sfnrun.view.line import MARKS, Line, rows, segments
from sfnrun.view.line import plain as plain_text
from sfnrun.view.live import LiveTrace
from sfnrun.view.plain import PlainTrace
from sfnrun.view.summary import CacheTally, Ending, cause_lines, summary_lines
from sfnrun.view.text import cells, clean, counted, duration, fit, size, wrapped
from sfnrun.view.trace import TraceLines

DURATIONS = [
    (0, "0 ms"),
    (12, "12 ms"),
    (999, "999 ms"),
    (1000, "1 s"),
    (2345, "2.35 s"),
    (59_000, "59 s"),
    (60_000, "1 min"),
    (90_000, "1 min 30 s"),
    (3_600_000, "1 h"),
    (3_605_000, "1 h"),
    (86_400_000 + 3_600_000, "1 d 1 h"),
    (365 * 86_400_000, "1 y"),
    (385 * 86_400_000, "1 y 20 d"),
]


@pytest.mark.parametrize(("ms", "text"), DURATIONS)
def test_durations_have_two_units(ms, text):
    assert duration(ms) == text


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (1, "state", "1 state"),
        (1234, "item", "1,234 items"),
        (2, "retry", "2 retries"),
        (2, "branch", "2 branches"),
        (0, "event", "0 events"),
    ],
)
def test_numbers_have_nouns(count, noun, text):
    assert counted(count, noun) == text


def test_sizes():
    assert [size(213), size(1434), size(2**18), size(2**28)] == ["213 B", "1.4 KB", "256 KB", "256 MB"]


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("注文", 4), ("é", 1), ("e\u0301", 1), ("🚚", 2), ("👩\u200d💻", 4)]
)
def test_wide_characters_take_two_columns(text, width):
    assert cells(text) == width


@pytest.mark.parametrize(
    ("text", "width", "fitted"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("注文注文", 5, "注文…"),
        ("注文注文", 4, "注…"),
        ("ab", 1, "…"),
        ("ab", 0, ""),
    ],
)
def test_texts_are_cut_to_fit(text, width, fitted):
    assert fit(text, width) == fitted
    assert cells(fitted) <= width


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("fits", 10, ["fits"]),
        ("one two three four", 9, ["one two", "three", "four"]),
        ("  a path of_one_long_word", 12, ["  a path", "  of_one_lon", "  g_word"]),
        ("注文を確認する", 6, ["注文を", "確認す", "る"]),
        ("never ends " * 20, 12, ["never ends", "never ends", "never ends …"]),
        ("ab", 1, ["…"]),
        ("          deep", 6, ["   dee", "   p"]),
    ],
)
def test_texts_go_on_below(text, width, lines):
    assert wrapped(text, width, 3) == lines
    assert all(cells(line) <= width for line in lines)


def test_what_is_to_be_read_to_its_end_goes_on_below_and_source_is_cut():
    long = "word " * 40
    told = [(kind, len(rows(Line(kind, ("[0]",), text=long), 80))) for kind in ("log", "text", "bad", "source", "plus")]
    assert told == [("log", 4), ("text", 3), ("bad", 3), ("source", 1), ("plus", 1)]
    assert len(rows(Line("done", (), "S", "Task", long), 80)) == 1


def test_control_characters_are_shown():
    assert clean("a\tb\nc\x1b[0m\x00") == "a b c\\x1b[0m\\x00"


LINES = [
    Line("done", (), "Short", "Pass", ""),
    Line("done", (), "ChargeTheCardOfTheCustomerWhoseNameIsLonger", "Task", "12 ms"),
    Line(
        "failed",
        ("0", "[12]", "[3]"),
        "履行する注文の並列処理を実行する長い名前",
        "Parallel",
        "Broken: " + "long " * 50,
    ),
    Line("retry", tuple(f"[{index}]" for index in range(40)), "Deep", "Map", "retry 1 of 3 in 2 s"),
    Line("log", ("[1]",), text="何" * 200),
    Line("bad", text="x" * 500),
]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("line", LINES, ids=lambda line: line.kind)
def test_no_line_is_wider_than_the_terminal(line, width):
    text = "".join(part for part, _ in segments(line, width)).rstrip()
    assert cells(text) <= width
    assert MARKS[line.kind][0] in text


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.kind)
def test_the_short_way_to_a_plain_line_leads_to_the_same(line):
    assert plain_text(line) == "".join(part for part, _ in segments(line)).rstrip()


def test_columns_stand_under_each_other():
    texts = ["".join(part for part, _ in segments(line, 80)) for line in LINES[:2]]
    assert texts[0].index("Pass") == texts[1].index("Task") == 32


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (1, 1, []),
        ({"a": 1}, {"a": 1}, []),
        (1, True, ["~ $: 1 → true"]),
        (1, 1.0, ["~ $: 1 → 1.0"]),
        ({"a": 1}, [1], ['~ $: {"a":1} → [1]']),
        ({"a b": 1}, {}, ['- $["a b"]']),
        ([1, 2, 3], [1], ["- $[1:3]"]),
        ([1], [1, {"x": 2}], ['+ $[1]: {"x":2}']),
        ({"a": None}, {"a": {}}, ["~ $.a: null → {}"]),
        ({"l": []}, {"l": list(range(60))}, ["~ $.l: [] → [60 items]"]),
    ],
)
def test_changes_are_told_by_path(before, after, told):
    signs = {"plus": "+", "minus": "-", "change": "~"}
    assert [f"{signs[change.kind]} {change.text}" for change in changes(before, after)] == told


def test_many_changes_are_counted():
    shown = summary({}, {f"k{index}": index for index in range(30)}, limit=5)
    assert [change.text for change in shown[-2:]] == ["$.k4: 4", "… 25 more changes"]


def ending(**members):
    told = {"status": "SUCCEEDED", "took": 100.0, "simulated": 0.0, "states": 3, "events": 8, **members}
    return [line.text for line in summary_lines(Ending(**told))]


def test_the_closing_line():
    assert ending() == ["SUCCEEDED in 100 ms · 3 states · 8 events"]
    cache = CacheTally()
    for note in ({"outcome": "hit", "saved_ms": 1300}, {"outcome": "hit"}, {"outcome": "miss", "reason": "first time"}):
        cache.count(note)
    assert ending(retries=1, cache=cache, history="h.jsonl") == [
        "SUCCEEDED in 100 ms · 3 states · 8 events · 1 retry · cache: 2 hits, 1 miss (66 %), saved 1.3 s",
        "history h.jsonl",
    ]


def test_a_simulated_year():
    told = ending(virtual=True, simulated=365 * 86_400_000.0, took=104.0)
    assert told == ["SUCCEEDED, simulated 1 y in 104 ms · 3 states · 8 events"]


def test_a_replay_says_that_it_was_one():
    told = ending(replayed=True, simulated=90_000.0, took=15.0)
    assert told == ["SUCCEEDED as recorded, 1 min 30 s in 15 ms · 3 states · 8 events"]


def test_a_failure_has_its_cause_above():
    told = ending(
        status="FAILED",
        error="Broken",
        cause='{"errorMessage":"in two","errorType":"Broken","stackTrace":["  f\\n    g\\n"]}',
    )
    assert told == ["", "Broken", "  in two", "    f", "      g", "", "FAILED in 100 ms · 3 states · 8 events"]


@pytest.mark.parametrize(
    ("cause", "lines"),
    [
        (None, []),
        ("plain", ["plain"]),
        ('{"a":1}', ["{", '  "a": 1', "}"]),
        ("{not json", ["{not json"]),
        ("one\ntwo", ["one", "two"]),
    ],
)
def test_causes_are_readable(cause, lines):
    assert cause_lines(cause) == lines


def test_a_long_cause_is_cut():
    assert cause_lines("\n".join("x" * 100))[-1] == "… 60 lines more"


class Ascii(StringIO):
    encoding = "ascii"


def test_a_stream_without_unicode_gets_ascii():
    text = Ascii()
    PlainTrace(text).say(Line("caught", (), "A", "Task", "caught → B"))
    assert text.getvalue().isascii()
    assert text.getvalue().endswith("caught -> B\n")


class Closed(StringIO):
    def write(self, text):
        raise BrokenPipeError


def test_a_reader_who_left_is_forgotten():
    trace = PlainTrace(Closed())
    trace.say(Line("done", (), "A", "Pass"))
    trace.say(Line("done", (), "B", "Pass"))


def test_progress_is_printed_once_a_second():
    now = [0.0]
    text = StringIO()
    trace = PlainTrace(text, clock=lambda: now[0])
    for second in (0.5, 1.5, 1.9, 3.0):
        now[0] = second
        trace.say(Line("progress", (), "Many", "Map", f"at {second}"))
    assert [line.split("at ")[1] for line in text.getvalue().splitlines()] == ["1.5", "3.0"]


class Terminal(StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("width", [30, 80, 200])
def test_the_live_trace_says_what_the_plain_one_does(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    trace = LiveTrace(terminal, moving=False)
    tell = Teller(TraceLines(trace.say))
    _, also, text = plain()
    for teller in (tell, also):
        teller.state("Task", "Charge", after=12)
        teller.state("Pass", "After")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()).splitlines()
    assert all(cells(line) <= width for line in shown)
    assert [line.split()[1] for line in shown] == [line.split()[1] for line in text.getvalue().splitlines()]
    assert "\x1b[3" not in terminal.getvalue()


def test_a_flood_is_cut_and_never_lost_at_its_ends(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "20")
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal()
    trace = LiveTrace(terminal)
    lines = TraceLines(trace.say)
    trace.watch(lines)
    with trace:
        tell = Teller(lines)
        for index in range(5000):
            tell.state("Pass", f"S{index}")
    shown = terminal.getvalue()
    assert "S0 " in shown
    assert "S4999" in shown
    assert shown.count("\n") < 1000


def test_what_is_running_stands_below(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal()
    trace = LiveTrace(terminal, real=False)
    lines = TraceLines(trace.say)
    trace.watch(lines)
    tell = Teller(lines)
    tell.event("MapStateEntered", name="Many", input=[])
    tell.event("MapStateStarted", length=100)
    for index in range(25):
        tell.event("MapIterationSucceeded", f"1.{index}", name="Many", index=index)
    trace.console.print(trace.running())
    assert "25 of 100 items" in terminal.getvalue()
    assert "━━━━━━━━┄┄" in terminal.getvalue()
