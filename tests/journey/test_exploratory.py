"""A disease with too few new cases for a model in care: trained, marked exploratory, with what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journey.test_public_hospital import command

pytestmark = pytest.mark.slow


def test_copd_in_a_simulated_hospital_of_3000_is_exploratory(tmp_path: Path) -> None:
    command(tmp_path, "simulation", str(tmp_path / "sim"), "--patients", "3000", "--years", "3", "--seed", "7")
    told = command(tmp_path, "training", "run", "copd_12m", "--lake", str(tmp_path / "sim" / "lake"))
    assert "exploratory: " in told.stdout
    assert "more patients" in " ".join(told.stdout.split())
