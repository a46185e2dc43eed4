"""A mailbox is appended to by any number of processes, and read by one."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from sfnrun.effects import Failed, Heartbeat, Mail, Stopped, Succeeded
from sfnrun.errors import HistoryError
from sfnrun.history.mailbox import MailFile
from sfnrun.payload import Payload

HALF_A_CHARACTER = "half \ud800 a character"


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return tmp_path / "n.jsonl"


def mail(number: int, token: str = "t") -> Mail:
    return Mail(number, token, Failed("E", str(number)))


@pytest.mark.parametrize(
    "message",
    [
        Succeeded(Payload.parse('{"a": 1.0,\r\n "b": []}')),
        Succeeded(Payload(HALF_A_CHARACTER)),
        Succeeded(Payload("x" * 300_000)),
        Failed("E", HALF_A_CHARACTER),
        Failed(),
        Failed(cause="\n{}\n"),
        Heartbeat(),
        Stopped("Why", "because"),
        Stopped(),
    ],
    ids=lambda message: type(message).__name__,
)
def test_what_is_sent_is_collected(message: Succeeded | Failed | Heartbeat | Stopped, history: Path) -> None:
    MailFile(history).send(Mail(5, "token", message))
    (collected,) = MailFile(history).collect()
    assert collected[:2] == (5, "token")
    assert type(collected.message) is type(message)
    if isinstance(message, Succeeded):
        assert isinstance(collected.message, Succeeded)
        assert collected.message.output.text == message.output.text
    else:
        assert collected.message == message


def test_each_mail_is_collected_once_and_in_order(history: Path) -> None:
    sender, owner = MailFile(history), MailFile(history)
    assert owner.collect() == []
    sender.send(mail(1))
    sender.send(mail(2))
    assert owner.collect() == [mail(1), mail(2)]
    assert owner.collect() == []
    sender.send(mail(3))
    assert owner.collect() == [mail(3)]


def test_another_owner_collects_everything_again(history: Path) -> None:
    sender = MailFile(history)
    sender.send(mail(1))
    MailFile(history).collect()
    assert MailFile(history).collect() == [mail(1)]


@pytest.mark.parametrize("part", [1, 10, 0.5, -2, -1])
def test_a_torn_line_is_void_and_does_not_spoil_the_next(part: float, history: Path) -> None:
    sender, owner = MailFile(history), MailFile(history)
    sender.send(mail(1))
    whole = sender.path.read_bytes()
    sender.send(mail(2))
    line = sender.path.read_bytes()[len(whole) :]
    left = line[: int(part * len(line)) if isinstance(part, float) else part]
    sender.path.write_bytes(whole + left)
    assert owner.collect() == [mail(1)]
    sender.send(mail(3))
    torn = left != line[:-1]  # a line that lacks nothing but its end is not torn
    assert owner.collect() == [mail(3)] if torn else [mail(2), mail(3)]


@pytest.mark.parametrize(
    "line", ["null", "[]", "{}", '{"mail": 1}', '{"mail": "Later"}', '{"mail": "Succeeded", "at": 1}', "\x00\x00"]
)
def test_a_line_that_is_no_mail_is_ignored(line: str, history: Path) -> None:
    sender = MailFile(history)
    sender.path.write_text(line + "\n")
    sender.send(mail(1))
    assert MailFile(history).collect() == [mail(1)]


def test_mail_is_withdrawn_as_long_as_it_is_not_collected(history: Path) -> None:
    sender, owner = MailFile(history), MailFile(history)
    first = sender.send(Mail(1, "", Stopped()))
    sender.send(mail(2))
    sender.withdraw(first)
    assert owner.collect() == [mail(2)]
    third = sender.send(mail(3))
    assert owner.collect() == [mail(3)]
    sender.withdraw(third)
    assert owner.collect() == []


def test_a_mailbox_that_is_removed_begins_again(history: Path) -> None:
    sender, owner = MailFile(history), MailFile(history)
    sender.send(mail(1))
    owner.collect()
    owner.discard()
    assert not sender.path.exists()
    owner.discard()
    sender.send(mail(2))
    assert owner.collect() == [mail(2)]


def send_many(history: str, sender: int, count: int) -> None:
    box = MailFile(Path(history))
    for number in range(count):
        box.send(mail(number, str(sender)))


def test_processes_that_send_at_once_lose_nothing(history: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=send_many, args=(str(history), sender, 25)) for sender in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    collected = MailFile(history).collect()
    assert len(collected) == 100
    for sender in range(4):
        assert [one.at for one in collected if one.token == str(sender)] == list(range(25))


def test_mail_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HistoryError, match="cannot write the mailbox"):
        MailFile(tmp_path / "file" / "n.jsonl").send(mail(1))
    assert MailFile(tmp_path / "file" / "n.jsonl").collect() == []


@pytest.mark.skipif(os.name != "posix", reason="a removed file can be open")
def test_mail_is_not_written_into_a_mailbox_that_was_just_removed(
    history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redrive removes what was left; who waited for the lock then must not write where nobody looks."""
    from sfnrun.history import mailbox

    owner, taken = MailFile(history), []

    def take(file: object) -> bool:
        if not taken:
            owner.discard()
        taken.append(file)
        return True

    monkeypatch.setattr(mailbox, "acquire", take)
    MailFile(history).send(mail(1))
    assert len(taken) == 2
    assert owner.collect() == [mail(1)]
