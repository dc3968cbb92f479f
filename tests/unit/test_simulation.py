"""The sample hospital: canonical, reproducible, plausible, and with a truth that its records obey."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.codes import all_codelists
from features.errors import InputError
from features.schema import EVENT_TABLES, TABLES
from simulation import Setting, hospital
from simulation.people import surrogates

END = date(2025, 6, 30)
CLOSING = pd.Timestamp("2025-06-30T16:00:00Z")


def read(lake: Path, table: str) -> pd.DataFrame:
    return pd.concat([pq.read_table(file).to_pandas() for file in sorted((lake / table).glob("part-*.parquet"))])


def final(lake: Path, table: str) -> pd.DataFrame:
    """The last version of every event, retracted ones dropped: what a label is computed from."""
    rows = read(lake, table).sort_values("version").drop_duplicates("event_id", keep="last")
    return rows[~rows["void"]]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hospital(tmp_path_factory.mktemp("small"), patients=300, seed=11, end=END)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hospital(tmp_path_factory.mktemp("large"), patients=6000, seed=5, end=END)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hospital(tmp_path_factory.mktemp("long"), patients=4000, years=7, seed=6, end=END)


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_canonical_and_not_empty(small: Path, name: str) -> None:
    table = pq.read_table(next((small / name).glob("part-*.parquet")))
    assert table.schema.equals(TABLES[name].arrow())
    assert table.num_rows > 0
    for column in TABLES[name].columns:
        if column.required:
            assert table.column(column.name).null_count == 0


def test_the_seed_decides_every_byte(small: Path, tmp_path: Path) -> None:
    again = hospital(tmp_path / "again", patients=300, seed=11, end=END)
    other = hospital(tmp_path / "other", patients=300, seed=12, end=END)
    for folder, relative in ((small, again), (small.parent / "truth", again.parent / "truth")):
        for file in sorted(folder.rglob("*.parquet")):
            assert file.read_bytes() == (relative / file.relative_to(folder)).read_bytes(), file.name
    assert not pq.read_table(small / "patients").equals(pq.read_table(other / "patients"))


@pytest.mark.parametrize("name", EVENT_TABLES)
def test_nothing_is_known_before_it_happens_or_after_the_end(small: Path, name: str) -> None:
    rows = read(small, name)
    assert (rows["known_at"] < CLOSING).all()
    ahead = rows["known_at"] < rows["time"]
    if name == "encounters":
        assert ahead.any()
        assert rows.loc[ahead, "status"].isin(["planned", "cancelled"]).all()
    else:
        assert not ahead.any()


@pytest.mark.parametrize("name", EVENT_TABLES)
def test_versions_count_from_one_and_are_known_in_order(small: Path, name: str) -> None:
    rows = read(small, name).sort_values(["event_id", "version"])
    same = rows["event_id"].eq(rows["event_id"].shift())
    assert (rows.loc[~same, "version"] == 1).all()
    assert (rows["version"].diff()[same] == 1).all()
    assert (rows["known_at"].diff()[same] >= pd.Timedelta(0)).all()
    assert (rows["patient_id"] == rows["patient_id"].shift())[same].all()


@pytest.mark.parametrize("name", [name for name in EVENT_TABLES if TABLES[name].clinical])
def test_every_code_written_is_in_a_codelist(small: Path, name: str) -> None:
    rows = read(small, name)[["code_system", "code"]].drop_duplicates()
    lists = all_codelists()
    for system, code in rows.itertuples(index=False):
        assert any(each.matches(system, code) for each in lists), f"{system} {code}"


def test_the_planted_traps_are_there(large: Path) -> None:
    visits, labs, codes = (read(large, name) for name in ("encounters", "observations", "diagnoses"))
    late = visits[(visits["status"] == "cancelled") & (visits["known_at"] > visits["time"] + pd.Timedelta("1D"))]
    assert len(late) > 500
    future = visits[(visits["time"] > CLOSING)]
    assert len(future) > 100
    assert (future["status"].isin(["planned", "cancelled"])).all()
    lab = labs[labs["origin"] == "laboratory"]
    assert ((lab["known_at"] - lab["time"]) > pd.Timedelta("24h")).mean() > 0.2
    assert {1, 2} <= set(lab["version"])
    for rows in (visits, labs, codes):
        assert 0 < rows["void"].mean() < 0.02
    told = codes[(codes["version"] == 1) & (codes["known_at"] - codes["time"] > pd.Timedelta("7D"))]
    assert len(told) > 500
    moved = codes.sort_values("version").groupby("event_id")["time"].agg(["first", "last"])
    assert (moved["last"] < moved["first"]).sum() > 50


def test_nobody_acts_after_leaving_or_dying(large: Path) -> None:
    visits = final(large, "encounters")
    done = visits[visits["status"] == "finished"]
    dead = final(large, "patients").set_index("patient_id")["deceased_at"].dropna()
    after = done[done["patient_id"].isin(dead.index)]
    assert len(dead) > 50
    assert (after["time"] <= after["patient_id"].map(dead)).mean() > 0.999
    born = final(large, "patients").set_index("patient_id")["birth_date"]
    assert (visits["time"] > visits["patient_id"].map(born)).all()


def test_hba1c_rises_before_diabetes_and_adherence_falls_before_silence(large: Path) -> None:
    codes = final(large, "diagnoses")
    onset = codes[codes["code"] == "E11.9"].groupby("patient_id")["time"].min()
    labs = final(large, "observations")
    hba1c = labs[labs["code"] == "4548-4"].assign(onset=lambda rows: rows["patient_id"].map(onset))
    before = (hba1c["onset"] - hba1c["time"]).dt.days
    year, three = hba1c[before.between(1, 180)]["value"], hba1c[before.between(540, 1000)]["value"]
    assert year.mean() > three.mean() + 0.05 > hba1c[hba1c["onset"].isna()]["value"].mean() + 0.2
    truth = pq.read_table(large.parent / "truth" / "churn_90d.parquet").to_pandas()
    at = truth["at"].max()
    logins = read(large, "interactions").query("action == 'login'")
    recent = logins[(logins["time"] <= at) & (logins["time"] > at - pd.Timedelta("30D"))].groupby("patient_id").size()
    now = truth[truth["at"] == at].assign(logins=lambda rows: rows["patient_id"].map(recent).fillna(0))
    assert now["probability"].corr(now["logins"], method="spearman") < -0.1


def test_people_read_about_what_they_have_and_by_age(large: Path) -> None:
    views = read(large, "interactions").query("action == 'view'")
    items = read(large, "contents").set_index("content_id")
    topics = views["content_id"].map(items["topics"].map(lambda names: "diabetes" in names[0]))
    codes = final(large, "diagnoses")
    diabetic = views["patient_id"].isin(codes[codes["code"] == "E11.9"]["patient_id"])
    assert topics[diabetic].mean() > 1.5 * topics[~diabetic].mean()
    born = final(large, "patients").set_index("patient_id")["birth_date"]
    age = (views["time"] - views["patient_id"].map(born)).dt.days / 365.25
    form = views["content_id"].map(items["format"])
    assert (form[age > 65] == "article").mean() > (form[age < 35] == "article").mean() + 0.15


def test_propensities_are_the_probabilities_of_the_draw(large: Path) -> None:
    shown = read(large, "impressions")
    assert not shown.duplicated(["list_id", "slot"]).any()
    assert shown["propensity"].between(1e-6, 1).all()
    month = shown[shown["time"] > CLOSING - pd.Timedelta("29D")]
    counts = month.groupby("slot")["propensity"].agg(lambda values: (1 / values).mean())
    support = month.groupby("slot")["content_id"].nunique()
    assert np.allclose(counts, support, rtol=0.2), "E[1 / propensity] is the number of items that could be shown"


def test_most_consents_stand_and_some_do_not(large: Path) -> None:
    given = final(large, "consents")
    share = given.groupby("purpose")["patient_id"].nunique() / 6000
    assert share["care_followup"] > 0.8 > share["service_marketing"] > 0.2
    assert 0.02 < given["withdrawn_at"].notna().mean() < 0.08
    assert 0.01 < (~given["separate"]).mean() < 0.1
    assert 0.01 < (given["automated_decision"] == "objected").mean() < 0.06


def _labelled(lake: Path, task: str, days: int) -> pd.DataFrame:
    """Truth at each landmark beside what the final records say, where follow-up of so many days is whole."""
    truth = pq.read_table(lake.parent / "truth" / f"{task}.parquet").to_pandas()
    gone = pd.concat([final(lake, "status_changes").query("kind != 'back'"), final(lake, "patients").dropna(
        subset="deceased_at").assign(time=lambda rows: rows["deceased_at"])])  # fmt: skip
    truth = truth[truth["at"] + pd.Timedelta(days=days + 70) < CLOSING]
    lost = truth.merge(gone[["patient_id", "time"]], on="patient_id").query("time > at")
    lost = lost[lost["time"] <= lost["at"] + pd.Timedelta(days=days + 70)]
    truth = truth.merge(lost[["patient_id", "at"]].drop_duplicates(), how="left", indicator=True)
    return truth[truth.pop("_merge") == "left_only"].reset_index(drop=True)


def _assert_calibrated(truth: pd.DataFrame, label: np.ndarray, parts: int) -> None:
    """Observed and true means agree within 4.5 standard errors over patients, overall and by decile."""
    gap = label - truth["probability"].to_numpy()
    decile = pd.qcut(truth["probability"], parts, duplicates="drop").cat.codes
    for rows in [np.full(len(truth), True), *(decile == each for each in range(decile.max() + 1))]:
        mine = pd.Series(gap[rows]).groupby(truth["patient_id"].to_numpy()[rows]).sum()
        chance = truth["probability"].to_numpy()[rows]
        error = np.sqrt(max((mine**2).sum(), (chance * (1 - chance)).sum()))
        assert abs(mine.sum()) < 4.5 * error, f"{gap[rows].mean():.4f} over {rows.sum()} rows"


@pytest.mark.slow
def test_churn_follows_its_truth(large: Path) -> None:
    truth = _labelled(large, "churn_90d", 90)
    visits = final(large, "encounters").query("status == 'finished'")[["patient_id", "time"]].sort_values("time")
    following = pd.merge_asof(
        truth.sort_values("at"), visits, left_on="at", right_on="time", by="patient_id", direction="forward"
    )
    silent = ~(following["time"] <= following["at"] + pd.Timedelta("90D"))
    _assert_calibrated(following, silent.to_numpy(float), 10)
    assert 0.15 < silent.mean() < 0.6


@pytest.mark.slow
@pytest.mark.parametrize(("task", "code"), [("diabetes_12m", "E11.9"), ("copd_12m", "J44.9"), ("stroke_12m", "I63.9")])
def test_incidence_follows_its_truth(large: Path, task: str, code: str) -> None:
    _assert_incidence(large, task, code, 365)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "days"), [("diabetes_36m", 1095), ("diabetes_60m", 1825)])
def test_incidence_of_years_follows_its_truth(long: Path, task: str, days: int) -> None:
    _assert_incidence(long, task, "E11.9", days)


def _assert_incidence(lake: Path, task: str, code: str, days: int) -> None:
    truth = _labelled(lake, task, days)
    codes = final(lake, "diagnoses")
    onset = codes[codes["code"] == code].groupby("patient_id")["time"].min()
    first = truth["patient_id"].map(onset)
    assert not (first <= truth["at"]).any(), "who has the disease has no truth"
    new = (first > truth["at"] + pd.Timedelta("30D")) & (first <= truth["at"] + pd.Timedelta(days=days))
    _assert_calibrated(truth, new.to_numpy(float), 5)


def test_the_mechanism_can_be_varied(tmp_path: Path) -> None:
    calm = hospital(tmp_path / "calm", patients=150, end=END, setting=Setting(incidence=0.0, void_rate=0.0))
    assert not read(calm, "diagnoses")["code"].isin(["E11.9", "I10"]).any()
    assert not read(calm, "encounters")["void"].any()


def test_surrogates_are_distinct() -> None:
    ids = surrogates(0, 200_000, 7)
    assert len(set(ids)) == 200_000
    assert len(set(ids[:5000]) & set(surrogates(0, 5000, 8))) == 0


def test_what_cannot_be_built_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 1"):
        hospital(tmp_path, patients=0)
    with pytest.raises(InputError, match="from 1 to 30 years"):
        hospital(tmp_path, patients=5, years=0.2)
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "thesis.docx").write_text("mine")
    with pytest.raises(InputError, match=r"thesis\.docx"):
        hospital(tmp_path, patients=5, end=END)
    assert (tmp_path / "lake" / "thesis.docx").exists()


def test_the_command_writes_a_hospital(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "simulation",
        str(tmp_path),
        "--patients",
        "20",
        "--years",
        "1",
        "--end",
        "2025-06-30",
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "lake" / "encounters").is_dir()
    refused = subprocess.run([*command, "--years", "99"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "30 years" in refused.stderr
