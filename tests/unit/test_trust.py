"""What is asked of a model before anybody trusts it: groups, leaks, curves, reasons, intervals."""

import json
from dataclasses import replace

import numpy as np
import pytest

from training.alarms import dealt, leaks, shuffled
from training.benefit import CalibrationCurve, decision_curve
from training.calibrate import sigmoid
from training.evaluate import Bootstrap, EvaluationValues, Figure
from training.explanation import Explanation
from training.fairness import Group, eased, judge
from training.gates import gates
from training.intervals import Intervals, checked, intervals
from training.models.values import model_values
from training.months import label_shift
from training.plain import text
from training.refit import Refit
from training.rounds import Rounds
from training.screening import spec
from training.stability import Stability, compared
from training.strata import UNLIKE
from training.tasks import task

TASK = task("self_test_diabetes")
VALUES = EvaluationValues(replicates=200, seed=1, calls_per_day=10)


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    n = 6000
    margin = rng.normal(-1.0, 1.3, n)
    y = (rng.random(n) < sigmoid(margin)).astype(float)
    return y, sigmoid(margin), np.arange(n).astype(str), rng


def test_rates_by_group_are_fairlearns_and_equal_groups_pass(drawn):
    from fairlearn.metrics import MetricFrame, selection_rate, true_positive_rate

    y, p, patient, rng = drawn
    group = rng.choice(["a", "b"], len(y))
    found = judge(y, p, patient, {"sex": group}, 0.4, VALUES)
    frame = MetricFrame(
        metrics={"selection_rate": selection_rate, "tpr": true_positive_rate},
        y_true=y,
        y_pred=p >= 0.4,
        sensitive_features=group,
    )
    for each in found:
        for name in ("selection_rate", "tpr"):
            assert each.figures[name].value == pytest.approx(frame.by_group.loc[each.group, name])
        assert each.verdict == "pass" and each.figures["oe"].covers(1) and each.figures["tpr_gap"].covers(0)


def test_a_group_that_is_missed_blocks_one_too_small_never_passes_and_a_tiny_one_is_hidden(drawn):
    y, p, patient, _ = drawn
    group = np.full(len(y), "others", dtype="<U9")
    group[:1500], group[1500:1580], group[1580:1585] = "missed", "small", "tiny"
    spoiled = np.where(group == "missed", p * 0.5, p)
    found = {each.group: each for each in judge(y, spoiled, patient, {"region": group}, 0.4, VALUES)}
    assert found["missed"].verdict == "block" and "true positive rate" in found["missed"].why[0]
    assert found["small"].verdict == "insufficient" and found["others"].verdict == "pass"
    assert found["tiny"].verdict == "hidden" and found["tiny"].patients == 0 and not found["tiny"].figures
    mild = judge(y, np.where(group == "missed", p * 0.7, p), patient, {"region": group}, 0.0, VALUES, None, False)
    assert {each.group: each.verdict for each in mild}["missed"] == "warn"


def test_a_feature_that_alone_tells_the_outcome_is_named_and_so_is_one_written_after_it(drawn):
    y, p, _, rng = drawn
    n = len(y)
    written = np.where((y == 1) & (rng.random(n) < 0.3), 1.0, np.nan)
    sparse = np.where(rng.random(n) < 0.1, rng.normal(size=n), np.nan)
    columns = {
        "honest": p + rng.normal(0, 0.1, n),
        "copy": y + rng.normal(0, 0.1, n),
        "turned": -y + rng.normal(0, 0.1, n),
        "absent": np.where(y == 1, np.nan, 1.0),
        "written": written,
        "written_count": np.nan_to_num(written),
        "sparse": sparse,
        "empty": np.full(n, np.nan),
    }
    found = leaks(tuple(columns), np.column_stack(list(columns.values())), y)
    assert {each.feature for each in found} == {"copy", "turned", "absent", "written", "written_count"}
    assert "written after it" in {each.feature: each.text for each in found}["written"]


