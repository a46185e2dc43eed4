"""A process that runs an execution is killed, and another one continues it; what is sent in between waits for that."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from driving import CALLBACK, AnsweredBy, FakeTime, execution_of, machine_of

import sfnrun
from sfnrun import PENDING, Reply, Request
from sfnrun.effects import Answered, Failed, Handler, Heartbeat, Mail, Stopped, Submitted, Succeeded
from sfnrun.engine.execution import LIMITS, task_token
from sfnrun.engine.run import Outcome, Run
from sfnrun.errors import WaitingError
from sfnrun.history.mailbox import MailFile
from sfnrun.history.recording import read
from sfnrun.payload import Payload
from sfnrun.record import Event, Note
from sfnrun.world.world import World

TASK = {"Type": "Task", "Resource": CALLBACK, "Parameters": {"QueueUrl": "q", "MessageBody.$": "$$.Task.Token"}}
ONE = {"StartAt": "A", "States": {"A": {**TASK, "End": True}}}
TWO = {"StartAt": "A", "States": {"A": {**TASK, "Next": "B"}, "B": {**TASK, "End": True}}}

RESULT = Succeeded(Payload({"approved": True}))
BEAT = Heartbeat()


class Worker:
    """Takes messages, and answers none of them."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def __call__(self, request: Request) -> Reply:
        self.messages.append(str(request.token))
        return Reply(PENDING, submitted={"MessageId": request.key})


