"""Runs one execution of a World to its end, with what concerns the whole process: Ctrl-C, and the garbage collector."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from sfnrun.effects import Stopped
from sfnrun.engine.run import Outcome
from sfnrun.world.hosted import Hosted
from sfnrun.world.world import World

__all__ = ["GC_THRESHOLD", "relaxed_gc", "run_loop"]

# The collector looks for cycles after this many new objects (Python: 700). A run makes many objects and no cycles;
# looking as often as usual takes a third of its time (tests/bench/engine.py).
GC_THRESHOLD = 100_000


def run_loop(world: World, hosted: Hosted, timeout: float | None = None, *, interruptible: bool = False) -> Outcome:
    """Turn a World until an execution has ended, `timeout` seconds at most. With `interruptible` Ctrl-C stops it.

    Raises what `World.wait` raises.
    """
    with relaxed_gc(), _interrupting(world, hosted) if interruptible else nullcontext():
        return world.wait(hosted, timeout)


@contextmanager
def relaxed_gc() -> Iterator[None]:
    """Let the garbage collector run less often."""
    before = gc.get_threshold()
    gc.set_threshold(GC_THRESHOLD, *before[1:])
    try:
        yield
    finally:
        if before[0] != GC_THRESHOLD:  # else another thread set it, and resets it
            gc.set_threshold(*before)


@contextmanager
def _interrupting(world: World, hosted: Hosted) -> Iterator[None]:
    """Let Ctrl-C stop the execution as StopExecution does, so that its history has an end; a second one raises.

    Where the signal is ignored, as in a background job of a shell script, it stays ignored.
    """
    on_main_thread = threading.current_thread() is threading.main_thread()
    if not on_main_thread or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield
        return

    def on_interrupt(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        world.stop(hosted, Stopped())

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
