"""Outcomes of scores: null while open, then label and weight, and figures by month."""

import numpy as np
import pandas as pd
import pytest

from features.errors import InputError
from features.lake import Lake
from training.outcomes import add_outcomes, by_month, outcomes


@pytest.fixture(scope="module")
def lake(tmp_path_factory, home) -> Lake:
    """400 patients; the odd ones come back 30 days after each quarter's first day, until 2025-12-31."""
    rows = [
        (f"p{number}", pd.Timestamp(day, tz="UTC") + pd.Timedelta(days=30))
        for number in range(1, 400, 2)
        for day in ("2025-01-01", "2025-04-01", "2025-07-01", "2025-10-01")
    ]
    rows += [(f"p{number}", pd.Timestamp("2024-12-01", tz="UTC")) for number in range(400)]
    rows.append(("p1", pd.Timestamp("2025-12-31", tz="UTC")))
    table = pd.DataFrame(rows, columns=["patient_id", "time"])
    table = table.assign(known_at=table["time"], kind="outpatient", status="finished", end=table["time"])
    folder = tmp_path_factory.mktemp("lake")
    (folder / "encounters").mkdir()
    table.to_parquet(folder / "encounters" / "a.parquet", index=False)
    return Lake(folder)


@pytest.fixture
def scores() -> pd.DataFrame:
    at = [pd.Timestamp(f"2025-{month}-01", tz="UTC") for month in ("01", "07", "11")]
    patient = [f"p{number}" for number in range(400)]
    made = pd.DataFrame({"patient_id": np.tile(patient, 3), "at": np.repeat(at, 400), "task": "churn_90d"})
    even = made["patient_id"].str[1:].astype(int) % 2 == 0
    noise = np.random.default_rng(0).normal(0, 0.15, len(made))
    made["probability"] = np.clip(np.where(even, 0.6, 0.4) + noise, 0.01, 0.99)
    made.loc[0, "probability"] = np.nan
    return made


def test_a_score_has_its_label_once_its_time_is_closed(lake, scores):
    found = outcomes(scores, lake)
    closed = found[found["at"] < "2025-10-01"]
    assert found["label"].isna()[0] and found[found["at"] > "2025-10-01"]["label"].isna().all()
    even = closed["patient_id"].str[1:].astype(int) % 2 == 0
    assert (closed["label"].iloc[1:] == even.iloc[1:]).all() and (closed["weight"].iloc[1:] == 1).all()
    assert list(found["patient_id"]) == list(scores["patient_id"])


def test_figures_come_by_month_in_the_hospitals_zone_and_the_file_is_replaced_whole(lake, scores, tmp_path):
    file = tmp_path / "scores.parquet"
    scores.to_parquet(file)
    months = add_outcomes(file, lake)
    assert [each.month for each in months] == ["2025-01", "2025-07", "2025-11"]
    assert months[0].closed == 399 and months[2].closed == 0 and months[2].figures == {}
    assert months[0].figures["auroc"].lo > 0.7 and months[0].figures["oe"].covers(1)
    kept = pd.read_parquet(file)
    assert {"label", "weight"} <= set(kept.columns) and list(tmp_path.iterdir()) == [file]
    assert by_month(kept)[0] == months[0]


def test_scores_without_a_column_or_of_an_unknown_task_are_named(lake, scores, tmp_path):
    with pytest.raises(InputError, match="no column 'probability'"):
        outcomes(scores.drop(columns="probability"), lake)
    with pytest.raises(InputError, match="did you mean 'churn_90d'"):
        outcomes(scores.assign(task="churn_9d"), lake)
    (tmp_path / "bad.parquet").write_text("no")
    with pytest.raises(InputError, match=r"bad.parquet"):
        add_outcomes(tmp_path / "bad.parquet", lake)