def test_a_value_that_stands_on_one_outcome_is_named_whichever_it_is_and_clean_ones_are_not(drawn):
    y, _, patient, rng = drawn

    def on(event, other):
        return np.where(rng.random(len(y)) < np.where(y == 1, event, other), 1.0, np.nan)

    columns = {"after": on(0.6, 0.02), "coming": on(0.02, 0.6), "strong": on(0.4, 0.1), "kept": on(0.05, 0.6)}
    columns |= {"few": np.where((y == 1) & (np.cumsum(y) <= 6), 1.0, np.nan), "all": on(1.0, 1.0)}
    found = leaks(tuple(columns), np.column_stack(list(columns.values())), y, patient_id=patient)
    assert [each.feature for each in found] == ["after", "coming"]
    assert "of the rows with the event and on" in found[0].text and "without the event and on" in found[1].text
    assert all(each.auroc < 0.85 and each.text.endswith("times as often: written after it") for each in found)


def test_an_interval_of_a_leak_counts_patients_not_their_rows():
    patient = np.repeat(np.arange(400).astype(str), 30)
    y = np.repeat(np.arange(400) < 200, 30).astype(float)
    once = np.where(np.repeat(np.arange(400) < 12, 30), 1.0, np.nan)[:, None]
    assert not leaks(("once",), once, y, patient_id=patient) and leaks(("once",), once, y)


def test_a_model_too_good_to_be_true_is_stopped():
    def verdict(value, lo):
        figures = {"test_auroc": value, "test_auroc_lo": lo, "test_auroc_hi": 0.99}
        return next((each.verdict, each.text) for each in gates(figures, {}, True) if each.name == "too good")

    assert verdict(0.97, 0.96)[0] == "block" and "look for a leak" in verdict(0.97, 0.96)[1]
    assert verdict(0.955, 0.94)[0] == "warn" and verdict(0.9, 0.88)[0] == "pass"


def test_dealt_labels_keep_together_and_tell_nothing():
    patient = np.repeat(np.arange(300).astype(str), 4)[np.random.default_rng(3).permutation(1200)]
    y = (np.char.str_len(patient) == 3).astype(float)
    found = dealt(y, patient, 1)
    assert all(len(set(found[patient == each])) == 1 for each in np.unique(patient))
    assert found.mean() == pytest.approx(y.mean()) and abs(np.corrcoef(found, y)[0, 1]) < 0.2


def test_people_who_stand_on_both_sides_are_remembered_and_others_are_not():
    rng = np.random.default_rng(3)
    x, y, person = rng.normal(size=(600, 4)), (rng.random(600) < 0.3).astype(float), np.arange(600).astype(str)
    values = model_values(("models.lightgbm.min_data_in_leaf=2", "models.lightgbm.learning_rate=0.3"))
    names = TASK.inputs.core[:4]
    refit = Refit(TASK, "trees", spec(TASK.questionnaire, names), values)
    apart = Rounds.of_folds(x, y, person, rng.integers(0, 4, 600))
    twice = Rounds.of_folds(np.tile(x, (2, 1)), np.tile(y, 2), np.tile(person, 2), rng.permutation(1200) % 4)
    found = shuffled(apart, refit, 1), shuffled(twice, refit, 1)
    assert [each["alarm"] for each in found] == [False, True]
    assert shuffled(replace(apart, y=np.zeros(600)), refit, 1)["auroc"] is None


def test_net_benefit_is_its_definition_and_a_useless_risk_is_no_better_than_all_or_none(drawn):
    y, p, patient, _ = drawn
    draw = Bootstrap(patient, 100, 1)
    curve = decision_curve(y, p, draw)
    middle = curve[8]
    cut, chosen = middle.threshold, p >= middle.threshold
    wanted = (y[chosen].sum() - (1 - y[chosen]).sum() * cut / (1 - cut)) / len(y)
    assert middle.model.value == pytest.approx(wanted)
    assert middle.treat_all.value == pytest.approx(y.mean() - (1 - y.mean()) * cut / (1 - cut))
    assert middle.lead.lo > 0
    useless = decision_curve(y, np.full(len(y), y.mean()), draw)
    assert max(each.lead.value for each in useless) <= 1e-12


