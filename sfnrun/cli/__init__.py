"""Command line: reads arguments, calls the Python API, prints the answer.

stdout has the answer and nothing else; everything else goes to stderr.
"""

from __future__ import annotations


def __getattr__(name: str) -> object:
    if name != "main":
        raise AttributeError(f"module 'sfnrun.cli' has no attribute {name!r}")
    from sfnrun.cli.entry import main

    return main
