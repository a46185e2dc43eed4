"""How other threads and processes reach a World: answers by task token, mailboxes, and threads that wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from sfnrun.effects import Answer, Failed, Heartbeat, Mail, Stopped, Succeeded
from sfnrun.errors import UsageError
from sfnrun.world.hosted import STOP, Host, Hosted, OpenToken

__all__ = ["LONGEST_WAIT_S", "Correspondence", "Lead"]

# Longest blocking wait, in seconds: a SIGINT that arrives just before a blocking call is handled when it returns.
LONGEST_WAIT_S = 0.25
# Seconds between two polls of the mailboxes; more if polling would take more than 1 % of the time.
POLL_S, POLL_SHARE = 0.2, 0.01


class Correspondence:
    """Delivers answers, heartbeats and mail to the executions of a World, on the World's thread."""

    def __init__(self, host: Host) -> None:
        self.poll_at = 0.0
        """When to poll the mailboxes next, a time of time.monotonic."""
        self.polled_at = 0
        """When the mailboxes were polled last, a time of the World."""
        self._host = host
        self._mailed: dict[Hosted, None] = {}

    @property
    def is_expected(self) -> bool:
        """Whether any execution has a mailbox."""
        return bool(self._mailed)

    def expect(self, hosted: Hosted) -> None:
        """Poll the mailbox of an execution from now on, if it has one."""
        if hosted.mailbox is not None:
            self._mailed[hosted] = None
            self.poll_at = 0.0

    def end(self, hosted: Hosted) -> None:
        """Remove the mailbox of an execution that has ended. After an error it stays: the execution can be resumed."""
        self._mailed.pop(hosted, None)
        if hosted.mailbox is not None and hosted.error is None:
            hosted.mailbox.discard()

    def poll(self) -> bool:
        """Collect and deliver mail; return whether there was any."""
        began = time.monotonic()
        self.polled_at = self._host.now
        mails = [(hosted, mail) for hosted in list(self._mailed) if hosted.mailbox for mail in hosted.mailbox.collect()]
        for hosted, mail in mails:
            self._open(hosted, mail)
        ended = time.monotonic()
        self.poll_at = ended + max(POLL_S, (ended - began) / POLL_SHARE)
        return bool(mails)

    def _open(self, hosted: Hosted, mail: Mail) -> None:
        at, text, message = mail
        token = self._host.tokens.open.get(text)
        if isinstance(message, Stopped):
            self.stop(hosted, message, at)
        elif isinstance(message, Heartbeat):
            if token is not None:
                self.beat(token, at)
        elif token is None:
            hosted.early_mail[text] = message
        else:
            self._host.tokens.withdraw(token)
            self.answer(token, message, at)

    def stop(self, hosted: Hosted, stopped: Stopped, sent_at: int | None = None) -> None:
        """End an execution as StopExecution does."""
        self._give(hosted, STOP, stopped, sent_at)

    def answer(self, token: OpenToken, answer: Succeeded | Failed, sent_at: int | None = None) -> None:
        """Answer the Task of a token that was taken out of the table."""
        if token.ready:
            self._give(token.hosted, token.call.key, answer, sent_at)
        else:
            token.early = answer

    def _give(self, hosted: Hosted, key: str, answer: Answer, sent_at: int | None) -> None:
        if sent_at is None or self._host.is_virtual:
            self._host.give(hosted, self._host.now, key, answer)
        else:  # by when it was sent: a timeout that is due by now can be earlier or later
            self._host.agenda.push(sent_at, hosted, key, answer)

    def beat(self, token: OpenToken, sent_at: int | None = None) -> None:
        """Restart the time until the next heartbeat is due."""
        if token.call.heartbeat_ms is not None:
            beaten_at = self._host.now if sent_at is None or self._host.is_virtual else sent_at
            token.heartbeat_by = max(token.heartbeat_by or 0, beaten_at + token.call.heartbeat_ms)


class Lead:
    """Decides which thread turns a World: the first one that waits leads, the others follow.

    `inside` are threads that the World itself can wait for. Like the leader, they must not wait for the World.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._leader: int | None = None
        self._followers = 0

    def take(self, inside: Collection[int]) -> None:
        """Wait until there is no leader, and become it. Raises UsageError inside a handler."""
        self._refuse_inside(inside)
        with self._changed:
            while self._leader is not None:
                self._changed.wait(LONGEST_WAIT_S)
            self._leader = threading.get_ident()

    def follow(
        self,
        is_done: Callable[[], bool],
        turn: Callable[[float | None], None],
        seconds: float | None,
        inside: Collection[int],
    ) -> None:
        """Wait until something is done; call `turn` to get there if there is no leader.

        `turn` gets the time of time.monotonic when the `seconds` are over. Raises TimeoutError then.
        """
        self._refuse_inside(inside)
        end = None if seconds is None else time.monotonic() + seconds
        while not is_done():
            left = LONGEST_WAIT_S if end is None else end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"the execution has not ended in {seconds:g} seconds")
            with self._changed:
                leads = self._leader is None
                if leads:
                    self._leader = threading.get_ident()
                elif not is_done():
                    self._followers += 1
                    self._changed.wait(min(left, LONGEST_WAIT_S))
                    self._followers -= 1
            if leads:
                with self.leading():
                    turn(end)

    @contextmanager
    def leading(self) -> Iterator[None]:
        """Resign when the block ends."""
        try:
            yield
        finally:
            with self._changed:
                self._leader = None
                self._changed.notify_all()

    def notify(self) -> None:
        """Wake the followers: an execution has ended."""
        if self._followers:
            with self._changed:
                self._changed.notify_all()

    def _refuse_inside(self, inside: Collection[int]) -> None:
        thread = threading.get_ident()
        if thread == self._leader or thread in inside:
            raise UsageError("cannot wait for an execution inside a handler", "wait outside of handlers")