def test_a_bent_risk_is_told_from_a_straight_one(drawn):
    y, p, patient, _ = drawn
    draw = Bootstrap(patient, 200, 1)
    assert CalibrationCurve(y, p, draw).curvature()["suffices"]
    margin = np.log(p / (1 - p))
    bent = sigmoid(np.sign(margin + 1) * np.abs(margin + 1) ** 2 - 1)
    assert not CalibrationCurve(y, bent, draw).curvature()["suffices"]
    points = CalibrationCurve(y, p, draw).points()
    assert all(each["lo"] <= each["observed"] <= each["hi"] for each in points)
    assert np.mean([each["lo"] <= each["predicted"] <= each["hi"] for each in points]) > 0.9


def explained(contributions: np.ndarray) -> Explanation:
    margin = contributions.sum(axis=1)
    groups = tuple(f"g{place}" for place in range(contributions.shape[1]))
    return Explanation(margin, 0.0, contributions, contributions, groups, sigmoid(margin))


def test_reasons_that_stay_and_reasons_that_turn():
    rng = np.random.default_rng(2)
    first = rng.normal(size=(800, 6))
    same = compared(explained(first), [first * 1.1] * 5)
    assert same.overlap == 1 and all(share == 1 for each in same.shares.values() for share in each)
    turned = first.copy()
    turned[:, 0] *= -1
    found = compared(explained(first), [turned] * 5)
    assert found.shares["g0:raises"] == (0.0,) * 10 and found.shares["g1:raises"] == (1.0,) * 10
    assert found.stable(("g1:raises", "g2:lowers"), 0.1) is True
    assert found.stable(("g0:raises", "g0:lowers"), 0.1) is False
    assert found.stable(("unheard:raises",), 0.1) is None
    assert Stability.from_json(found.to_json()) == found


def test_intervals_hold_the_observed_rate(drawn):
    y, p, _, _ = drawn
    found = intervals(p[:3000], y[:3000], np.ones(3000), np.arange(3000), 1)
    assert (found.lo <= found.hi).all()
    told = checked(found, p[3000:], y[3000:], np.ones(3000))
    assert told["inside"] >= 8 and 0 < told["width"] < 0.1
    wrong = checked(found, p[3000:], 1 - y[3000:], np.ones(3000))
    assert wrong["inside"] <= 3
    again = Intervals.from_json(found.to_json())
    assert again.of(np.array([0.3]))[0] == pytest.approx(found.of(np.array([0.3]))[0], abs=1e-6)
    assert json.loads(found.to_json())["rows"] == 3000


def test_intervals_weigh_rows_as_the_risk_does(drawn):
    """A row of weight two says what two of it say; and who was followed stands for who was lost."""
    y, p, _, rng = drawn
    grades, twice = np.round(p, 2), rng.random(len(y)) < 0.5
    heavy = intervals(grades[:2000], y[:2000], np.where(twice[:2000], 2.0, 1.0), np.arange(2000), 1)
    more = np.r_[np.arange(2000), np.flatnonzero(twice[:2000])]
    both = intervals(grades[more], y[more], np.ones(len(more)), np.arange(len(more)), 1)
    same = np.intersect1d(heavy.probability, both.probability)
    assert len(same) > 20 and np.c_[heavy.of(same)] == pytest.approx(np.c_[both.of(same)])
    stays = (y == 1) | (rng.random(len(y)) < 0.5)
    weight = np.where(y == 0, 2.0, 1.0)[stays]
    known = p[stays], y[stays]
    people = np.arange(len(weight))
    weighed, plain = intervals(*known, weight, people, 1), intervals(*known, np.ones(len(weight)), people, 1)
    assert checked(weighed, *known, weight)["inside"] >= 9 and checked(plain, *known, weight)["inside"] <= 3


