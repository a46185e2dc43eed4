"""Functions, in files of their own."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asking import FUNCTIONS, Invoked

from sfnrun.config import Project, Settings
from sfnrun.tasks.lambdas.find import FunctionFolder
from sfnrun.tasks.lambdas.in_process import InProcessRuntime
from sfnrun.tasks.lambdas.runtime import Function


@pytest.fixture
def function(tmp_path: Path) -> Callable[..., Invoked]:
    """Make a function of a module's text."""

    def make(text: str, name: str = "f", **settings: Any) -> Invoked:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        code = FunctionFolder(tmp_path).find(name)
        assert code is not None
        return Invoked(InProcessRuntime(Function(name, code, **settings)))

    return make


@pytest.fixture
def config() -> Project:
    return Project(settings=Settings(functions_dir=FUNCTIONS))
