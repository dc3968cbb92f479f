"""A published score as a Scorer: it explains itself, is written and read, and its table cannot be changed unseen."""

import json
from dataclasses import replace

import numpy as np
import pytest

from features.errors import InputError
from features.vector import Feature, VectorSpec
from training.explanation import ExplanationFault
from training.models.published import FRAMINGHAM_LIPIDS, NEW_CHINESE
from training.points import Points
from training.scorer import Scorer

GROUPS = {"male": "sex", "age": "age", "systolic": "blood_pressure", "bmi": "body_weight", "waist_cm": "body_weight",
          "family_diabetes": "family_history", "pulse": "blood_pressure"}  # fmt: skip


def _spec(groups):
    return VectorSpec(
        tuple(
            Feature(name, name, name, "", group, None, ("self_test",), False, False, {})
            for name, group in groups.items()
        )
    )


@pytest.fixture
def rows():
    rng = np.random.default_rng(2)
    n = 200
    columns = (rng.integers(0, 2, n), rng.uniform(20, 75, n), rng.normal(130, 18, n), rng.normal(25, 4, n),
               rng.normal(85, 10, n), rng.random(n) < 0.2, rng.normal(70, 9, n))  # fmt: skip
    x = np.stack([np.asarray(each, dtype=float) for each in columns], axis=1)
    x[:10, 4] = np.nan
    return x


def _scorer(rows):
    fitted = Points.fitted(NEW_CHINESE, rows, tuple(GROUPS))
    return Scorer.of(
        fitted, task="self_test_diabetes", horizon_days=0, spec=_spec(GROUPS), bands=(0.05, 0.1, 0.2),
        calibration=(0.11, -5.0),
    )  # fmt: skip


def test_contributions_are_points_less_their_mean_on_the_calibrated_scale(rows):
    scorer = _scorer(rows)
    found = scorer.explain(rows)
    assert np.abs(found.base + found.contributions.sum(axis=1) - found.margin).max() <= 1e-9
    parts = NEW_CHINESE.parts({name: rows[:, j] for j, name in enumerate(GROUPS)})
    age = parts["age"]
    assert found.contributions[:, 1] == pytest.approx(0.11 * (age - age.mean()))
    assert (found.contributions[:10, 4] == 0).all() and (found.contributions[:, 6] == 0).all()
    weight = found.groups.index("body_weight")
    assert found.group_contributions[:, weight] == pytest.approx(found.contributions[:, [3, 4]].sum(axis=1))
    assert scorer.kind == "points" and "pulse" not in scorer.used


def test_it_is_written_and_read(rows, tmp_path):
    scorer = _scorer(rows)
    digest = scorer.save(tmp_path / "artefact", {"name": "card"})
    again = Scorer.load(tmp_path / "artefact", digest)
    assert again.probability(rows).tolist() == scorer.probability(rows).tolist()
    told = json.loads((tmp_path / "artefact" / "points.json").read_text())
    assert told["score"]["name"] == "new_chinese_diabetes_risk_score"


def test_a_changed_table_is_an_alarm(rows):
    scorer = _scorer(rows)
    object.__setattr__(scorer.model.points.score, "sexes", (3.0, 0.0))
    try:
        with pytest.raises(ExplanationFault):
            scorer.explain(rows)
    finally:
        object.__setattr__(NEW_CHINESE, "sexes", (2.0, 0.0))


def test_a_score_whose_values_are_not_there_is_named(rows):
    with pytest.raises(InputError, match="reads 'total_cholesterol'"):
        Points.fitted(FRAMINGHAM_LIPIDS, rows, tuple(GROUPS))
    empty = rows.copy()
    empty[:, 4] = np.nan
    with pytest.raises(InputError, match="never known"):
        Points.fitted(replace(NEW_CHINESE), empty, tuple(GROUPS))
