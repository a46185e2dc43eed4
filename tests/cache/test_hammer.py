"""Two processes hammer one cache for 4,000 operations while others of their kind are killed beside them."""

import pytest

from .hammer import hammer


@pytest.mark.parametrize(("kind", "operations"), [("disk", 4_000), ("redis", 4_000), ("memcached", 2_000)])
def test_two_processes_and_some_that_are_killed(kind, operations, server, tmp_path):
    where = str(tmp_path / "cache") if kind == "disk" else str(server(kind).port)
    result = hammer(kind, where, operations)
    assert result.done == operations
    assert result.done <= result.counted <= result.done + result.doubtful
