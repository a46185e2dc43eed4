"""One execution in a World: takes the execution's effects and delivers the answers to it.

A Sleep becomes an entry of the agenda, a Pause is answered by `step`, a Call by its handler (see `calls`). A Call with
a task token is also in the World's table of tokens, by which it can be answered from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from sfnrun.addresses import Place
from sfnrun.effects import (
    Answer,
    Answered,
    Answerer,
    Call,
    Failed,
    Logged,
    Mail,
    Pause,
    Resumed,
    Sleep,
    Slept,
    Started,
    Submitted,
    Succeeded,
    TimedOut,
)
from sfnrun.engine.execution import Issuer, key_of_token, names_in_token
from sfnrun.engine.run import Outcome, Run
from sfnrun.errors import ApiError, Token
from sfnrun.world.agenda import Agenda

__all__ = ["STOP", "Host", "Hosted", "Mailbox", "OpenToken", "Step", "Tokens", "run_on"]

# The key under which an execution takes Stopped.
STOP = ""
# Number of executions whose tokens are distinguished from foreign ones after their end.
MOST_ISSUERS = 10_000

SLEPT = Slept()
TIMED_OUT, SILENT = TimedOut(), TimedOut(heartbeat=True)

Step = Callable[[Pause], Resumed]


def run_on(pause: Pause) -> Resumed:
    """Answer every Pause when no one steps."""
    return Resumed()


class Mailbox(Protocol):
    """What other processes have sent to an execution."""

    def collect(self) -> Sequence[Mail]:
        """Return what has come since the last call, in order."""

    def discard(self) -> None:
        """Remove the mailbox: the execution has ended."""


class OpenToken:
    """A task token without an answer.

    `heartbeat_by` is when the next heartbeat is due. An answer that comes before the Task was submitted waits in
    `early` until the token is `ready`: AWS has no TaskSucceeded before TaskSubmitted, however quick a worker is.
    """

    __slots__ = ("call", "early", "heartbeat_by", "hosted", "ready", "since", "timeout_at", "token")

    def __init__(self, hosted: Hosted, call: Call, token: str, since: int) -> None:
        self.hosted = hosted
        self.call = call
        self.token = token
        self.since = since
        self.timeout_at: int | None = None
        self.heartbeat_by: int | None = None
        self.early: Succeeded | Failed | None = None
        self.ready = False

    def described(self) -> Token:
        """Return the token's public description."""
        run = self.hosted.run
        return Token(
            token=self.token,
            place=str(run.place_of(self.call.key) or Place.of(self.call.request.state)),
            run=run.execution.name,
            since=_moment(self.since),
            timeout_at=None if self.timeout_at is None else _moment(self.timeout_at),
            heartbeat_at=None if self.heartbeat_by is None else _moment(self.heartbeat_by),
        )


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


class Tokens:
    """The open task tokens of a World. Its methods can be called from any thread, and from a signal handler.

    A token leaves the table when it is answered, so the second of two answers is rejected.
    """

    def __init__(self) -> None:
        self.open: dict[str, OpenToken] = {}
        self._issuers: dict[str, tuple[Issuer, ...]] = {}

    def issue(self, token: OpenToken) -> None:
        """Add a token."""
        self.open[token.token] = token
        execution = token.hosted.run.execution
        known = self._issuers.get(execution.name, ())
        if all(issuer.arn != execution.arn for issuer in known):
            self._issuers[execution.name] = (*known, Issuer(execution.name, execution.arn, execution.seed))
            if len(self._issuers) > MOST_ISSUERS:
                del self._issuers[next(iter(self._issuers))]

    def withdraw(self, token: OpenToken) -> None:
        """Close a token: its Task has ended."""
        self.open.pop(token.token, None)

    def list(self) -> list[Token]:
        """Return the open tokens."""
        return [token.described() for token in tuple(self.open.values())]

    def take(self, text: str) -> OpenToken:
        """Remove and return a token, to answer it. Raises ApiError if it is not open."""
        token = self.open.pop(text, None)
        if token is None:
            raise self._refusal(text)
        return token

    def find(self, text: str) -> OpenToken:
        """Return a token. Raises ApiError if it is not open."""
        token = self.open.get(text)
        if token is None:
            raise self._refusal(text)
        return token

    def _refusal(self, text: str) -> ApiError:
        for name in names_in_token(text):
            if any(key_of_token(issuer, text) is not None for issuer in self._issuers.get(name, ())):
                return ApiError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")  # AWS
        return ApiError("InvalidToken", "Invalid Token: 'Invalid token'")  # AWS


