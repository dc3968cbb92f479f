"""Groups compiled: what is asked, in the order asked, under a digest of every definition."""

from __future__ import annotations

import json

import numpy as np
import pytest

import features
from features.derived import derived
from features.errors import InputError
from features.group import FeatureGroup
from features.history import Reduction, Selection
from features.plan import compile_plan
from features.vector import VectorSpec
from tests.spec.drawn import drawn, instant

HISTORY = Selection("encounters")
ROWS = drawn("encounters", "time | fee\n2024-03-01 | 10\n2024-03-05 | 30")
AT = np.array([instant("2024-03-08")])


def group(**named: Reduction) -> FeatureGroup:
    return FeatureGroup("g", "encounters", ("care_followup",), "a test", "fees", named)


@derived
def mean_fee(total: np.ndarray, many: np.ndarray) -> np.ndarray:
    """Charged at a visit."""
    return total / many


GROUPS = (mean_fee, group(many=HISTORY.count(), total=HISTORY.sum("fee")))


def test_the_vector_is_in_the_order_declared() -> None:
    plan = compile_plan(GROUPS)
    assert plan.spec.names == ("mean_fee", "many", "total")
    assert plan.vectors({"encounters": ROWS}, ["p"], AT).tolist() == [[20, 2, 40]]


def test_names_choose_and_order_and_inputs_are_computed_unseen() -> None:
    plan = compile_plan(GROUPS, ["total", "mean_fee"])
    assert plan.spec.names == ("total", "mean_fee")
    assert plan.vectors({"encounters": ROWS}, ["p"], AT).tolist() == [[40, 20]]


def test_only_what_is_needed_is_read() -> None:
    assert compile_plan(GROUPS, ["many"]).columns == {
        "encounters": ("patient_id", "time", "known_at", "event_id", "version", "void")
    }


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no feature 'totall'.*did you mean 'total'"):
        compile_plan(GROUPS, ["totall"])
    with pytest.raises(InputError, match="asked for twice"):
        compile_plan(GROUPS, ["total", "total"])


def test_as_many_patients_as_instants() -> None:
    with pytest.raises(InputError, match="as many patients as instants"):
        compile_plan(GROUPS).vectors({}, ["p", "q"], AT)


def test_a_derived_feature_must_return_a_number_for_each_row() -> None:
    @derived
    def whole(many: np.ndarray) -> np.ndarray:
        """Everything at once."""
        return np.array([many.sum()] * 3)

    with pytest.raises(InputError, match="derived feature whole: does not return one number per row"):
        compile_plan((GROUPS[1], whole)).vectors({"encounters": ROWS}, ["p"], AT)


def test_a_derived_feature_cannot_change_its_inputs() -> None:
    @derived
    def spoiled(many: np.ndarray) -> np.ndarray:
        """Writes where it should read."""
        many[:] = -1
        return many

    found = compile_plan((spoiled, GROUPS[1])).vectors({"encounters": ROWS}, ["p"], AT)
    assert found.tolist() == [[-1, 2, 40]]


def test_the_digest_is_of_the_definitions() -> None:
    plain = compile_plan([group(n=HISTORY.within(days=30).count())]).spec.digest
    assert compile_plan([group(n=HISTORY.within(days=30).count().labelled(label_en="visits"))]).spec.digest == plain
    assert compile_plan([group(n=HISTORY.within(days=31).count())]).spec.digest != plain
    assert compile_plan([group(m=HISTORY.within(days=30).count())]).spec.digest != plain
    assert compile_plan([group(n=HISTORY.within(days=30).exists())]).spec.digest != plain


def test_a_spec_is_read_back_and_a_tampered_one_refused() -> None:
    spec = compile_plan(features.catalogue()).spec
    assert VectorSpec.from_json(spec.to_json()) == spec
    told = json.loads(spec.to_json())
    told["features"][0]["definition"]["reduction"] = "min"
    with pytest.raises(InputError, match="its digest is not that of its definitions"):
        VectorSpec.from_json(json.dumps(told))
    with pytest.raises(InputError, match="cannot be read"):
        VectorSpec.from_json("[]")


def test_a_subset_keeps_definitions() -> None:
    spec = compile_plan(GROUPS).spec
    assert spec.subset(["total"]).names == ("total",)
    assert spec.subset(["total"])["total"] == spec["total"]
    with pytest.raises(InputError, match="did you mean 'total'"):
        spec.subset(["totl"])