def test_a_month_of_flipped_labels_is_told_from_the_others():
    rng = np.random.default_rng(4)
    p = sigmoid(rng.normal(-2.2, 1, 24_000))
    y = (rng.random(len(p)) < p).astype(float)
    month, patient = np.repeat(np.arange(12), 2000).astype(str), np.tile(np.arange(2000), 12).astype(str)
    clean = label_shift(y, p, patient, month, np.ones(len(p)))
    assert not any(each["alarm"] for each in clean)
    turned = (month == "5") & (rng.random(len(p)) < 0.05)
    found = label_shift(np.where(turned, 1 - y, y), p, patient, month, np.ones(len(p)))
    assert [each["month"] for each in found if each["alarm"]] == ["5"]


def test_a_gap_on_an_axis_read_for_a_written_reason_warns_calibration_still_blocks():
    reasons = {"age": "incidence rises with age", "sex": "the weight of smoking differs"}
    gap, slope = "true positive rate 0.50 [0.40, 0.60] below the others'", "slope 0.40 [0.30, 0.50], wanted 0.8 to 1.2"
    told = {"tpr": Figure(0.3, 0.2, 0.4), "tpr_expected": Figure(0.35, 0.3, 0.4)}
    for axis in ("age", "sex", "age x sex"):
        found = eased(Group(axis, "18-44", 900, 40, "block", (gap,), told), reasons)
        assert (
            found.verdict == "warn"
            and found.why[0] == gap
            and all(reasons[each] in found.why[-1] for each in axis.split(" x "))
        )
    assert eased(Group("age", "18-44", 900, 40, "block", (gap, slope), told), reasons).verdict == "block"
    assert eased(Group("region", "11", 900, 40, "block", (gap,), told), reasons).verdict == "block"
    assert eased(Group("department", "a", 900, 40, "block", (gap,), told), UNLIKE).verdict == "warn"
    assert eased(Group("sex", "female", 900, 40, "block", (gap,), told), UNLIKE).verdict == "block"
    assert eased(Group("age", "75+", 50, 4, "insufficient"), reasons).verdict == "insufficient"
    missed = eased(
        Group("age", "75+", 900, 40, "block", (gap,), {**told, "tpr_expected": Figure(0.6, 0.5, 0.7)}), reasons
    )
    assert missed.verdict == "block" and "let expect 0.60" in missed.why[-1]


def test_right_risks_of_a_sex_that_seldom_falls_ill_are_a_gap_that_its_own_risks_let_expect():
    rng = np.random.default_rng(5)
    sex = np.where(rng.random(8_000) < 0.5, "female", "male")
    p = 1 / (1 + np.exp(-(rng.normal(size=8_000) - np.where(sex == "female", 3.5, 1.5))))
    y, patient = (rng.random(8_000) < p).astype(float), np.arange(8_000).astype(str)
    values = EvaluationValues(replicates=100, seed=1, calls_per_day=20)
    asked = y, p, patient, {"sex": sex}, 0.2, values
    plain = {each.group: each for each in judge(*asked)}
    read = {each.group: each for each in judge(*asked, reasons={"sex": "smoking differs between the sexes"})}
    assert plain["female"].verdict == "block" and read["female"].verdict == "warn"
    assert read["female"].figures["tpr"].covers(read["female"].figures["tpr_expected"].value)
    assert plain["male"].verdict == read["male"].verdict == "pass"


def test_a_figure_that_is_not_finite_is_null_for_any_reader_of_json():
    told = {"tpr": float("nan"), "ends": (0.5, float("inf")), "group": {"n": 3, "name": "NaN"}}
    read = json.loads(text(told), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert read == {"tpr": None, "ends": [0.5, None], "group": {"n": 3, "name": "NaN"}}
