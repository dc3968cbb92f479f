"""A task and a lake in, a recorded run out: on a small sample hospital."""

import json

import numpy as np
import pytest

import training
from features.errors import InputError
from training import tracking
from training.alarms import leaks
from training.dataset import Dataset
from training.gates import gates
from training.labelled import labelled
from training.landmarked import TooFew, fit
from training.proposal import propose
from training.run import run
from training.scorer import Scorer
from training.tasks import task


@pytest.fixture(scope="module")
def churn(sample, home):
    from features.lake import Lake

    return labelled("churn_90d", Lake(sample / "lake"))


def test_a_dataset_says_who_was_left_out(churn):
    data = Dataset(churn)
    steps = data.attrition()
    assert steps["rows_left"].iloc[-1] == len(data.y) == len(data.X)
    assert (steps["rows_left"].diff().dropna() == -steps["rows_out"].iloc[1:]).all()
    assert {"no current consent to model_development", "expected back"} <= set(steps["step"])
    assert set(steps["let_in_by"].dropna().iloc[0]) == {"care plan", "chronic disease", "two contacts in a year"}
    assert 0.05 < churn.y.mean() < 0.6


def test_a_notebook_gives_the_folder_of_a_lake_and_gets_pandas(churn, sample):
    data = training.dataset("churn_90d", str(sample / "lake"))
    assert tuple(data.X.columns) == churn.spec.names and (data.y == churn.y).all()
    assert data.X.index.equals(data.at.index) and str(data.at.dtype) == "datetime64[us, UTC]"
    assert set(data.split) == {"train", "test", ""} and (data.weight[data.split != ""] > 0).all()
    assert data.X[data.split == "test"].shape[0] == churn.parts.rows("test").sum()
    score = data.X["visit_days_since"].fillna(400).clip(1, 400) / 401
    assert training.evaluate(data, score)["auroc"].value == training.evaluate(churn, score.to_numpy())["auroc"].value
    with pytest.raises(InputError, match="there is no such folder"):
        training.dataset("churn_90d", "nowhere")


def test_churn_reads_no_spend_and_nothing_protected(churn):
    groups = set(churn.spec.groups.values())
    assert not groups & {"fees", "age", "sex", "region", "insurance", "eligibility"}
    assert all("care_followup" in feature.purposes for feature in churn.spec.features)
    assert not any(feature.protected for feature in churn.spec.features)


def test_the_splitter_keeps_patients_and_the_horizon_apart(churn):
    folds = list(churn.cv(4).split(churn.x, churn.y))
    assert len(folds) == churn.cv(4).get_n_splits() == 4
    for train, test in folds:
        assert (churn.parts.part[train] == "train").all() and (churn.parts.part[test] == "train").all()
        assert not set(churn.patient_id[train]) & set(churn.patient_id[test])
        assert churn.at[train].max() + 90 * 86_400_000_000 <= churn.at[test].min()


def test_anybodys_predictions_can_be_judged(churn):
    score = np.clip(np.nan_to_num(churn.column("visit_days_since")) / 400, 0.01, 0.99)
    found = training.evaluate(churn, score)
    assert found["auroc"].value == pytest.approx(found["auroc_recency"].value, abs=0.02)
    assert found["gain_recency"].value == pytest.approx(0, abs=0.02)


def test_predictions_find_their_rows_by_index_or_are_refused(churn):
    data = Dataset(churn)
    score = data.X["visit_days_since"].fillna(400).clip(1, 400) / 401
    whole = training.evaluate(data, score)["auroc"]
    of_part = score[data.split == "test"]
    for same in (score.sample(frac=1, random_state=1), of_part, of_part.sample(frac=1, random_state=1)):
        assert training.evaluate(data, same)["auroc"] == whole
    assert training.evaluate(data, of_part.reset_index(drop=True))["auroc"] == whole
    with pytest.raises(InputError, match="the index of the probabilities is neither"):
        training.evaluate(data, score.iloc[:-1])
    with pytest.raises(InputError, match="the index of the probabilities is neither"):
        training.evaluate(data, score.rename(lambda place: f"row {place}"))
    with pytest.raises(InputError, match="are no numbers"):
        training.evaluate(data, score.astype(object).map(lambda _: "high"))
    with pytest.raises(InputError, match=r"probabilities of shape .*the second column: \[:, 1\]"):
        training.evaluate(data, np.c_[1 - score, score])
    with pytest.raises(InputError, match=r"X has \d+ rows, the dataset \d+; give data.X"):
        next(data.cv().split(data.X[data.split == "train"]))


def test_a_fitted_task_beats_recency_and_explains_itself(churn):
    fitted = fit(churn)
    assert fitted.exploratory and "missing" in fitted.population["sample_size"]
    assert fitted.figures["test_gain_recency"] > 0.03
    assert fitted.figures["test_gain_rfm"] > 0 and fitted.figures["test_gain_bg_nbd"] > 0
    assert fitted.figures["test_auroc_rfm"] > fitted.figures["test_auroc_recency"] - 0.02
    assert list(fitted.scorer.bands) == sorted(fitted.scorer.bands)
    x, _, _ = churn.rows("test")
    found = fitted.scorer.explain(x[:50])
    assert found.probability == pytest.approx(1 / (1 + np.exp(-found.margin)))
    assert np.abs(found.base + found.contributions.sum(axis=1) - found.margin).max() <= 1e-9


