"""Outcomes of scores: null while open, then label and weight, and figures by month."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.errors import InputError
from features.instants import moment
from features.lake import Lake
from training.at import instants
from training.outcomes import add_outcomes, by_month, outcomes
from training.show import show_outcomes

MAY_DAY = pd.Timestamp("2025-05-01T04:00:00", tz="UTC")


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
    months = add_outcomes(file, lake).months
    assert [each.month for each in months] == ["2025-01", "2025-07", "2025-11"]
    assert months[0].closed == 399 and months[2].closed == 0 and months[2].figures == {}
    assert months[0].figures["auroc"].lo > 0.7 and months[0].figures["oe"].covers(1)
    kept = pd.read_parquet(file)
    assert {"label", "weight"} <= set(kept.columns) and list(tmp_path.iterdir()) == [file]
    assert by_month(kept, instants(kept["at"], "scores"))[0] == months[0]


def test_scores_without_a_column_or_of_an_unknown_task_are_named(lake, scores, tmp_path):
    with pytest.raises(InputError, match="no column 'probability'"):
        outcomes(scores.drop(columns="probability"), lake)
    with pytest.raises(InputError, match="did you mean 'churn_90d'"):
        outcomes(scores.assign(task="churn_9d"), lake)
    (tmp_path / "bad.parquet").write_text("no")
    with pytest.raises(InputError, match=r"bad.parquet"):
        add_outcomes(tmp_path / "bad.parquet", lake)


def test_a_patient_whom_the_lake_does_not_know_has_no_label_and_is_counted(lake, scores, tmp_path, capsys):
    scores["patient_id"] = scores["patient_id"].where(scores["patient_id"] != "p2", "erased")
    found = outcomes(scores, lake)
    erased = found[found["patient_id"] == "erased"]
    assert len(erased) == 3 and erased["label"].isna().all() and erased["weight"].isna().all()
    assert found[found["patient_id"] == "p4"]["label"].iloc[0] == 1
    scores.to_parquet(tmp_path / "scores.parquet")
    added = add_outcomes(tmp_path / "scores.parquet", lake)
    assert added.unknown == 3 and added.months[0].closed == 398
    show_outcomes(added)
    assert "3 scores are of patients whom the lake does not know" in capsys.readouterr().out


def visit_at_noon(lake: Lake, folder) -> Lake:
    """Return the lake with p1 coming at noon of May Day alone, after the first visit."""
    rows = pd.read_parquet(lake.path / "encounters" / "a.parquet")
    noon = rows.head(1).assign(patient_id="p1", **dict.fromkeys(("time", "known_at", "end"), MAY_DAY))
    (folder / "lake" / "encounters").mkdir(parents=True)
    kept = rows[(rows["patient_id"] != "p1") | (rows["time"] >= pd.Timestamp("2025-12-01", tz="UTC"))]
    pd.concat([kept, noon]).to_parquet(folder / "lake" / "encounters" / "a.parquet", index=False)
    return Lake(folder / "lake")


def test_a_bare_date_is_the_end_of_its_day_and_a_time_that_is_none_is_not_repeated(lake, scores, tmp_path):
    given = ["2025-07-31", "2025-07-31T08:00:00+08:00", "2025-07-31 00:00:00", date(2025, 7, 31)]
    assert [moment(int(each)).hour for each in instants(pd.Series(given, dtype=object), "scores")] == [15, 0, 0, 15]
    made = scores.assign(at=scores["at"].dt.strftime("%Y-%m-%d"))
    made = made[made["patient_id"] == "p1"].assign(at="2025-05-01", probability=0.5)
    morning = outcomes(made.assign(at="2025-05-01T00:00:00+00:00"), visit_at_noon(lake, tmp_path))
    assert morning["label"].tolist() == [0.0] * 3  # who came at noon had not come yet in the morning
    assert outcomes(made, Lake(tmp_path / "lake"))["label"].tolist() == [1.0] * 3  # and had, when the day was over
    file = tmp_path / "scores.parquet"
    made.assign(at="the 3rd of Smith").to_parquet(file)
    with pytest.raises(InputError, match=r"scores.parquet, column at: 3 of 3 values are no times") as caught:
        add_outcomes(file, lake)
    assert "Smith" not in str(caught.value)
    made.assign(at=None).to_parquet(file)
    with pytest.raises(InputError, match=r"column at: 3 of 3 values are null"):
        add_outcomes(file, lake)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("probability", 47.0, r"scores.parquet, column probability: 1200 of 1200 values are no probabilities; numbers"),
        ("probability", "high", r"column probability: 1200 of 1200 values are no probabilities"),
        ("task", None, r"scores.parquet, column task: 1200 of 1200 values are null"),
    ],
)
def test_what_is_no_score_is_said_and_the_file_stays_as_it_was(lake, scores, tmp_path, column, value, message):
    file = tmp_path / "scores.parquet"
    scores.assign(**{column: value}).to_parquet(file)
    before = file.read_bytes()
    with pytest.raises(InputError, match=message):
        add_outcomes(file, lake)
    assert file.read_bytes() == before


def test_a_score_from_before_the_records_has_no_label_and_a_new_folder_is_made(lake, scores, tmp_path):
    old = scores.assign(at=pd.Timestamp("1900-01-01", tz="UTC"))
    assert outcomes(old, lake)["label"].isna().all()
    scores.to_parquet(tmp_path / "scores.parquet")
    add_outcomes(tmp_path / "scores.parquet", lake, tmp_path / "new" / "out.parquet")
    assert len(pd.read_parquet(tmp_path / "new" / "out.parquet")) == 1200
    with pytest.raises(InputError, match="is a folder"):
        add_outcomes(tmp_path / "scores.parquet", lake, tmp_path / "new")


OWN = """
from dataclasses import replace
from training.tasks import churn
SILENT = replace(churn.CHURN_90D, name="silent_90d")
"""


def test_a_task_of_a_file_is_named_as_in_run(lake, scores, tmp_path):
    (tmp_path / "my_task.py").write_text(OWN, encoding="utf-8")
    own = scores.assign(task="silent_90d")
    with pytest.raises(InputError, match="no task 'silent_90d'"):
        outcomes(own, lake)
    found = outcomes(own, lake, files=(str(tmp_path / "my_task.py"),))
    assert found["label"].equals(outcomes(scores, lake)["label"])