class Host(Protocol):
    """The World as its executions and calls see it."""

    agenda: Agenda
    tokens: Tokens
    is_virtual: bool
    dirty: dict[Hosted, None]

    @property
    def now(self) -> int: ...

    def begin_call(self, hosted: Hosted, call: Call, at: int) -> None:
        """Start a Call."""

    def repeat_call(self, hosted: Hosted, call: Call, at: int) -> None:
        """Start a Call whose handler was called before, by a process that was killed."""

    def pause(self, hosted: Hosted, pause: Pause, at: int) -> None:
        """Start a Pause."""

    def give(self, hosted: Hosted, at: int, key: str, answer: Answer) -> None:
        """Queue an answer; it comes before everything on the agenda."""

    def advanced(self, hosted: Hosted) -> None:
        """Handle what an execution has come to: it has ended, or it has more to do."""

    def post(self, function: Callable[..., None], *args: Any) -> None:
        """Call a function on the World's thread. Can be called from any thread."""

    def fail(self, hosted: Hosted, error: BaseException) -> None:
        """End an execution with an exception; raise it again if it is not an Exception."""

    def attempt(self, hosted: Hosted, function: Callable[..., None], *args: Any) -> None:
        """Call a function; an exception ends only this execution."""


class Hosted:
    """One execution in a World.

    `open` has the keys of its open effects, each with what cancels it, if anything does. An execution is `done` when it
    has an `outcome`, or an `error`: an exception that is not a failure of the execution, such as a full disk or a bug.
    """

    __slots__ = (
        "_adopted", "_host", "_pending", "_tokens", "answerer", "early_mail", "error", "mailbox", "on_end", "open",
        "outcome", "run", "step",
    )  # fmt: skip

    def __init__(
        self,
        host: Host,
        run: Run,
        answerer: Answerer,
        step: Step | None,
        mailbox: Mailbox | None,
        on_end: Callable[[Hosted], None] | None,
    ) -> None:
        self._host = host
        self.run = run
        self.answerer = answerer
        self.step = step
        self.mailbox = mailbox
        self.on_end = on_end
        self.open: dict[str, Callable[[], None] | None] = {STOP: None}
        self.outcome: Outcome | None = None
        self.error: BaseException | None = None
        # Mail for tokens that are not open yet: a history that has lost its last lines is behind its mailbox.
        self.early_mail: dict[str, Succeeded | Failed] = {}
        self._tokens: dict[str, OpenToken] = {}
        self._adopted: dict[str, frozenset[type[Answer]]] = {}
        self._pending: list[Answered] = []  # mostly empty, and a deque takes half a KiB

    @property
    def done(self) -> bool:
        """Whether the execution has ended here."""
        return self.outcome is not None or self.error is not None

    # --- effects ---

    def begin(self, key: str, effect: Sleep | Call | Pause, at: int) -> None:
        """Start an effect."""
        self.open[key] = None
        if isinstance(effect, Sleep):
            self._host.agenda.push(effect.until, self, key, SLEPT, daemon=effect.daemon)
        elif isinstance(effect, Pause):
            self._host.pause(self, effect, at)
        else:
            self._host.begin_call(self, effect, at)
            self._arm(effect, at, at)

    def adopt(self, key: str, effect: Sleep | Call | Pause, at: int, answers: Sequence[Answer]) -> None:
        """Continue an effect that began in another process `at` a time, and has had these `answers`.

        A Wait keeps its end, and so does a Task that waits for its token: it is not submitted again. Every other Task
        is called again; under the real clock it has its whole time again.
        """
        again_at = at if self._host.is_virtual or isinstance(effect, Sleep) else self._host.now
        if not isinstance(effect, Call) or not answers:
            self.begin(key, effect, again_at)
            return
        self.open[key] = None
        self._adopted[key] = frozenset(map(type, answers))
        if effect.request.resource.pattern == "waitForTaskToken" and _waits(answers):
            self._arm(effect, at, again_at)  # nobody could hear a heartbeat in the meantime
            self._tokens[key].ready = True
            return
        self._arm(effect, again_at, again_at)
        self._host.repeat_call(self, effect, again_at)

    def _arm(self, call: Call, at: int, beating_from: int) -> None:
        """Start the timeouts of a Call, and issue its token."""
        key, request, agenda = call.key, call.request, self._host.agenda
        timeout_at = heartbeat_by = None
        if call.timeout_ms is not None:
            timeout_at = at + call.timeout_ms
            agenda.push(timeout_at, self, key, TIMED_OUT)
        if call.heartbeat_ms is not None:
            heartbeat_by = beating_from + call.heartbeat_ms
            agenda.push(heartbeat_by, self, key, SILENT)
        if request.token is not None:
            token = self._tokens[key] = OpenToken(self, call, request.token, at)
            token.timeout_at, token.heartbeat_by = timeout_at, heartbeat_by
            self._host.tokens.issue(token)
            if request.token in self.early_mail:
                token.early = self.early_mail.pop(request.token)

    def cancel(self, key: str) -> None:
        """End an effect; one that is not open any more stays as it is."""
        hook = self.open.pop(key, None)
        if self._adopted:
            self._adopted.pop(key, None)
        if self._tokens:
            token = self._tokens.pop(key, None)
            if token is not None:
                self._host.tokens.withdraw(token)
        if hook is not None:
            hook()

    def heartbeat_by(self, key: str) -> int:
        """Return when the next heartbeat of a Task is due; 0 for one that was never heard of."""
        token = self._tokens.get(key)
        return 0 if token is None or token.heartbeat_by is None else token.heartbeat_by

    # --- answers ---

    def deliver(self, at: int, key: str, answer: Answer) -> None:
        """Deliver an answer if its effect is still open. A busy execution gets it after its last slice."""
        if key not in self.open:
            return
        kind = type(answer)
        if kind is Started or kind is Submitted:
            if key in self._adopted and kind in self._adopted[key]:
                return  # recorded already
        elif kind is not Logged:
            self.cancel(key)
        if self.run.busy:
            self._pending.append(Answered(at, key, answer))
        else:
            self._deliver(Answered(at, key, answer))

    def _deliver(self, answered: Answered) -> None:
        run = self.run
        self._host.dirty[self] = None
        try:
            run.deliver(answered)
        except BaseException as error:
            self._host.fail(self, error)
        if self._tokens and answered.key in self._tokens:
            self._get_ready(self._tokens[answered.key], answered)
        if run.outcome is not None or run.busy:
            self._host.advanced(self)

    def _get_ready(self, token: OpenToken, answered: Answered) -> None:
        resource = token.call.request.resource
        if token.ready or not isinstance(answered.answer, Started if resource.kind == "activity" else Submitted):
            return
        token.ready = True
        if token.early is not None:
            self._host.give(self, answered.at, answered.key, token.early)

    def advance(self, function: Callable[..., None], *args: Any) -> None:
        """Start, resume or redrive the execution, and deliver what has come since."""
        self._host.dirty[self] = None
        self._host.attempt(self, function, *args)
        self._host.advanced(self)
        while self._pending and not self.run.busy and not self.done:
            self._deliver(self._pending.pop(0))

    def reopen(self) -> None:
        """Prepare for a redrive."""
        self.outcome = self.error = None
        self.open[STOP] = None
        self._pending.clear()


def _waits(answers: Sequence[Answer]) -> bool:
    """Whether a Task was submitted, and its result comes by the token."""
    return any(isinstance(answer, Submitted) and not answer.replied for answer in answers)