@pytest.fixture(params=["virtual", "real"])
def killed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The history of an execution whose process was killed when it waited for the token of its first Task."""
    return left_waiting(ONE, tmp_path, request.param)


def left_waiting(definition: dict[str, Any], folder: Path, clock: str) -> Path:
    with pytest.raises(WaitingError):
        sfnrun.run(
            definition,
            tasks=Worker(),
            store=folder,
            name="n",
            seed=1,
            start_time=datetime.now(UTC) - timedelta(seconds=5),
        )
    path = folder / "n.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"clock":"virtual"', f'"clock":"{clock}"'.encode(), 1))
    return path


def token_of(path: Path, key: str = ":1") -> str:
    from sfnrun.replayer.rerun import execution_of as recorded_execution

    return task_token(recorded_execution(read(path)), key)


def send(path: Path, message: Any, key: str = ":1") -> None:
    token = "" if isinstance(message, Stopped) else token_of(path, key)
    MailFile(path).send(Mail(int(time.time() * 1000), token, message))


def types_of(result: sfnrun.Result) -> list[str]:
    return [event["type"] for event in result.events]


def test_what_was_submitted_is_not_submitted_again(killed: Path) -> None:
    send(killed, RESULT)
    worker = Worker()
    result = sfnrun.resume(killed, tasks=worker)
    assert (result.status, result.output) == ("SUCCEEDED", {"approved": True})
    assert worker.messages == []
    assert types_of(result).count("TaskSubmitted") == 1
    assert sfnrun.replay(killed).events == result.events
    assert [file.name for file in killed.parent.iterdir()] == ["n.jsonl"]


@pytest.mark.parametrize(
    ("mail", "status", "error"),
    [
        ([Failed("Declined")], "FAILED", "Declined"),
        ([Heartbeat(), RESULT], "SUCCEEDED", None),
        ([RESULT, Failed("Second")], "SUCCEEDED", None),
        ([Failed("First"), RESULT], "FAILED", "First"),
        ([Stopped("Why", "because"), RESULT], "ABORTED", "Why"),
        ([RESULT, Stopped()], "SUCCEEDED", None),
    ],
    ids=["failed", "beaten", "answered twice", "failed and answered", "stopped", "stopped too late"],
)
def test_mail_waits_for_resume(mail: list[Any], status: str, error: str | None, killed: Path) -> None:
    for message in mail:
        send(killed, message)
    result = sfnrun.resume(killed, tasks=Worker())
    assert (result.status, result.error) == (status, error)
    assert not MailFile(killed).path.exists()


def test_it_still_waits_for_its_token_where_no_mail_has_come(tmp_path: Path) -> None:
    path = left_waiting(ONE, tmp_path, "virtual")
    before = path.read_bytes()
    worker = Worker()
    with pytest.raises(WaitingError) as caught:
        sfnrun.resume(path, tasks=worker)
    assert [token.token for token in caught.value.tokens] == [token_of(path)]
    assert worker.messages == []
    assert path.read_bytes() == before


def test_an_answer_that_was_recorded_is_not_taken_for_another_task(tmp_path: Path) -> None:
    """Killed after the answer was recorded, and before the mailbox was removed: it is read again, and is void."""
    path = left_waiting(TWO, tmp_path, "virtual")
    send(path, RESULT)
    mailbox = MailFile(path).path.read_bytes()
    with pytest.raises(WaitingError):
        sfnrun.resume(path, tasks=Worker())
    assert MailFile(path).path.read_bytes() == mailbox
    worker = Worker()
    with pytest.raises(WaitingError) as caught:
        sfnrun.resume(path, tasks=worker)
    assert [token.place for token in caught.value.tokens] == ["B"]
    assert worker.messages == []
    send(path, Succeeded(Payload(2)), ":2")
    assert sfnrun.resume(path, tasks=worker).output == 2


def test_an_answer_that_was_delivered_and_not_recorded_is_delivered_again(tmp_path: Path) -> None:
    path = left_waiting(TWO, tmp_path, "virtual")
    waiting = path.read_bytes()
    send(path, RESULT)
    with pytest.raises(WaitingError):
        sfnrun.resume(path, tasks=Worker())
    path.write_bytes(waiting)  # the kill came before any of it was on the disk
    worker = Worker()
    with pytest.raises(WaitingError):
        sfnrun.resume(path, tasks=worker)
    assert worker.messages == [token_of(path, ":2")]
    succeeded = [line for line in read(path).lines if line.get("answer") == "Succeeded"]
    assert [line["key"] for line in succeeded] == [":1"]


def test_mail_is_kept_where_the_history_has_lost_more_lines_than_the_mailbox(tmp_path: Path) -> None:
    """A computer that loses power can lose what was not synced; then the Task is submitted again, and answered."""
    path = left_waiting(ONE, tmp_path, "virtual")
    send(path, RESULT)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]))
    worker = Worker()
    result = sfnrun.resume(path, tasks=worker)
    assert (result.status, worker.messages) == ("SUCCEEDED", [token_of(path)])
    assert types_of(result)[-4:] == ["TaskSubmitted", "TaskSucceeded", "TaskStateExited", "ExecutionSucceeded"]


def test_mail_for_a_task_that_is_not_reached_yet_waits_for_it(tmp_path: Path) -> None:
    """The history has lost the first answer and all after it; the mailbox has lost nothing."""
    path = left_waiting(TWO, tmp_path, "virtual")
    waiting = path.read_bytes()
    send(path, RESULT)
    with pytest.raises(WaitingError):
        sfnrun.resume(path, tasks=Worker())
    send(path, Succeeded(Payload(2)), ":2")
    path.write_bytes(waiting)
    result = sfnrun.resume(path, tasks=Worker())
    assert result.output == 2
    assert types_of(result).count("TaskSubmitted") == 2


def test_a_virtual_clock_reads_the_mailbox_before_it_gives_up() -> None:
    """Mail that has come since the last poll, which is a fifth of a second ago or less."""
    world = World("virtual")

    class Second(Post):
        """A mailbox that is empty when it is read first."""

        reads = 0

        def collect(self) -> list[Mail]:
            self.reads += 1
            return super().collect() if self.reads == 2 else []

    post = Second(Mail(0, task_token(execution_of(), ":1"), RESULT))
    answerer = AnsweredBy({"T": Handler(Worker())})
    hosted = world.start(machine_of({"T": TASK}), execution_of(), Notebook(), answerer, mailbox=post)
    assert world.wait(hosted).status == "SUCCEEDED"


def test_a_request_to_stop_does_not_stop_the_redrive(tmp_path: Path) -> None:
    path = left_waiting(ONE, tmp_path, "virtual")
    send(path, Stopped())
    left = tmp_path / "left"
    shutil.copy(MailFile(path).path, left)
    assert sfnrun.resume(path, tasks=Worker()).status == "ABORTED"
    shutil.copy(left, MailFile(path).path)
    assert sfnrun.redrive(path, tasks=lambda request: 5).output == 5


def test_mail_of_an_execution_that_was_removed_is_not_for_the_next_of_its_name(tmp_path: Path) -> None:
    MailFile(tmp_path / "n.jsonl").send(Mail(0, "", Stopped()))
    assert sfnrun.run(ONE, tasks=lambda request: 5, store=tmp_path, name="n").output == 5
    assert [file.name for file in tmp_path.iterdir()] == ["n.jsonl"]


def test_a_handler_that_has_answered_by_itself_is_called_again(tmp_path: Path) -> None:
    """Nobody else has the token: waiting for it would have no end."""
    calls = []

    def answer(request: Request) -> Reply:
        calls.append(request.key)
        return Reply(5, submitted={"MessageId": "m"}, duration_ms=1000)

    path = sfnrun.run(ONE, tasks=answer, store=tmp_path, name="n", seed=1).history
    assert path is not None
    undisturbed = path.read_bytes()
    lines = undisturbed.splitlines(keepends=True)
    submitted = next(number for number, line in enumerate(lines) if b'"Submitted"' in line)
    path.write_bytes(b"".join(lines[: submitted + 1]))
    assert sfnrun.resume(path, tasks=answer).output == 5
    assert calls == [":1", ":1"]
    resumed = [line for line in path.read_bytes().splitlines(keepends=True) if b'"note":"resumed"' not in line]
    assert b"".join(resumed) == undisturbed


# --- timers ---


class Notebook:
    """A journal that keeps answers and events."""

    def __init__(self) -> None:
        self.answers: list[Answered] = []
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)

    def note(self, note: Note) -> None: ...

    def answer(self, answered: Answered) -> None:
        self.answers.append(answered)

    def flush(self) -> None: ...


class Recorder:
    """A sink that keeps what is open, to hand it over."""

    def __init__(self) -> None:
        self.open: dict[str, Any] = {}

    def begin(self, key: str, effect: Any, at: int) -> None:
        self.open[key] = (effect, at, [])

    def cancel(self, key: str) -> None:
        self.open.pop(key, None)


class Post:
    """A mailbox with this mail in it."""

    def __init__(self, *mail: Mail) -> None:
        self.mail = list(mail)

    def collect(self) -> list[Mail]:
        mail, self.mail = self.mail, []
        return mail

    def discard(self) -> None: ...


SECOND = 1000


def run_for(seconds: float, fields: dict[str, Any], clock: FakeTime) -> tuple[Notebook, int]:
    """Run a Task that waits for its token, in a World that is then left alone; when it started."""
    world, notebook = World("real", threads=False), Notebook()
    start = world.now
    answerer = AnsweredBy({"T": Handler(Worker())})
    world.start(machine_of({"T": {**TASK, **fields}}), execution_of(start_time=start), notebook, answerer)
    world.run(to=start + round(seconds * SECOND))
    return notebook, start


def resume_after(
    seconds: float, fields: dict[str, Any], notebook: Notebook, start: int, clock: FakeTime, *mail: Mail
) -> Outcome:
    """Continue it in another World, so long after the first was left."""
    clock.seconds += seconds
    recorder, again = Recorder(), Notebook()
    run = Run(machine_of({"T": {**TASK, **fields}}), execution_of(start_time=start), recorder, again, LIMITS)
    run.start()
    for answered in notebook.answers:
        recorder.open[answered.key][2].append(answered.answer)
        run.deliver(answered)
    assert any(isinstance(answered.answer, Submitted) for answered in notebook.answers)
    world = World("real", threads=False)
    with closing(world):
        hosted = world.adopt(run, AnsweredBy({}), mailbox=Post(*mail))
        for key, (effect, at, answers) in recorder.open.items():
            hosted.adopt(key, effect, at, answers)
        outcome = world.wait(hosted)
    notebook.events = again.events
    return outcome


RESUMED = {
    # fields; seconds of the first process, and then without any; mail sent at; how and when it ends, in seconds
    "it keeps its TimeoutSeconds": ({"TimeoutSeconds": 10}, 2, 3, [], "States.Timeout", 10),
    "a timeout that was missed comes at once": ({"TimeoutSeconds": 10}, 2, 30, [], "States.Timeout", 32),
    "a heartbeat has all its time": ({"HeartbeatSeconds": 4}, 2, 30, [], "States.Timeout", 36),
    "an answer before the timeout counts": ({"TimeoutSeconds": 10}, 2, 30, [(9, RESULT)], None, 32),
    "an answer after the timeout is late": ({"TimeoutSeconds": 10}, 2, 30, [(11, RESULT)], "States.Timeout", 32),
    "the latest heartbeat counts": ({"HeartbeatSeconds": 4}, 2, 30, [(34, BEAT), (33, BEAT)], "States.Timeout", 38),
    "heartbeats go on": ({"HeartbeatSeconds": 4}, 2, 3, [(4.5, BEAT), (8, RESULT)], None, 8),
}


@pytest.mark.parametrize("case", RESUMED.values(), ids=RESUMED)
def test_timers_after_a_kill(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fields, before, without, mail, error, ended = case
    clock = FakeTime()
    clock.install(monkeypatch)
    notebook, start = run_for(before, fields, clock)
    token = task_token(execution_of(start_time=start), ":1")
    mails = [Mail(start + round(at * SECOND), token, message) for at, message in mail]
    outcome = resume_after(without, fields, notebook, start, clock, *mails)
    assert (outcome.error, round((outcome.at - start) / SECOND)) == (error, ended)


class LatePost(Post):
    """A mailbox into which mail comes at a time of the World."""

    def __init__(self, world: World, at: int, mail: Mail) -> None:
        super().__init__(mail)
        self.world = world
        self.at = at

    def collect(self) -> list[Mail]:
        return super().collect() if self.world.now >= self.at else []


@pytest.mark.parametrize(("message", "ended"), [(RESULT, None), (Heartbeat(), "States.Timeout")])
def test_mail_that_was_sent_in_time_counts_however_seldom_it_is_looked_for(
    message: Any, ended: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender has heard that all is well; so before a Task times out the mailbox is read once more."""
    FakeTime().install(monkeypatch)
    monkeypatch.setattr("sfnrun.world.outside.POLL_S", 3.0)
    world, notebook = World("real", threads=False), Notebook()
    start = world.now
    token = task_token(execution_of(start_time=start), ":1")
    post = LatePost(world, start + 9_500, Mail(start + 9_500, token, message))
    hosted = world.start(
        machine_of({"T": {**TASK, "HeartbeatSeconds": 10}}), execution_of(start_time=start), notebook,
        AnsweredBy({"T": Handler(Worker())}), mailbox=post,
    )  # fmt: skip
    outcome = world.wait(hosted)
    assert (outcome.error, round((outcome.at - start) / SECOND)) == (ended, 10 if ended is None else 20)


