"""Valid definitions, each broken in every way that we know: 99 of 100 breaks are reported where they were made."""

from __future__ import annotations

from pathlib import Path

import pytest
from mutations import MUTATIONS, readable, run

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "../shared/conformance/validation/files/samples"


def test_our_own_examples() -> None:
    sources = readable(sorted((ROOT / "statemachines").glob("*.asl.*")))
    assert len(sources) >= 3
    tally = run(sources, rounds=3, seed=1)
    assert tally.rate >= 0.99, "\n".join(tally.missed)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"conformance data not found ({SAMPLES})")
def test_published_samples() -> None:
    tally = run(readable(sorted(SAMPLES.glob("*.json"))), rounds=1, seed=2)
    assert tally.tried.keys() == MUTATIONS.keys()
    assert tally.rate >= 0.99, "\n".join(tally.missed)
