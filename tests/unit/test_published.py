"""Published scores against their papers' tables, line by line, and the worked cases."""

import math

import numpy as np
import pytest

from features.errors import InputError
from training.models.points import Cuts
from training.models.published import CATALOGUE, FINDRISC, FRAMINGHAM_LIPIDS, FRAMINGHAM_OFFICE, NEW_CHINESE, over

NAN = float("nan")


def _points(score, **values):
    return float(score.points({name: np.array([float(values[name])]) for name in score.needs})[0])


HEALTHY = {
    "male": 0, "age": 30, "bmi": 22, "waist_cm": 70, "active_daily": 1, "vegetables_daily": 1,
    "antihypertensives": 0, "high_glucose_ever": 0, "family_diabetes_degree": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "points"),
    [
        ({}, 0),
        ({"age": 44.9}, 0), ({"age": 45}, 2), ({"age": 54.9}, 2), ({"age": 55}, 3), ({"age": 64.9}, 3),
        ({"age": 65}, 4),
        ({"bmi": 25}, 0), ({"bmi": 25.1}, 1), ({"bmi": 30}, 1), ({"bmi": 30.1}, 3),
        ({"waist_cm": 79.9}, 0), ({"waist_cm": 80}, 3), ({"waist_cm": 88}, 3), ({"waist_cm": 88.1}, 4),
        ({"male": 1, "waist_cm": 93.9}, 0), ({"male": 1, "waist_cm": 94}, 3), ({"male": 1, "waist_cm": 102}, 3),
        ({"male": 1, "waist_cm": 102.1}, 4),
        ({"active_daily": 0}, 2), ({"vegetables_daily": 0}, 1), ({"antihypertensives": 1}, 2),
        ({"high_glucose_ever": 1}, 5), ({"family_diabetes_degree": 1}, 5), ({"family_diabetes_degree": 2}, 3),
    ],
)  # fmt: skip
def test_findrisc_line_by_line(change, points):
    assert _points(FINDRISC, **(HEALTHY | change)) == points


def test_findrisc_goes_to_26():
    most = {
        "male": 1, "age": 70, "bmi": 35, "waist_cm": 120, "active_daily": 0, "vegetables_daily": 0,
        "antihypertensives": 1, "high_glucose_ever": 1, "family_diabetes_degree": 1,
    }  # fmt: skip
    assert _points(FINDRISC, **most) == 26


AGES = ((25, 4), (34, 4), (35, 8), (40, 11), (45, 12), (50, 13), (55, 15), (60, 16), (65, 18), (74, 18))
PRESSURES = ((110, 1), (119, 1), (120, 3), (130, 6), (140, 7), (150, 8), (159, 8), (160, 10))
BMIS = ((21.9, 0), (22, 1), (23.9, 1), (24, 3), (29.9, 3), (30, 5))
WAISTS = ((69, 0), (70, 3), (75, 5), (80, 7), (85, 8), (90, 10))
LEAST = {"male": 0, "age": 22, "systolic": 105, "bmi": 20, "waist_cm": 65, "family_diabetes": 0}


@pytest.mark.parametrize(
    ("change", "points"),
    [
        ({}, 0),
        *(({"age": years}, points) for years, points in AGES),
        *(({"systolic": mmhg}, points) for mmhg, points in PRESSURES),
        *(({"bmi": bmi}, points) for bmi, points in BMIS),
        *(({"waist_cm": cm}, points) for cm, points in WAISTS),
        *(({"male": 1, "waist_cm": cm + 5}, 2 + points) for cm, points in WAISTS),
        ({"family_diabetes": 1}, 6),
    ],
)  # fmt: skip
def test_the_new_chinese_score_line_by_line(change, points):
    assert _points(NEW_CHINESE, **(LEAST | change)) == points


def test_the_new_chinese_score_goes_to_51():
    most = {"male": 1, "age": 70, "systolic": 170, "bmi": 33, "waist_cm": 100, "family_diabetes": 1}
    assert _points(NEW_CHINESE, **most) == 51


WOMAN = {"male": 0, "age": 61, "total_cholesterol": 180 / 38.67, "hdl": 47 / 38.67, "systolic": 124,
         "antihypertensives": 0, "smokes": 1, "diabetes": 0}  # fmt: skip
MAN = {"male": 1, "age": 53, "total_cholesterol": 161 / 38.67, "hdl": 55 / 38.67, "systolic": 125,
       "antihypertensives": 1, "smokes": 0, "diabetes": 1}  # fmt: skip


def _risk(score, **values):
    return float(score.risk({name: np.array([float(values[name])]) for name in score.needs})[0])


def test_the_worked_cases_of_framingham_2008():
    """A woman of 61 and a man of 53: 10.48 % and 15.62 % in ten years."""
    assert _risk(FRAMINGHAM_LIPIDS, **WOMAN) == pytest.approx(0.1048, abs=0.0005)
    assert _risk(FRAMINGHAM_LIPIDS, **MAN) == pytest.approx(0.1562, abs=0.0005)


def test_framingham_by_its_formula():
    """1 - S0 ^ exp(sum - mean), written out for the office form."""
    total = 3.11296 * math.log(53) + 0.79277 * math.log(28) + 1.92672 * math.log(125) + 0.53160
    expected = 1 - 0.88431 ** math.exp(total - 23.9388)
    assert _risk(FRAMINGHAM_OFFICE, **(MAN | {"bmi": 28})) == pytest.approx(expected)


def test_a_missing_value_gives_no_points_and_points_are_no_risk():
    assert np.isnan(_points(NEW_CHINESE, **(LEAST | {"waist_cm": NAN})))
    with pytest.raises(InputError, match="points, not a risk"):
        FINDRISC.risk({name: np.zeros(1) for name in FINDRISC.needs})
    with pytest.raises(InputError, match="one more"):
        Cuts((1, 2), (0, 1))


def test_a_score_reads_the_catalogue_under_its_names():
    score = over(FRAMINGHAM_LIPIDS, CATALOGUE)
    values = {CATALOGUE.get(name, name): value for name, value in MAN.items()}
    assert _risk(score, **values) == pytest.approx(_risk(FRAMINGHAM_LIPIDS, **MAN))