# --- real processes ---

SCRIPT = """
import json, sys, sfnrun
def submit(request):
    print(request.token, flush=True)
    return sfnrun.PENDING
result = sfnrun.run(json.loads(sys.argv[1]), tasks=submit, store=sys.argv[2], name="n", clock="real")
print(result.status, result.output_text)
"""


@pytest.fixture
def process(tmp_path: Path) -> Any:
    import json

    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps(ONE), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_a_token_is_answered_from_another_process(process: Any, tmp_path: Path) -> None:
    token = process.stdout.readline().strip()
    MailFile(tmp_path / "n.jsonl").send(Mail(int(time.time() * 1000), token, RESULT))
    assert process.stdout.readline().strip() == 'SUCCEEDED {"approved":true}'
    assert process.wait() == 0
    assert [file.name for file in tmp_path.iterdir()] == ["n.jsonl"]


def test_a_token_is_answered_when_its_process_is_dead(process: Any, tmp_path: Path) -> None:
    token = process.stdout.readline().strip()
    path = tmp_path / "n.jsonl"
    while b'"Submitted"' not in path.read_bytes():
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    MailFile(path).send(Mail(int(time.time() * 1000), token, RESULT))
    worker = Worker()
    assert sfnrun.resume(path, tasks=worker).output == {"approved": True}
    assert worker.messages == []