def test_the_clean_catalogue_raises_no_alarm_and_a_planted_leak_does(churn):
    known = churn.weight > 0
    y, weight, patient = churn.y[known], churn.weight[known], churn.patient_id[known]
    told = np.random.default_rng(1).random(len(y))
    after = np.where(told < np.where(y == 1, 0.6, 0.02), 1.0, np.nan)
    coming = np.where(told < np.where(y == 1, 0.002, 0.6), 1.0, np.nan)
    names = (*churn.spec.names, "after", "coming")
    found = leaks(names, np.column_stack([churn.x[known], after, coming]), y, weight, patient)
    assert [each.feature for each in found] == ["after", "coming"]


def test_copd_is_refused_with_its_numbers_on_a_hospital_so_small(lake):
    with pytest.raises(
        TooFew, match=r"task copd_12m: refused: \d+ patients with \d+ events to learn from .*: missing \d+ more events"
    ) as caught:
        fit(labelled("copd_12m", lake))
    assert caught.value.attrition[0]["rows_left"] == 1200 * 11


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        ("churn_90d", "split.test=2", "less than 1"),
        ("churn_9d", "", "did you mean 'churn_90d'"),
        ("diabetes_12m", "diseases.diabetes.horizons_months=[60]", "no task 'diabetes_12m'"),
    ],
)
def test_a_wrong_value_is_named(lake, name, override, message):
    with pytest.raises(InputError, match=message):
        labelled(name, lake, (override,) if override else ())


def test_a_wrong_setting_is_named_where_it_stands(churn):
    with pytest.raises(InputError, match=r"params.yaml models.lightgbm.num_leafs.*did you mean 'num_leaves'"):
        fit(churn, ("models.lightgbm.num_leafs=3",))


def test_a_lake_too_short_says_how_many_days_are_missing(lake):
    with pytest.raises(InputError, match=r"too short for a look-back of 365 and a horizon of 1825 days.*more days"):
        labelled("diabetes_60m", lake, ("diseases.diabetes.horizons_months=[60]",))


def test_a_task_without_a_lake_says_so():
    with pytest.raises(InputError, match="add --lake"):
        run("churn_90d")


@pytest.mark.slow
def test_a_run_is_recorded_and_can_be_proposed(sample, store, home):
    quick = ("models.lightgbm.rounds=40", "evaluation.replicates=60")
    made = run("churn_90d", sample / "lake", quick, trials=2)
    kept = tracking.version("churn_90d", made.version)
    assert {"task", "vector_spec", "lake_manifest", "code_version"} <= set(kept.tags)
    assert kept.figures["test_auroc_lo"] <= kept.figures["test_auroc"] <= kept.figures["test_auroc_hi"]
    folder = tracking.fetch("churn_90d", made.version)
    scorer = Scorer.load(folder, made.digest)
    assert scorer.task == "churn_90d" and scorer.spec.digest == kept.tags["vector_spec"]
    card = json.loads((folder / "card.json").read_text())
    assert card["exploratory"] and card["population"]["patients"] > 100 and card["attrition"]
    assert card["tripod_ai"]["5b dates"].startswith("landmarks from 20") and len(card["hti1"]) == 31
    assert all(each and "{" not in each for each in (*card["hti1"].values(), *card["tripod_ai"].values()))
    told = tracking.fetch("churn_90d", made.version, "evaluation.json").read_text()
    assert "NaN" not in told and json.loads(told)["figures"]["test_auroc"] == kept.figures["test_auroc"]
    assert tracking.fetch("churn_90d", made.version, "plots/calibration.svg").read_text(encoding="utf-8")[:4] == "<svg"
    assert not any(path.suffix in (".pkl", ".joblib") for path in folder.rglob("*"))
    proposal = propose("churn_90d", made.version, "author")
    file = proposal.write(store / "proposal.json")
    told = json.loads(file.read_text())
    assert told["digest"] == made.digest and told["author"] == "author" and told["gates"]
    verdicts = {gate.name: gate.verdict for gate in proposal.gates}
    assert verdicts["lake"] == "pass" and "latency and size" in verdicts
    dry = run("churn_90d", sample / "lake", quick, sample=0.9)
    with pytest.raises(InputError, match="dry run"):
        propose("churn_90d", dry.version, "author")


def test_a_gate_blocks_only_where_the_whole_interval_is_outside():
    figures = {"test_slope": 0.7, "test_slope_lo": 0.5, "test_slope_hi": 0.79}
    figures |= {"test_oe": 1.3, "test_oe_lo": 1.1, "test_oe_hi": 1.5}
    figures |= {"test_gain_age": 0.1, "test_gain_age_lo": 0.02, "test_gain_age_hi": 0.2}
    verdicts = {gate.name: gate.verdict for gate in gates(figures, {}, explained=True)}
    assert verdicts == {
        "test_slope": "block",
        "test_oe": "warn",
        "beats age": "pass",
        "sample size": "pass",
        "explains itself": "pass",
    }


def test_every_task_of_a_lake_reads_its_own_history(lake):
    data = labelled("diabetes_12m", lake)
    assert not any(name.startswith("diabetes_") for name in data.spec.names)
    assert task("diabetes_12m").own[0].features
