"""Where the process `sfnrun` starts. Importing this handles Ctrl-C, before anything that takes time is imported."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` imports `enum`: 2 ms more in which Ctrl-C prints a traceback
import os

__all__ = ["main"]

INTERRUPTED = 130


def _quit(*signal: object) -> None:
    """End at once and quietly: while modules are imported there is nothing to clean up."""
    os._exit(INTERRUPTED)


_signal.signal(_signal.SIGINT, _quit)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    import faulthandler
    import gc
    import sys

    # Imports make no cycles, but looking for them takes a fifth of the startup (tests/bench/startup.py).
    gc.disable()
    # A handler can crash the interpreter; then stderr shows the line that did it.
    faulthandler.enable(file=2, all_threads=False)
    from sfnrun.cli.application import run

    _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    code = run()
    _signal.signal(_signal.SIGINT, _quit)
    # At exit the interpreter looks for cycles among everything that it is about to drop: a tenth of a short run.
    gc.freeze()
    sys.exit(code)
