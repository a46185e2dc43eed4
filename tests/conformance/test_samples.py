"""The published samples, as `tests/bench/samples.py` runs them: all load, and most run to their end."""

from __future__ import annotations

import pytest
from bench.samples import SAMPLES, run_all

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="samples not found (../shared/conformance/validation)")


def test_the_published_samples_load_and_run() -> None:
    ran = run_all()
    assert len(ran) > 100
    assert [(one.name, one.told) for one in ran if one.end == "refused"] == []
    ended = [one.name for one in ran if one.end in ("succeeded", "failed by design")]
    assert len(ended) >= 60
