"""A small run of the hammer: two processes on one cache, others killed beside them."""

import pytest

from .hammer import hammer


@pytest.mark.parametrize("kind", ["disk", "redis", "memcached"])
def test_two_processes_and_some_that_are_killed(kind, server, tmp_path):
    where = str(tmp_path / "cache") if kind == "disk" else str(server(kind).port)
    result = hammer(kind, where, 1200, kills=2)
    assert result.done <= result.counted <= result.done + result.doubtful
