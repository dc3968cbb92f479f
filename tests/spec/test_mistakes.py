"""A mistake in a declaration is named where it is written, with the nearest valid name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from features import derived, feature_group
from features.errors import InputError
from features.group import FeatureGroup
from features.history import Reduction, Selection
from features.plan import compile_plan

MARKS: dict[str, Any] = {
    "source": "observations",
    "purposes": ("care_followup",),
    "why": "a test",
    "clinical_group": "glucose",
}


def declare(feature: Callable[[Selection], Any], **marks: Any) -> FeatureGroup:
    """Declare a group of one feature."""

    def asked(history: Selection) -> dict[str, Reduction]:
        """One feature."""
        return {"it": feature(history)}

    return feature_group(**{**MARKS, **marks})(asked)


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        (lambda h: h.mean("vallue"), "no column 'vallue'.*did you mean 'value'"),
        (lambda h: h.mean("text"), "column 'text' is a string.*known: .*value"),
        (lambda h: h.days_since("value"), "column 'value' is a float"),
        (lambda h: h.where(contxt="fasting"), "no column 'contxt'.*did you mean 'context'"),
        (lambda h: h.where(context=3).count(), "column 'context' is a string"),
        (lambda h: h.where(value=float("nan")).count(), "column 'value' is a float"),
        (lambda h: h.where(context=()).count(), "no value for column 'context'"),
        (lambda h: h.coverage("value"), "needs a window.*within"),
        (lambda h: h.within(days=30).upcoming().coverage(3), "looks back"),
        (lambda h: h.within(days=30).coverage(0), "number above 0"),
        (lambda h: h.within(day=30).count(), "within\\(\\) has no 'day'.*did you mean 'days'"),
        (lambda h: h.within(days=-1).count(), "days is a number"),
        (lambda h: h.meen("value"), "no word 'meen'.*did you mean 'mean'"),
        (lambda h: h.coded().count(), "no code given"),
        (lambda h: h.coded(3).count(), "neither a codelist nor a code"),
        (lambda h: h.share(context="a", text="b"), "exactly one column=value"),
        (lambda h: h.within(30).count(), r"within\(\) takes 1 .*write within\(days=...\)"),
        (lambda h: h.sum(), r"sum\(\) missing 1 .*'column'; write sum\(column\)"),
        (lambda h: h.count("value"), r"count\(\) takes 1 .*write count\(\)"),
        (lambda h: h.count(label_ja="x"), r"labelled\(\) has no 'label_ja'.*did you mean 'label_"),
        (lambda h: h.coded(("a", 3)).count(), "neither a codelist nor a code"),
        (lambda h: h.coded("").count(), "neither a codelist nor a code"),
        (lambda h: h.within(days=30), "'it' is not a reduction.*end it with one of count"),
    ],
)
def test_a_mistake_in_a_feature(feature: Callable[[Selection], Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        declare(feature)


def test_codes_of_a_table_without_codes() -> None:
    with pytest.raises(InputError, match=r"carry no codes.*where\(column=value\)"):
        declare(lambda h: h.coded("a").count(), source="encounters")


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        ({"purposes": ()}, "has no purposes"),
        ({"why": ""}, "has no why"),
        ({"clinical_group": ""}, "has no clinical_group"),
        ({"purposes": "care_followup"}, "a tuple of names"),
        ({"purposes": ("care_folowup",)}, "no purpose 'care_folowup'.*did you mean 'care_followup'"),
        ({"source": "observation"}, "no .*table 'observation'.*did you mean 'observations'"),
        ({"actionable": "yes"}, "actionable is neither True nor False"),
        ({"protekted": True}, "'protekted'.*did you mean 'protected'"),
    ],
)
def test_a_mistake_in_the_marks(marks: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        declare(lambda h: h.count(), **marks)


def test_a_group_without_marks_fails() -> None:
    with pytest.raises(InputError, match="has no purposes"):

        @feature_group(source="observations", why="a test", clinical_group="glucose")
        def unmarked(history: Selection) -> dict[str, Reduction]:
            """One feature."""
            return {"it": history.count()}


def test_a_group_that_declares_nothing_fails() -> None:
    with pytest.raises(InputError, match="declares no feature"):
        feature_group(**MARKS)(lambda history: {})


def test_a_derived_of_an_unknown_feature_names_the_nearest() -> None:
    @derived
    def doubled(itt: np.ndarray) -> np.ndarray:
        """Twice."""
        return 2 * itt

    with pytest.raises(InputError, match=r"no feature 'itt'.*did you mean 'it'"):
        compile_plan([declare(lambda h: h.count()), doubled])


def test_derived_features_that_need_each_other_fail() -> None:
    @derived
    def one(other: np.ndarray) -> np.ndarray:
        """One."""
        return other

    @derived
    def other(one: np.ndarray) -> np.ndarray:
        """Other."""
        return one

    with pytest.raises(InputError, match="need each other"):
        compile_plan([one, other])


def test_a_derived_without_parameters_or_with_a_closure_fails() -> None:
    with pytest.raises(InputError, match="has no parameters"):

        @derived
        def nothing() -> np.ndarray:
            """Nothing."""
            return np.zeros(1)

    factor = 2.0
    with pytest.raises(InputError, match="reads variables around it"):

        @derived
        def scaled(it: np.ndarray) -> np.ndarray:
            """Scaled."""
            return it * factor


def test_two_features_of_one_name_fail() -> None:
    with pytest.raises(InputError, match="two features are named 'it'"):
        compile_plan([declare(lambda h: h.count()), declare(lambda h: h.exists())])


def test_a_derived_takes_its_marks_from_its_inputs() -> None:
    """Purposes that all share, protected if any is, actionable only if all are, the first one's group."""

    @derived
    def both(one: np.ndarray, two: np.ndarray) -> np.ndarray:
        """Both. Unit: d."""
        return one + two

    first = FeatureGroup(
        "a", "encounters", ("care_followup", "self_test"), "w", "visits", {"one": Selection("encounters").count()},
        protected=True, actionable=True,
    )  # fmt: skip
    second = FeatureGroup("b", "encounters", ("self_test",), "w", "fees", {"two": Selection("encounters").sum("fee")})
    found = compile_plan([first, second, both]).spec["both"]
    assert (found.purposes, found.protected, found.actionable) == (("self_test",), True, False)
    assert (found.group, found.unit, found.days) == ("visits", "d", None)


def test_a_label_is_composed_unless_it_is_given() -> None:
    plain = declare(lambda h: h.within(days=30).where(context="fasting").mean("value"))
    assert compile_plan([plain]).spec["it"].label_en == "observations (context=fasting): mean, last 30 days"
    given = declare(lambda h: h.count().labelled(label_zh="次数", label_en="how often"))
    assert compile_plan([given]).spec.labels["it"] == {"zh": "次数", "en": "how often"}
    for feature in (
        lambda h: h.mean("value", label_en="level"),
        lambda h: h.share(context="fasting", label_en="level"),
        lambda h: h.within(days=9).coverage(3, label_en="level"),
    ):
        assert compile_plan([declare(feature)]).spec.labels["it"]["en"] == "level"


def test_codes_may_come_in_a_tuple() -> None:
    several = declare(lambda h: h.coded(("a", "b")).count())
    assert several.features["it"] == Selection("observations").coded("a", "b").count()


def test_a_group_returns_its_features_by_name() -> None:
    with pytest.raises(InputError, match="does not return its features by name"):
        feature_group(**MARKS)(lambda history: history.count())  # type: ignore[arg-type, return-value]
