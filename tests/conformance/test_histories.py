"""Recorded histories go through the import and back; figures: `python tests/conformance/histories.py`."""

from pathlib import Path

import pytest
from conformance.histories import SHARED, Case, cases, has_order, run_case

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="conformance data not found (../shared/conformance)")


@pytest.fixture(scope="module")
def recorded() -> list[Case]:
    return list(cases())


def test_nearly_all_of_them_come_back_as_they_went(recorded: list[Case], tmp_path: Path):
    whole = [case for case in recorded if has_order(case)]
    found = [run_case(case, tmp_path) for case in whole]
    failed = [f"{one.stage}: {one.id}: {one.why[:300]}" for one in found if one.stage != "identical"]
    assert len(whole) >= 381
    assert len(failed) <= len(whole) * 0.02, "\n".join(failed)


def test_few_recordings_lost_their_order(recorded: list[Case]):
    assert sum(not has_order(case) for case in recorded) <= 5
