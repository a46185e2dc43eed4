"""The reasons for the outcome of a visit: Choice rules, retries with their arithmetic, catchers, and the cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sfnrun.asl.model import Choice, Retrier, State, Wait
from sfnrun.cache.outcome import describe
from sfnrun.explain.explanation import Reason
from sfnrun.explain.observe import Finding, Observed, RuleSeen
from sfnrun.explain.rules import rule_text
from sfnrun.history.visit import Visit
from sfnrun.payload import dumps, loads
from sfnrun.record import Note, timestamp

__all__ = ["reasons_of"]


def reasons_of(state: State, own: Mapping[str, Any], observed: Observed) -> Iterator[Reason]:
    """Yield the reasons in the order of the decisions, if there were any. `own` is the JSON of the state."""
    if isinstance(state, Choice):
        yield from _choice(state, own, observed.rules)
    if isinstance(state, Wait):
        yield from _wait(state, observed)
    yield from (_cache(note) for note in observed.visit.notes if note.kind == "cache")
    yield from _failures(state, observed.visit)


# --- Choice ---


def _choice(state: Choice, own: Mapping[str, Any], seen: list[RuleSeen]) -> Iterator[Reason]:
    rules = own["Choices"]
    for rule in seen:
        yield _rule(state, rules[rule.number - 1], rule)
    for index in range(len(seen), len(rules)):
        yield Reason("faint", f"rule {index + 1} was not evaluated: {rule_text(state, rules[index])}")
    if all(rule.outcome is False for rule in seen):
        if state.default is None:
            yield Reason("failed", "no rule matched, and Default is not set")
        else:
            yield Reason("done", f"no rule matched, so Default leads to {state.default}")


def _rule(state: Choice, rule: Mapping[str, Any], seen: RuleSeen) -> Reason:
    number, text = seen.number, rule_text(state, rule)
    findings = tuple(_finding(finding) for finding in seen.findings)
    if seen.outcome is None:
        return Reason("failed", f"rule {number} failed: {text}", (*findings, seen.error or ""))
    if seen.outcome:
        return Reason("done", f"rule {number} matched and leads to {rule['Next']}: {text}", findings)
    return Reason("aborted", f"rule {number} did not match: {text}", findings)


def _finding(finding: Finding) -> str:
    text, outcome, held = finding
    if outcome is None:
        return f"{text} is {held}"
    return f"{text}: {'yes' if outcome else 'no'}, {text.partition(' ')[0]} is {held}"


# --- Wait ---


def _wait(state: Wait, observed: Observed) -> Iterator[Reason]:
    for note in observed.visit.notes:
        if note.kind == "wait":
            until, field = note.details["until"], state.seconds or state.timestamp
            given = [one for one in observed.evaluated[-1] if field is not None and one.field == field.name]
            value = given[-1].value if given else (field.literal if field is not None else None)
            what = f"{field.name} is {dumps(value)}" if field is not None else ""
            if given:
                what += f" ({given[-1].text})"
            yield Reason("text", f"waits {_seconds(until - note.at)}, until {timestamp(until)}", (what,))


# --- the cache ---


def _cache(note: Note) -> Reason:
    details = note.details
    about = [f"{name} {details[name]}" for name in ("task", "key") if details.get(name)]
    mark = "done" if details.get("outcome") == "hit" else "text"
    return Reason(mark, f"cache: {describe(details)}", (", ".join(about),) if about else ())


# --- failures: Retry, then Catch ---


def _failures(state: State, visit: Visit) -> Iterator[Reason]:
    used = [0] * len(state.retry)
    for number, attempt in enumerate(visit.attempts, 1):
        last = number == len(visit.attempts)
        if attempt.error is None and attempt.cause is None and not (last and visit.outcome == "failed"):
            continue
        error = attempt.error or visit.error
        whole = f"attempt {number} failed with {error or 'no error name'}"
        yield Reason("failed", whole, tuple(_cause(attempt.cause or visit.cause)))
        if attempt.retry is not None:
            yield from _retried(state, error, used, attempt.retry)
            continue
        yield from _given_up(state, error, used, visit if last else None)
        if attempt.redriven:
            used = [0] * len(state.retry)
            yield Reason("retry", "the execution was redriven and continues here; retries are counted from 0 again")


def _cause(cause: str | None) -> Iterator[str]:
    """Yield the first line of a cause; of the error of a Lambda function, of its message."""
    if not cause:
        return
    try:
        value = loads(cause) if cause.startswith("{") else None
    except ValueError:
        value = None
    message = value.get("errorMessage") if isinstance(value, dict) else None
    lines = (message if isinstance(message, str) else cause).splitlines() or [""]
    yield lines[0] if len(lines) == 1 else f"{lines[0]} …"


def _retried(state: State, error: str | None, used: list[int], note: Note) -> Iterator[Reason]:
    index = note.details["retrier"]
    for earlier in range(index):
        why_not = _why_not(state.retry[earlier].error_equals, error)
        yield Reason("aborted", f"retrier {earlier + 1} does not match", (why_not,))
    used[index] += 1
    retrier, delay = state.retry[index], note.details["delay_ms"]
    text = f"retrier {index + 1} matches: retry {used[index]} of {retrier.max_attempts}, after {_seconds(delay)}"
    yield Reason("retry", text, (_why(retrier.error_equals, error), *_arithmetic(retrier, used[index], delay)))


def _arithmetic(retrier: Retrier, use: int, delay_ms: int) -> Iterator[str]:
    power = f"{retrier.backoff_rate:g}^{use - 1}"
    try:
        grown = retrier.interval_seconds * retrier.backoff_rate ** (use - 1)
    except OverflowError:
        grown = float("inf")
    text = f"IntervalSeconds {retrier.interval_seconds:g} * BackoffRate {power} = {grown:g} s"
    if retrier.max_delay_seconds is not None:
        capped = min(grown, retrier.max_delay_seconds)
        text += f", at most MaxDelaySeconds {retrier.max_delay_seconds:g}: {capped:g} s"
    if retrier.full_jitter:
        text += f", FULL jitter picks a delay from 0 to that: {_seconds(delay_ms)}"
    yield text


def _given_up(state: State, error: str | None, used: list[int], visit: Visit | None) -> Iterator[Reason]:
    """No retrier handles the failure. `visit` is None if the execution ended here and was redriven."""
    if state.type not in ("Task", "Parallel", "Map"):
        return
    if (visit is None or visit.outcome == "failed") and error in ("States.Runtime", None):
        yield Reason("failed", f"{error or 'it'} is never retried and never caught")
        return
    for index, retrier in enumerate(state.retry):
        if _matches(retrier.error_equals, error):
            text = (
                f"retrier {index + 1} matches, but its attempts are exhausted ({used[index]} of {retrier.max_attempts})"
            )
            later = "; later retriers are not tried" if index + 1 < len(state.retry) else ""
            yield Reason("aborted", text + later, (_why(retrier.error_equals, error),))
            break
        yield Reason("aborted", f"retrier {index + 1} does not match", (_why_not(retrier.error_equals, error),))
    yield from _caught(state, error, visit)


def _caught(state: State, error: str | None, visit: Visit | None) -> Iterator[Reason]:
    for index, catcher in enumerate(state.catch):
        if visit is not None and visit.outcome == "caught" and _matches(catcher.error_equals, error):
            text = f"catcher {index + 1} matches and leads to {catcher.next}"
            yield Reason("caught", text, (_why(catcher.error_equals, error),))
            return
        yield Reason("aborted", f"catcher {index + 1} does not match", (_why_not(catcher.error_equals, error),))
    what = "no catcher matches" if state.catch else "Catch is not set"
    yield Reason("failed", f"{what}, so the failure propagates")


def _matches(names: tuple[str, ...], error: str | None) -> bool:
    return any(_reason_to_match(name, error) for name in names)


def _why(names: tuple[str, ...], error: str | None) -> str:
    return next((why for name in names if (why := _reason_to_match(name, error))), "")


def _reason_to_match(name: str, error: str | None) -> str:
    if name == error:
        return f"ErrorEquals has {error}"
    if name == "States.ALL":
        return "States.ALL matches every error except States.Runtime"
    if name == "States.TaskFailed" and error != "States.Timeout":
        return "States.TaskFailed matches every error except States.Timeout"
    if name == "States.HeartbeatTimeout" and error == "States.Timeout":
        return "a missed heartbeat is reported as States.Timeout, and States.HeartbeatTimeout matches it"
    return ""


def _why_not(names: tuple[str, ...], error: str | None) -> str:
    listed = ", ".join(names)
    if "States.TaskFailed" in names and error == "States.Timeout":
        return f"ErrorEquals is {listed}, and States.TaskFailed does not match States.Timeout"
    return f"ErrorEquals is {listed}, not {error}"


def _seconds(ms: int) -> str:
    return f"{ms / 1000:g} s"
