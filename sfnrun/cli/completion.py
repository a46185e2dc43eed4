"""Complete addresses for the shell: runs and Tasks of the project. Errors complete to nothing."""

from __future__ import annotations

from sfnrun.errors import SfnrunError

__all__ = ["complete_run", "complete_status", "complete_task"]


def complete_run(incomplete: str) -> list[str]:
    """Names of recorded executions, newest first."""
    from sfnrun.cli.runs import recorded, store_of

    try:
        names = ["last", *(path.stem for path in recorded(store_of(None)))]
    except SfnrunError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def complete_task(incomplete: str) -> list[str]:
    """Names of Tasks of the project."""
    from sfnrun.config import load_project
    from sfnrun.config.definitions import definitions_in, tasks_in

    try:
        project = load_project()
    except SfnrunError:
        return []
    names = {*project.rules, *(state for file in definitions_in(str(project.root)) for state, _, _ in tasks_in(file))}
    return sorted(name for name in names if name.startswith(incomplete))


def complete_status(incomplete: str) -> list[str]:
    """Statuses of executions."""
    return []
