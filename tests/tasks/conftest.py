"""Functions, in files of their own, run by each runtime."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import FUNCTIONS, Invoked

from sfnrun.config import Project, Settings
from sfnrun.tasks.lambdas.environments import Environments
from sfnrun.tasks.lambdas.find import FunctionFolder
from sfnrun.tasks.lambdas.in_process import InProcessRuntime
from sfnrun.tasks.lambdas.process_runtime import ProcessRuntime
from sfnrun.tasks.lambdas.runtime import Function, LambdaRuntime

RuntimeOf = Callable[[Function], LambdaRuntime]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "runs_in(runtime): a test for the functions of one runtime")


@pytest.fixture
def environments() -> Iterator[Environments]:
    """Execution environments, which end with the test."""
    made = Environments()
    yield made
    made.close()


@pytest.fixture(params=["in-process", "process"])
def runtime_of(request: pytest.FixtureRequest) -> RuntimeOf:
    """Make the runtime of a function: a test runs with each. `runs_in` marks a test for one of them."""
    mark = request.node.get_closest_marker("runs_in")
    if mark and request.param not in mark.args:
        pytest.skip(f"it is about functions that run {mark.args[0]}")
    if request.param == "in-process":
        return InProcessRuntime
    environments = request.getfixturevalue("environments")
    return lambda function: ProcessRuntime(function, environments)


@pytest.fixture
def function(tmp_path: Path, runtime_of: RuntimeOf) -> Callable[..., Invoked]:
    """Make a function of a module's text."""

    def make(text: str, name: str = "f", **settings: Any) -> Invoked:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        return of_file(name, tmp_path, runtime_of, settings)

    return make


@pytest.fixture
def bundled(runtime_of: RuntimeOf) -> Callable[..., Invoked]:
    """A function of the folder beside the tests."""
    return lambda name, **settings: of_file(name, FUNCTIONS, runtime_of, settings)


def of_file(name: str, folder: Path, runtime_of: RuntimeOf, settings: dict[str, Any]) -> Invoked:
    code = FunctionFolder(folder).find(name)
    assert code is not None
    return Invoked(runtime_of(Function(name, code, **settings)))


@pytest.fixture
def config() -> Project:
    return Project(settings=Settings(functions_dir=FUNCTIONS))
