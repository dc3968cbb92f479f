"""What every registered task keeps."""

import pytest

from features import catalogue
from features.errors import InputError
from features.groups import CLINICAL_GROUPS
from features.params import general
from training.tasks import task, tasks

NAMES = [each.name for each in tasks()]


def test_the_tasks_of_the_plan_are_there():
    assert {"churn_90d", "diabetes_12m", "copd_12m", "self_test_diabetes", "content_affinity"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_task_reads_only_what_exists(name):
    each = task(name)
    own = {feature for group in each.own for feature in group.features}
    declared = {f for group in catalogue() for f in (getattr(group, "features", None) or (group.name,))} | own
    if each.questionnaire:
        form = each.questionnaire
        declared = {question.name for question in form.questions} | {given.name for given in form.inputs}
    read = {*each.cohort.needs, *each.inputs.core, *each.inputs.monotone, *each.inputs.left_out}
    assert not set(each.inputs.left_out) & {*each.inputs.core, *each.inputs.monotone}
    read |= {feature for feature, _ in each.inputs.baselines.values()}
    assert read <= declared, read - declared
    assert set(each.purposes) <= set(general().purposes)
    assert "eligibility" not in each.inputs.clinical_groups
    assert "fees" not in each.inputs.clinical_groups
    if each.kind in ("churn", "incident"):
        assert set(each.inputs.clinical_groups) <= set(CLINICAL_GROUPS)


@pytest.mark.parametrize("name", NAMES)
def test_a_protected_group_has_a_written_reason(name):
    each = task(name)
    protected = {"age", "sex", "region", "insurance"} & set(each.inputs.clinical_groups)
    assert protected <= set(each.inputs.protected)
    if each.kind in ("churn", "affinity"):
        assert not protected


def test_a_disease_is_an_entry_of_params():
    plain = "{codelist: gout, ages: [18, 90], lookback_days: 365, washout_days: 30, horizons_months: [12, 36]}"
    overridden = task("gout_36m", (f"diseases.gout={plain}",))
    assert overridden.horizon_days == 1095 and overridden.cohort.criteria[-1].needs == ("gout_dx_ever",)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("diseases.copd.codelist=cpod", "copd"),
        ("diseases.copd.lookback_days=90", "greater than or equal to 365"),
        ("diseases.copd.horizons=12", "horizons"),
    ],
)
def test_a_wrong_entry_is_named(override, message):
    with pytest.raises(InputError, match=message):
        tasks((override,))


def test_a_mistyped_task_finds_its_nearest():
    with pytest.raises(InputError, match="did you mean 'churn_90d'"):
        task("churn_90")
