"""Runs and versions survive in MLflow, artefacts beside the database."""

import pytest

from features.errors import InputError
from training import tracking


def _run(tmp_path, number):
    folder = tmp_path / f"artefact-{number}"
    folder.mkdir()
    (folder / "scorer.json").write_text(f'{{"number": {number}}}')
    return tracking.Run(
        "churn_90d",
        folder,
        f"digest-{number}",
        {"task": "churn_90d", "code_version": "abc"},
        {"lightgbm.num_leaves": 15},
        {"test_auroc": 0.7 + number / 100, "test_slope": float("nan")},
        {"attrition.json": "[]"},
    )


@pytest.mark.slow
def test_a_run_becomes_a_version_that_can_be_fetched(store):
    first, second = (tracking.record(_run(store, number)) for number in (1, 2))
    assert (first.version, second.version) == ("1", "2")
    found = tracking.version("churn_90d", "1")
    assert found.digest == "digest-1" and found.figures == {"test_auroc": 0.71}
    assert found.tags["code_version"] == "abc"
    assert (tracking.fetch("churn_90d", "1") / "scorer.json").read_text() == '{"number": 1}'
    assert tracking.latest("churn_90d").version == "2"
    assert (store / "artifacts" / "churn_90d").is_dir()
    with pytest.raises(InputError, match=r"no version 7.*known: 1, 2"):
        tracking.version("churn_90d", "7")
    with pytest.raises(InputError, match="no version"):
        tracking.latest("copd_12m")
