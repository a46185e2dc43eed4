"""Two hundred machines that nobody would write: none crashes the engine, and each replays as it was."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from machines import Sample, check, samples


@settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(samples())
def test_generated_machines(sample: Sample) -> None:
    check(sample)
