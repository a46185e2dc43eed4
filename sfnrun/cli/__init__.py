"""The command line: reads arguments, calls the Python API, and says what happened; every error ends up here.

stdout carries results alone, stderr everything for eyes. What exit codes mean: `EXIT_CODES` in application.py.
"""

from __future__ import annotations

import faulthandler
import gc
import sys

__all__ = ["main"]

_INTERRUPTED = 130


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    # While modules are imported there is no garbage, and looking for it takes a fifth of the start.
    gc.disable()
    # A handler may crash the interpreter; then the line that did it is on stderr.
    faulthandler.enable(file=2, all_threads=False)
    try:
        code = _run()
    except KeyboardInterrupt:  # at any time, that of the imports included
        code = _INTERRUPTED
    # The interpreter looks once more as it ends, at all that it is about to drop anyway: a tenth of a short run.
    gc.freeze()
    sys.exit(code)


def _run() -> int:
    from sfnrun.cli import faults
    from sfnrun.cli.application import app
    from sfnrun.errors import SfnrunError

    try:
        app(prog_name="sfnrun")
    except SystemExit as stop:
        return faults.exit_code(stop.code)
    except SfnrunError as error:
        return faults.told(error)
    except Exception as error:
        return faults.apology(error)
    return 0
