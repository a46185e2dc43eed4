"""The one place where machine, driver, tasks and history are put together. This is the Python API.

machine = sfnrun.load("order.asl.yaml")
result = sfnrun.run(machine, {"id": 7}, tasks={"ChargeCard": charge})
assert result.status == "SUCCEEDED"
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from sfnrun.api.conduct import run_loop
from sfnrun.api.result import Result, result_of
from sfnrun.api.world import Answering, unheard
from sfnrun.asl.load import Definition, WorkflowType, load
from sfnrun.config import Project, Settings
from sfnrun.effects import Pause, Resumed
from sfnrun.engine.execution import LIMITS, NO_LIMITS, Execution, start_line
from sfnrun.errors import ApiError, HistoryError, UsageError
from sfnrun.history.file import HistoryFile
from sfnrun.history.journal import EventList, ListenerJournal, combined
from sfnrun.history.mailbox import MailFile
from sfnrun.history.store import already_exists
from sfnrun.payload import Json, Payload
from sfnrun.record import ACCOUNT, REGION, Listener
from sfnrun.world.world import Clock

if TYPE_CHECKING:
    from sfnrun.api.caching import CacheOptions
    from sfnrun.tasks.callables import Tasks

__all__ = ["Clock", "run"]

# A seeded run under the virtual clock begins at a time of its own, so that it is the same run every time.
SEEDED_START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z


def run(
    definition: Definition,
    input: Json = None,
    *,
    tasks: Tasks = None,
    config: Project | Settings | str | Path | Sequence[str | Path] | None = None,
    functions: str | Path | None = None,
    mock_config: str | Path | None = None,
    test_case: str | None = None,
    clock: Clock = "virtual",
    workflow_type: WorkflowType = "STANDARD",
    synchronous: bool = True,
    name: str | None = None,
    execution_arn: str | None = None,
    state_machine_name: str | None = None,
    role_arn: str | None = None,
    region: str | None = None,
    account: str | None = None,
    seed: int | None = None,
    start_time: int | None = None,
    limits: bool = True,
    substitutions: Mapping[str, Json] | None = None,
    history: str | Path | None = None,
    listener: Listener | None = None,
    keep_events: bool = True,
    step: Callable[[Pause], Resumed] | None = None,
    debug: bool = False,
    interruptible: bool = False,
    stop_at: int | None = None,
    activities: Collection[str] | None = None,
    fsync: bool = False,
    cache: CacheOptions | None = None,
    say: Callable[[str], None] = unheard,
) -> Result:
    """Run a state machine to its end and tell how it went.

    `input` is a JSON value, or a Payload, which keeps its text; None is `{}`. `tasks` is a callable that gets one
    Request and returns JSON or raises TaskFailed, or a mapping of state, function or resource names to such; without
    it, and for `config` (an sfnrun.yaml), Tasks are answered as that file says and by the `functions` folder.
    `mock_config` is a MockConfigFile.json, whose `test_case` comes first. An EXPRESS execution is `synchronous` if it
    is started as by StartSyncExecution.

    `seed` decides all randomness; with it and the virtual clock a run is the same every time. `start_time` is in
    milliseconds since 1970, and so is `stop_at`, when somebody calls StopExecution. `history` is a folder to record
    in; with `fsync` each answer is on the disk before it counts. `step` is asked before every state. `debug` runs
    handlers on this thread, without time limits. `interruptible` makes Ctrl-C abort the execution. `activities` are the
    ARNs of those that exist; None: all that Tasks name. `cache` goes before what the settings say of keeping answers,
    and `say` hears, once, of a cache that cannot be used.

    A failed execution is a Result, not an exception; DefinitionError, UnansweredTaskError and other SfnrunErrors are
    raised before anything runs.
    """
    answering = Answering(
        tasks=tasks,
        config=config,
        functions=functions,
        mock_config=mock_config,
        test_case=test_case,
        cache=cache,
        say=say,
        step=step,
        debug=debug,
    )
    project = answering.project(definition)
    settings = project.settings
    substitutions = {**project.substitutions, **(substitutions or {})}
    machine = load(
        definition, substitutions=substitutions, workflow_type=workflow_type, limits=limits, ignore=settings.ignore
    )
    machine_name = state_machine_name or project.machine or machine.name
    region, account = region or settings.region or REGION, account or settings.account or ACCOUNT
    seed = settings.seed if seed is None else seed
    seeded = clock == "virtual" and seed is not None
    payload = input if isinstance(input, Payload) else Payload.from_python({} if input is None else input)
    _refuse_what_aws_refuses(name, payload, limits)
    prefix = f"arn:aws:states:{region}:{account}"
    chance = random.SystemRandom().getrandbits(48) if seed is None else seed

    def named(name: str) -> Execution:
        """It starts when it gets its name, which is after everything else was found."""
        kind = "execution" if workflow_type == "STANDARD" else "express"
        return Execution(
            name=name,
            arn=execution_arn or f"{prefix}:{kind}:{machine_name}:{name}",
            state_machine_name=machine_name,
            state_machine_arn=f"{prefix}:stateMachine:{machine_name}",
            role_arn=role_arn or project.own.role_arn or f"arn:aws:iam::{account}:role/StepFunctionsRole",
            input=payload,
            start_time=start_time if start_time is not None else SEEDED_START_MS if seeded else int(time.time() * 1000),
            seed=chance,
            workflow_type=workflow_type,
            synchronous=synchronous,
            region=region,
            account=account,
            activities=None if activities is None else frozenset(activities),
        )

    def begun(path: Path, execution: Execution) -> HistoryFile:
        line = start_line(machine, execution, limits=limits, stepping=step is not None)
        how = {"clock": clock, "ignore": list(settings.ignore), **answering.recorded()}
        return HistoryFile(path, {**line, **how}, fsync=fsync)

    with ExitStack() as opened:
        stage = opened.enter_context(answering.world(machine, project, machine_name, clock))
        chosen = name or _default_name(machine.name, seed if seeded else None)
        execution, file = _recorded(named, chosen, name is not None, history, begun)
        if file is not None:
            opened.callback(file.close)
        kept = EventList() if keep_events else None
        told = None if listener is None else ListenerJournal(listener)
        hosted = stage.world.start(
            machine,
            execution,
            combined([journal for journal in (file, kept, told) if journal is not None]),
            stage.answerer,
            limits=LIMITS if limits else NO_LIMITS,
            step=stage.step,
            stepping=step is not None,
            stop_at=stop_at,
            mailbox=None if file is None else MailFile(file.path),
        )
        outcome = run_loop(stage.world, hosted, interruptible=interruptible)
    return result_of(execution, outcome, kept.events if kept else [], None if file is None else file.path)


# https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
LAST = re.compile(r"last(?:~[0-9]+)?")
NOT_IN_A_NAME = re.compile(r'[\s?*<>{}\[\]:;,\\|^~$#%&`"/\x00-\x1f\x7f-\x9f]')


def _refuse_what_aws_refuses(name: str | None, payload: Payload, limits: bool) -> None:
    """Apply StartExecution's own rules, before anything runs. The name becomes the name of a file, too."""
    if name is not None:
        found = NOT_IN_A_NAME.search(name)
        if found or not 0 < len(name) <= 80:
            hint = f"remove {found[0]!r}" if found else "a name has 1 to 80 characters"
            raise ApiError("InvalidName", f"Invalid Name: '{name}'", hint)
        if LAST.fullmatch(name):
            raise UsageError(f"invalid name '{name}'", "last is the address of the execution that was started last")
    if limits and LIMITS.data_bytes is not None and payload.exceeds(LIMITS.data_bytes):
        size = len(payload.text.encode("utf-8", "surrogatepass"))
        message = f"input is {size:,} bytes, more than the limit of {LIMITS.data_bytes:,}"
        raise UsageError(message, "pass --no-limits to disable AWS quotas")


def _recorded(
    named: Callable[[str], Execution],
    chosen: str,
    insisted: bool,
    folder: str | Path | None,
    begun: Callable[[Path, Execution], HistoryFile],
) -> tuple[Execution, HistoryFile | None]:
    """The execution under its name, and its history file. A name that we made up gives way to one that is taken."""
    for number in range(1, 10_000):
        execution = named(chosen if number == 1 else f"{chosen}-{number}")
        if folder is None:
            return execution, None
        path = Path(folder) / f"{execution.name}.jsonl"
        try:
            return execution, begun(path, execution)
        except HistoryError:
            if not path.exists():
                raise
            if insisted:
                raise already_exists(execution.arn) from None
    raise HistoryError(f"too many executions named '{chosen}' in {folder}", "pass --name to choose another name")


def _default_name(machine: str, seed: int | None) -> str:
    return f"{machine}-seed-{seed}" if seed is not None else f"{machine}-{time.strftime('%Y%m%d-%H%M%S')}"
