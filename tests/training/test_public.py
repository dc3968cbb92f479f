"""Public sets: tiny files in their formats always, the sets themselves where CAREPATH_DATA is."""

import gzip

import numpy as np
import pandas as pd
import pytest

from features.errors import InputError
from training.public import NAMES, public
from training.public.diabetes130 import inputs
from training.public.judged import Table, cross_validated, data_file, held_out
from training.public.physionet2012 import vectors


def test_a_set_is_found_by_name_and_its_file_is_named(tmp_path, monkeypatch):
    assert {"nhanes_undiagnosed", "physionet2012", "cdnow", "diabetes130"} <= set(NAMES)
    with pytest.raises(InputError, match="did you mean 'physionet2012'"):
        public("physionet12")
    monkeypatch.setenv("CAREPATH_DATA", str(tmp_path))
    with pytest.raises(InputError, match="pima-indians-diabetes"):
        public("pima")()
    monkeypatch.delenv("CAREPATH_DATA")
    with pytest.raises(InputError, match="point it at their folder"):
        data_file("pima", "x")


def _table(n=900):
    rng = np.random.default_rng(4)
    person = np.repeat(np.arange(n // 3), 3).astype(str)
    x = rng.normal(size=(n, 3))
    x[rng.random((n, 3)) < 0.1] = np.nan
    y = (rng.random(n) < 1 / (1 + np.exp(-np.nan_to_num(x[:, 0]) * 1.5 + 1))).astype(float)
    return Table(("a", "b", "c"), x, y, person, ("a", "b"), {"b": x[:, 1]})


def test_the_simplest_candidate_wins_and_nobody_is_parted():
    table = _table()
    found = cross_validated(table, "made up", "?", "nothing")
    assert found.winner.startswith("linear") and found.figures["gain_b"].lo > 0.1
    assert found.figures["slope"].covers(1) and found.rows == 900
    apart = held_out(table, "made up", "?", 0.2, "nothing")
    assert 100 < apart.rows < 260 and abs(apart.figures["auroc"].value - found.figures["auroc"].value) < 0.1


def test_icu_features_come_from_the_engine():
    events = pd.DataFrame(
        [
            (1, 0, "Age", 54.0), (1, 0, "Height", -1.0), (1, 60, "HR", 80.0), (1, 600, "HR", 90.0),
            (1, 2000, "HR", 100.0), (1, 2900, "HR", 300.0), (1, 30, "SysABP", 0.0), (2, 0, "Age", 70.0),
            (1, 0, "RecordID", 1.0),
        ],
        columns=["RecordID", "Minute", "Parameter", "Value"],
    )  # fmt: skip
    made = vectors(events, np.array([1, 2]))
    assert made["hr_mean"].tolist()[0] == 90 and np.isnan(made["hr_mean"][1])
    assert (made["hr_last"][0], made["hr_mean_24h"][0], made["hr_count"][0]) == (100, 100, 3)
    assert made["age_first"].tolist() == [54, 70] and "height_first" not in made
    assert made["sysabp_min"][0] == 0  # recorded as zero: a fact of the record


def test_stays_become_numbers_without_race_or_payer():
    row = dict.fromkeys(
        ("time_in_hospital", "num_lab_procedures", "num_procedures", "num_medications", "number_outpatient",
         "number_emergency", "number_inpatient", "number_diagnoses", "discharge_disposition_id", "admission_source_id",
         "admission_type_id"), 1)  # fmt: skip
    row |= dict.fromkeys(("metformin", "glipizide", "glyburide", "glimepiride", "pioglitazone", "rosiglitazone"), "No")
    row |= {"repaglinide": "Up", "insulin": "Steady", "change": "Ch", "diabetesMed": "Yes", "age": "[70-80)"}
    row |= {"gender": "Female", "diag_1": "428", "diag_2": "V45", "diag_3": None, "A1Cresult": ">8"}
    row |= {"max_glu_serum": None, "medical_specialty": "Cardiology", "race": "?", "payer_code": "?"}
    made = inputs(pd.DataFrame([row])).iloc[0]
    assert made["age"] == 75 and made["male"] == 0 and made["any_heart_failure"] == 1 and made["any_circulatory"] == 1
    assert made["diag_2_circulatory"] == 0 and made["a1c_high"] == 1 and made["repaglinide"] == 1
    assert not any("race" in name or "payer" in name for name in made.index)


def test_copies_of_a_row_stand_on_one_side(tmp_path, monkeypatch):
    from training.public import brfss

    folder = tmp_path / "brfss2015_diabetes"
    folder.mkdir()
    rng = np.random.default_rng(0)
    names = [*brfss._CORE, "Smoker"]
    read = pd.DataFrame(rng.integers(0, 3, (400, len(names))).astype(float), columns=names)
    read.insert(0, "Diabetes_binary", rng.integers(0, 2, 400).astype(float))
    read = pd.concat([read, read.iloc[:100], read.iloc[:50].assign(Diabetes_binary=1.0)])
    with gzip.open(folder / "diabetes_binary_health_indicators_BRFSS2015.csv.gz", "wt") as out:
        read.to_csv(out, index=False)
    monkeypatch.setenv("CAREPATH_DATA", str(tmp_path))
    seen = {}
    monkeypatch.setattr(brfss, "held_out", lambda table, *rest: seen.update(table=table))
    brfss.diabetes()
    person = seen["table"].person
    assert len(set(person)) == 400 and (person[400:500] == person[:100]).all() and (person[500:] == person[:50]).all()


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("pima", 0.81, 0.86), ("uci_heart_cleveland", 0.87, 0.93), ("nhanes_undiagnosed", 0.73, 0.83)],
)
def test_small_sets_stand_within_what_is_published(public_data, monkeypatch, name, least, most):
    monkeypatch.setenv("CAREPATH_DATA", str(public_data))
    found = public(name)()
    assert least <= found.figures["auroc"].value <= most
    assert found.winner.startswith("linear") and found.figures["slope"].covers(1)


@pytest.mark.data
@pytest.mark.slow
def test_cdnow_is_above_bg_nbd_and_recency(public_data, monkeypatch, home):
    monkeypatch.setenv("CAREPATH_DATA", str(public_data))
    found = public("cdnow")().figures
    assert found["auroc"].value >= 0.765
    assert found["gain_bg_nbd"].lo >= 0 and found["gain_recency"].lo > 0


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least"), [("physionet2012", 0.865), ("diabetes130", 0.665), ("brfss2015_diabetes", 0.82)]
)
def test_large_sets_reach_what_is_known(public_data, monkeypatch, home, name, least):
    monkeypatch.setenv("CAREPATH_DATA", str(public_data))
    assert public(name)().figures["auroc"].value >= least
