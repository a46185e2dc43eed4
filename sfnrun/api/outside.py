"""Reach an execution from outside, whatever process runs it: stop it, and answer its task tokens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from sfnrun.addresses import Place, parse_address
from sfnrun.api.continuation import Continuation
from sfnrun.api.lookup import LocatedRun, RunLike, locate, project_store
from sfnrun.api.options import Duration, milliseconds, moment
from sfnrun.api.tokens import Message, is_task_token, matching_token, succeeded
from sfnrun.effects import Answer, Answered, Call, Failed, Heartbeat, Mail, Pause, Sleep, Stopped
from sfnrun.engine.execution import Issuer, key_of_token, names_in_token
from sfnrun.engine.run import Run
from sfnrun.errors import ApiError, HistoryError, Token
from sfnrun.history.journal import NullJournal
from sfnrun.history.listing import ENDED, Summary
from sfnrun.history.recording import Recording
from sfnrun.history.store import Store
from sfnrun.payload import Json, Payload
from sfnrun.replayer.rerun import latest, machines_of

__all__ = ["open_tokens", "send", "send_task_failure", "send_task_heartbeat", "send_task_success", "stop"]

SECONDS_BETWEEN_LOOKS = 0.05


def stop(
    run: RunLike = "last",
    *,
    error: str | None = None,
    cause: str | None = None,
    timeout: Duration | None = 30,
    store: Store | str | Path | None = None,
) -> Summary:
    """Stop an execution as StopExecution does; it ends ABORTED.

    An execution that another process runs is stopped by that process, which abandons running handlers. One whose
    process has crashed is ended here, and no user code runs.

    Args:
        run: RUN, or a handle or Result of it.
        error, cause: What the execution ends with.
        timeout: How long to wait for the other process; None: no limit.
        store: Where it is recorded; the project's store by default.

    Raises:
        ApiError: It has already ended.
        HistoryError: It is not found, or does not end in time.
    """
    located = locate(run, store)
    if located.store.describe(located.name).status in ENDED:
        raise ApiError("ValidationException", f"execution '{located.name}' has already ended")
    if not _is_free(located):
        _ask(located, Stopped(error, cause), None if timeout is None else milliseconds(timeout) / 1000)
    if located.store.describe(located.name).status not in ENDED:
        _end(located, Stopped(error, cause))
    return located.store.describe(located.name)


def _is_free(run: LocatedRun) -> bool:
    with run.store.lock(run.name) as owned:
        return owned


def _ask(run: LocatedRun, stopped: Stopped, seconds: float | None) -> None:
    """Have the process that runs the execution stop it, and wait until it has let go of it."""
    mailbox = run.store.mailbox(run.name)
    id = mailbox.send(Mail(_now(), "", stopped))
    began = time.monotonic()
    while not _is_free(run):
        if seconds is not None and time.monotonic() - began > seconds:
            mailbox.withdraw(id)
            raise HistoryError(f"execution '{run.name}' did not stop within {seconds:g} seconds", "kill its process")
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _end(run: LocatedRun, stopped: Stopped) -> None:
    """End an execution whose process has crashed."""
    journal, recording = run.store.open(run.name)
    with closing(journal):
        continuation = Continuation(recording, machines_of(recording), journal)
        continuation.run.deliver(Answered(latest(recording), "", stopped))
        continuation.end()


def send_task_success(target: str, output: Json | Payload = None, *, store: Store | str | Path | None = None) -> Token:
    """Answer the Task of a token with its result, whatever process runs the execution, or none.

    Args:
        target: A task token, or the RUN or RUN:PLACE of one.
        output: A JSON value; None means `{}`.
        store: Where the execution is recorded; the project's store by default.

    Returns:
        The token that was answered.

    Raises:
        ApiError: TaskTimedOut if the Task has ended, InvalidToken, InvalidOutput.
        UsageError: There is no open token at the target, or more than one.
    """
    return send(target, succeeded(output), project_store(store))


def send_task_failure(
    target: str, *, error: str | None = None, cause: str | None = None, store: Store | str | Path | None = None
) -> Token:
    """Answer the Task of a token with an error; see `send_task_success`."""
    return send(target, Failed(error, cause), project_store(store))


def send_task_heartbeat(target: str, *, store: Store | str | Path | None = None) -> Token:
    """Report that the worker of a token is still at work; see `send_task_success`."""
    return send(target, Heartbeat(), project_store(store))


def send(target: str, message: Message, store: Store) -> Token:
    """Mail a message to the Task of a token that is open according to its history."""
    located, token = _by_token(target, store) if is_task_token(target) else _by_address(target, store)
    located.store.mailbox(located.name).send(Mail(_now(), token.token, message))
    return token


class _OpenCalls:
    """Collects the calls with a task token that are open where a recording ends."""

    def __init__(self) -> None:
        self.calls: list[tuple[Call, int]] = []

    def adopt(self, key: str, effect: Sleep | Call | Pause, at: int, answers: Sequence[Answer]) -> None:
        if isinstance(effect, Call) and effect.request.token is not None:
            self.calls.append((effect, at))


def open_tokens(recording: Recording) -> list[Token]:
    """The task tokens that are open where a recording ends. No handler is called."""
    if recording.complete or "imported" in recording.start:
        return []
    continuation = Continuation(recording, machines_of(recording), NullJournal())
    found = _OpenCalls()
    continuation.hand_over(found)
    tokens = [_described(call, at, continuation.run) for call, at in found.calls]
    continuation.run.close()
    return tokens


def _described(call: Call, at: int, run: Run) -> Token:
    return Token(
        token=call.request.token or "",
        place=str(run.place_of(call.key) or Place.of(call.request.state)),
        run=run.execution.name,
        since=moment(at),
        timeout_at=None if call.timeout_ms is None else moment(at + call.timeout_ms),
        heartbeat_at=None if call.heartbeat_ms is None else moment(at + call.heartbeat_ms),
    )


def _by_token(text: str, store: Store) -> tuple[LocatedRun, Token]:
    for name in names_in_token(text):
        try:
            recording = store.read(name)
        except HistoryError:
            continue
        start = recording.start
        if key_of_token(Issuer(start["name"], start["arn"], start["seed"]), text) is not None:
            found = [token for token in open_tokens(recording) if token.token == text]
            if not found:
                raise ApiError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")  # AWS
            return LocatedRun(store, name), found[0]
    raise ApiError("InvalidToken", "Invalid Token: 'Invalid token'")  # AWS


def _by_address(target: str, store: Store) -> tuple[LocatedRun, Token]:
    run, place = parse_address(target)
    located = locate(run, store)
    return located, matching_token(open_tokens(located.store.read(located.name)), target, place)


def _now() -> int:
    return int(time.time() * 1000)
