"""The self-test's questions: schema, checks, the row that the model reads."""

import jsonschema
import numpy as np
import pytest

from features.errors import InputError
from training.tasks import task

TASK = task("self_test_diabetes")
FORM = TASK.questionnaire
ANSWERS = {
    "age": 52,
    "sex": "male",
    "height_cm": 170,
    "weight_kg": 78.6,
    "waist_cm": 94,
    "family_diabetes": True,
    "told_diabetes": False,
}


def test_the_schema_takes_the_answers_and_shows_titles_units_and_ranges():
    schema = FORM.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(ANSWERS, schema)
    assert schema["properties"]["waist_cm"] == {
        "title": "waist",
        "x-title-zh": "腰围",
        "x-unit": "cm",
        "type": "number",
        "minimum": 40,
        "maximum": 200,
    }


def test_the_row_holds_the_inputs_in_order_with_null_where_not_answered():
    row = FORM.vector(ANSWERS)
    names = [each.name for each in FORM.inputs]
    assert row.shape == (1, len(names))
    found = dict(zip(names, row[0]))
    assert found["bmi"] == pytest.approx(78.6 / 1.7**2)
    assert found["male"] == 1.0 and found["family_diabetes"] == 1.0 and np.isnan(found["systolic"])


def test_who_is_outside_is_told_so():
    assert TASK.cohort.refusal(FORM.values(ANSWERS)) is None
    assert TASK.cohort.refusal(FORM.values(ANSWERS | {"age": 19})).code == "outside_population"
    assert TASK.cohort.refusal(FORM.values(ANSWERS | {"told_diabetes": True})).code == "not_eligible"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"age": 300}, "age: is a number from 18 to 120"),
        ({"age": "fifty"}, "age: is a number"),
        ({"age": True}, "age: is a number"),
        ({"sex": "m"}, "sex: is none of the choices"),
        ({"family_diabetes": 1}, "family_diabetes: is true or false"),
        ({"weight_kg": None}, "weight_kg: must be answered"),
        ({"wasit_cm": 90}, "did you mean 'waist_cm'"),
        ({"waist_cm": float("nan")}, "waist_cm: is a number"),
    ],
)
def test_a_wrong_answer_is_named_and_not_repeated(change, message):
    with pytest.raises(InputError, match=message) as caught:
        FORM.values(ANSWERS | change)
    assert "fifty" not in str(caught.value) and "300" not in str(caught.value)
