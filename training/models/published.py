"""Published scores whose formula is public, over the names of features or of a questionnaire.

FINDRISC: Lindstrom and Tuomilehto, Diabetes Care 2003;26:725 (seven lines, 0 to 20 points, people of 35
to 64), in the form that the Finnish Diabetes Association made of it for everybody: with the relatives'
diabetes (5 or 3 points) and a fourth point from 65 on, 0 to 26. New Chinese Diabetes Risk Score: Zhou et
al., Diabetes Care 2013;36:3944, as the Chinese guideline for type 2 diabetes prints it (undiagnosed
diabetes, ages 20 to 74, 0 to 51, cut 25). Framingham general cardiovascular disease: D'Agostino et al.,
Circulation 2008;117:743, ages 30 to 74, with lipids (table 2) and for the office with the body mass index
instead (ten-year risk; lipids in mg/dL there, in mmol/L here). Points, coefficients, means and baseline
survivals were compared with reprints of these tables.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from features import catalogue
from features.errors import InputError
from training.models.points import Cuts, Flag, Item, Log, PointScore

_MG_PER_MMOL = 38.67


def _same(feature: str, how: Cuts | Log | Flag) -> Item:
    return Item(feature, how, how)


FINDRISC = PointScore(
    "findrisc",
    "Lindstrom 2003, Diabetes Care 26:725; Finnish Diabetes Association",
    (
        _same("age", Cuts((45, 55, 65), (0, 2, 3, 4))),
        _same("bmi", Cuts((25, 30), (0, 1, 3), above=True)),
        Item(
            "waist_cm",
            Cuts((94, math.nextafter(102, 103)), (0, 3, 4)),
            Cuts((80, math.nextafter(88, 89)), (0, 3, 4)),
        ),
        _same("active_daily", Cuts((1,), (2, 0))),
        _same("vegetables_daily", Cuts((1,), (1, 0))),
        _same("antihypertensives", Flag(2)),
        _same("high_glucose_ever", Flag(5)),
        _same("family_diabetes_degree", Cuts((1, 2), (0, 5, 3))),
    ),
    sex="male",
    sexes=(0.0, 0.0),
    ages=(25, 74),
)
"""``family_diabetes_degree``: 0 none, 1 parent, sibling or child, 2 grandparent, aunt, uncle or cousin."""

_AGE = Cuts((25, 35, 40, 45, 50, 55, 60, 65), (0, 4, 8, 11, 12, 13, 15, 16, 18))
NEW_CHINESE = PointScore(
    "new_chinese_diabetes_risk_score",
    "Zhou 2013, Diabetes Care 36:3944; Chinese guideline for type 2 diabetes",
    (
        _same("age", _AGE),
        _same("systolic", Cuts((110, 120, 130, 140, 150, 160), (0, 1, 3, 6, 7, 8, 10))),
        _same("bmi", Cuts((22, 24, 30), (0, 1, 3, 5))),
        Item(
            "waist_cm",
            Cuts((75, 80, 85, 90, 95), (0, 3, 5, 7, 8, 10)),
            Cuts((70, 75, 80, 85, 90), (0, 3, 5, 7, 8, 10)),
        ),
        _same("family_diabetes", Flag(6)),
    ),
    sex="male",
    sexes=(2.0, 0.0),
    ages=(20, 74),
)


def _framingham(
    name: str, lines: tuple[Item, ...], mean: tuple[float, float], survival: tuple[float, float]
) -> PointScore:
    """Return a score whose points are log(-log S0) + sum of lines - mean, so that the risk is 1 - S0^exp(...)."""
    constant = [math.log(-math.log(base)) - centre for base, centre in zip(survival, mean)]
    source = "D'Agostino 2008, Circulation 117:743"
    return PointScore(name, source, lines, "male", (constant[0], constant[1]), (30, 74), survival=True)


FRAMINGHAM_LIPIDS = _framingham(
    "framingham_2008_lipids",
    (
        Item("age", Log(3.06117), Log(2.32888)),
        Item("total_cholesterol", Log(1.12370, _MG_PER_MMOL), Log(1.20904, _MG_PER_MMOL)),
        Item("hdl", Log(-0.93263, _MG_PER_MMOL), Log(-0.70833, _MG_PER_MMOL)),
        Item("systolic", Log(1.93303), Log(2.76157), "antihypertensives", (Log(1.99881), Log(2.82263))),
        Item("smokes", Flag(0.65451), Flag(0.52873)),
        Item("diabetes", Flag(0.57367), Flag(0.69154)),
    ),
    (23.9802, 26.1931),
    (0.88936, 0.95012),
)
FRAMINGHAM_OFFICE = _framingham(
    "framingham_2008_office",
    (
        Item("age", Log(3.11296), Log(2.72107)),
        Item("bmi", Log(0.79277), Log(0.51125)),
        Item("systolic", Log(1.85508), Log(2.81291), "antihypertensives", (Log(1.92672), Log(2.88267))),
        Item("smokes", Flag(0.70953), Flag(0.61868)),
        Item("diabetes", Flag(0.53160), Flag(0.77763)),
    ),
    (23.9388, 26.0145),
    (0.88431, 0.94833),
)
SCORES = (FINDRISC, NEW_CHINESE, FRAMINGHAM_LIPIDS, FRAMINGHAM_OFFICE)

CATALOGUE = {
    "male": "sex_male",
    "waist_cm": "waist_last_24m",
    "age": "age_years",
    "systolic": "systolic_mean_12m",
    "total_cholesterol": "total_cholesterol_last_24m",
    "hdl": "hdl_last_24m",
    "antihypertensives": "antihypertensives_365d",
    "smokes": "smokes_now",
    "diabetes": "diagnosis_diabetes",
}
"""What the scores call a value -> the feature of the catalogue that holds it (the others bear one name)."""


def over_catalogue(names: tuple[str, ...]) -> tuple[PointScore, ...]:
    """Return the scores of these names, over the features of the catalogue.

    Raises
    ------
    InputError
        No score has such a name, or it asks for what no feature of the catalogue holds.
    """
    known = {score.name: score for score in SCORES}
    for name in names:
        if name not in known:
            raise InputError(f"no published score '{name}'", where="scores", given=name, known=tuple(known))
    found = tuple(over(known[name], CATALOGUE) for name in names)
    held = {name for each in catalogue() for name in (getattr(each, "features", None) or (each.name,))} if found else ()
    for score in found:
        gone = [need for need in score.needs if need not in held]
        if gone:
            told = f"asks for {', '.join(gone)}, which no feature holds"
            raise InputError(
                told, where=f"score {score.name}", remedy="leave it out, or declare features of these names"
            )
    return found


def over(score: PointScore, names: Mapping[str, str]) -> PointScore:
    """Return a score that reads its values under other names."""
    items = tuple(
        replace(
            item, feature=names.get(item.feature, item.feature), treatment=names.get(item.treatment, item.treatment)
        )
        for item in score.items
    )
    return replace(score, items=items, sex=names.get(score.sex, score.sex))
