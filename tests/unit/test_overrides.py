"""Overrides over params.yaml: of sections that training reads, and of values that can be."""

import pytest

from features.errors import InputError
from features.params import section
from training.evaluate import EvaluationValues
from training.overrides import checked


def test_overrides_that_can_be_are_handed_on():
    given = ("models.seed=3", "diseases.diabetes.ages=[30, 80]", "churn_interval.factor=2", "split.test=.3")
    assert checked(given) == given
    together = ("diseases.diabetes.horizons_months=[36]", "diseases.diabetes.washout_days=400")
    assert checked(together) == together


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("general.timezone=UTC", r"section 'general' is not read from --set; training reads models, evaluation"),
        ("model.seed=1", r"cannot read the override.*did you mean 'models'"),
        ("models.seed", r"cannot read the override"),
        ("models.clip=[1,", r"--set models.clip.*is no YAML"),
        ("split.test=2025-13-45", r"--set split.test: is no YAML"),
        ("models.seed.x=1", r"--set models.seed.x: 'seed' holds no values of its own"),
        ("models.clip=[99, 1]", r"models.clip.*do not rise"),
        ("evaluation.seed=-1", r"evaluation.seed"),
        ("diseases.diabetes.ages=[20, x]", r"diseases.diabetes.ages"),
        ("diseases.diabetes.ages=[90, 18]", r"diseases.diabetes.ages.*youngest"),
        ("churn_interval.factor=.5", r"churn_interval.factor"),
        ("split.tests=.3", r"no such value.*did you mean 'test'"),
    ],
)
def test_others_are_refused_before_any_work(given, message):
    with pytest.raises(InputError, match=message):
        checked((given,))


def test_values_that_are_no_yaml_name_their_line(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text("evaluation:\n  replicates: [1,\n  seed: }\n", encoding="utf-8")
    monkeypatch.setenv("CAREPATH_PARAMS", str(tmp_path / "params.yaml"))
    with pytest.raises(InputError, match=r"params.yaml, line \d: is no YAML"):
        section("evaluation", EvaluationValues)
