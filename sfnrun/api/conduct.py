"""One execution is run by a driver, with what has to be seen to around it: Ctrl-C, requests to stop, the collector."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from sfnrun.asl.model import Machine
from sfnrun.effects import Answerer, Driver, Pause, Resumed, Stopped
from sfnrun.engine.execution import LIMITS, NO_LIMITS, Execution
from sfnrun.engine.loop import ForeignHistory
from sfnrun.engine.run import Outcome, Redrives, interpret, no_redrives
from sfnrun.history.stop_request import requested_stop, withdraw_stop
from sfnrun.record import Journal
from sfnrun.world.perform import run_on
from sfnrun.world.real import RealDriver
from sfnrun.world.virtual import VirtualDriver

__all__ = ["Clock", "LiveDriver", "conduct", "driver_for", "unhurried_collector"]

Clock = Literal["virtual", "real"]
LiveDriver = VirtualDriver | RealDriver

# So many new objects before the collector looks for cycles among them; 700 is Python's own.
UNHURRIED = 100_000

# How long somebody who asks for a stop may have to wait until the request is seen.
SECONDS_BETWEEN_LOOKS = 0.2


def driver_for(clock: Clock, answerer: Answerer, step: Callable[[Pause], Resumed] | None, debug: bool) -> LiveDriver:
    """The driver of a clock; `debug` runs handlers on this thread."""
    if clock == "virtual":
        return VirtualDriver(answerer, step or run_on)
    return RealDriver(answerer, step or run_on, threads=not debug)


def conduct(
    machine: Machine,
    execution: Execution,
    driver: Driver,
    journal: Journal,
    *,
    limits: bool,
    stepping: bool = False,
    live: LiveDriver | None = None,
    history: Path | None = None,
    interruptible: bool = False,
    redrives: Redrives = no_redrives,
    ledger: ForeignHistory | None = None,
) -> Outcome:
    """Run an execution to its end.

    `live` is the driver whose clock it is, and which is told to stop: on Ctrl-C if `interruptible`, and when somebody
    asks for it beside the `history`.
    """
    with ExitStack() as around:
        around.enter_context(unhurried_collector())
        if live is not None and interruptible:
            around.enter_context(_interrupting(live))
        if live is not None and history is not None:
            around.enter_context(_stoppable(live, history))
        bounds = LIMITS if limits else NO_LIMITS
        return interpret(machine, execution, driver, journal, bounds, stepping, ledger, redrives)


@contextmanager
def unhurried_collector() -> Iterator[None]:
    """A run makes many small objects and no cycles of them; looking for cycles as often as usual costs a third."""
    before = gc.get_threshold()
    gc.set_threshold(UNHURRIED, *before[1:])
    try:
        yield
    finally:
        if before[0] != UNHURRIED:  # else another thread's run set it, and puts it back
            gc.set_threshold(*before)


@contextmanager
def _interrupting(driver: LiveDriver) -> Iterator[None]:
    """Ctrl-C stops the execution as StopExecution would, so that its history has an end; a second one insists.

    Where the signal is ignored, as in a background job of a shell script, it stays ignored.
    """
    on_main_thread = threading.current_thread() is threading.main_thread()
    if not on_main_thread or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield
        return

    def on_interrupt(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        driver.stop(Stopped())

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _stoppable(driver: LiveDriver, history: Path) -> Iterator[None]:
    """Whoever asks for it beside the history stops the execution, from any process."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            request = requested_stop(history)
            if request is not None:
                driver.stop(Stopped(*request))
                return

    threading.Thread(target=look, name="sfnrun-stop", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        withdraw_stop(history)
