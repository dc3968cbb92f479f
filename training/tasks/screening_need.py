"""Screening need: who is due for breast or colorectal cancer screening. A rule, not a model.

Ages and intervals follow the guidelines of the National Cancer Center of China (breast 2022,
colorectal 2020; a hospital confirms them before use): breast from 45 to 74 every two years, from 40
every year with a relative who had it; colorectal from 50 to 75, colonoscopy every ten years or a
stool test every year, with a relative who had it from 40, colonoscopy every five years. Whether
someone is invited is the clinician's decision.
"""

from __future__ import annotations

import numpy as np

from features.codes import codelist
from features.group import FeatureGroup
from features.groups.eligibility import PURPOSES
from features.history import Reduction, Selection
from training.cohort import Cohort, Columns, Criterion, is_true
from training.outcome import ScreeningDue
from training.rule import Finding, Rule
from training.task import Inputs, Task, TimeAtRisk
from training.tasks.criteria import ALIVE, STAYED, aged, free_of

MAMMOGRAPHY = ("24606-6", "24605-8", "26346-7", "24604-1", "71651007", "241055006")
"""Mammography: LOINC study codes (screening, diagnostic, bilateral), SNOMED CT procedures."""
STOOL_TEST = ("2335-8", "29771-3", "57905-2", "14563-1", "14564-9", "27396-1", "104435004")
"""Faecal occult blood and immunochemical tests: LOINC, SNOMED CT."""
COLONOSCOPY = ("28023-0", "18746-8", "73761001", "444783004")
"""Colonoscopy: LOINC, SNOMED CT."""
WHY = "an invitation to screening depends on age, sex, family history and the last screening"
FEMALE = Criterion(
    "female",
    ("sex_male",),
    lambda c: c["sex_male"] == 0,
    "性别非女性或未知",
    "not female, or sex unknown",
    "outside_population",
)


def _last(name: str, zh: str, en: str, codes: tuple[str, ...]) -> FeatureGroup:
    since = Selection("observations").coded(*codes).days_since()
    return _group(
        f"screening_{name}",
        "observations",
        {f"{name}_days_since": since.labelled(label_zh=f"距上次{zh}天数", label_en=f"days since the last {en}")},
    )


def _family(disease: str) -> FeatureGroup:
    relatives = Selection("family_history").coded(codelist(disease)).exists()
    return _group(f"screening_family_{disease}", "family_history", {f"family_{disease}": relatives})


def _history(disease: str) -> FeatureGroup:
    found = Selection("diagnoses").coded(codelist(disease)).exists()
    return _group(f"screening_history_{disease}", "diagnoses", {f"{disease}_dx_ever": found})


def _group(name: str, source: str, features: dict[str, Reduction]) -> FeatureGroup:
    return FeatureGroup(name, source, PURPOSES, WHY, "eligibility", features, doc="What a screening rule reads.")


def _overdue(feature: str, days: float, columns: Columns) -> np.ndarray:
    """Return where a test was never done here, or longer ago."""
    since = columns[feature]
    return np.isnan(since) | (since > days)


def _breast(columns: Columns) -> np.ndarray:
    return (columns["age_years"] >= 45) & _overdue("mammography_days_since", 730, columns)


def _breast_family(columns: Columns) -> np.ndarray:
    return is_true(columns["family_breast_cancer"]) & _overdue("mammography_days_since", 365, columns)


def _bowel(columns: Columns) -> np.ndarray:
    overdue = _overdue("colonoscopy_days_since", 3650, columns) & _overdue("stool_test_days_since", 365, columns)
    return (columns["age_years"] >= 50) & overdue


def _bowel_family(columns: Columns) -> np.ndarray:
    return is_true(columns["family_colorectal_cancer"]) & _overdue("colonoscopy_days_since", 1825, columns)


def _task(
    name: str, disease: str, zh: str, en: str, cohort: tuple[Criterion, ...], rule: Rule, own: tuple[FeatureGroup, ...]
) -> Task:
    listed = codelist(disease)
    free = free_of(listed.zh, listed.en, (f"{disease}_dx_ever",), {}, {})
    return Task(
        name=name,
        kind="rule",
        zh=zh,
        en=en,
        purposes=("screening_invitation",),
        time=TimeAtRisk(horizon_days=0, lookback_days=0),
        cohort=Cohort((ALIVE, STAYED, *cohort, free)),
        outcome=ScreeningDue(rule.source),
        inputs=Inputs(clinical_groups=(), core=(), protected={"age": WHY, "sex": WHY}),
        own=(*own, _family(disease), _history(disease)),
        rule=rule,
    )


SCREENING_BREAST = _task(
    "screening_breast_cancer",
    "breast_cancer",
    "乳腺癌筛查到期（规则，不是模型）",
    "due for breast cancer screening (a rule, not a model)",
    (FEMALE, aged(40, 74)),
    Rule(
        (
            Finding(
                "from 45, no mammography in two years",
                ("age_years", "mammography_days_since"),
                _breast,
                "45岁及以上且近两年未做乳腺X线检查",
                "45 or older and no mammography in the past two years",
            ),
            Finding(
                "a relative had it, no mammography in a year",
                ("family_breast_cancer", "mammography_days_since"),
                _breast_family,
                "有乳腺癌家族史且近一年未做乳腺X线检查",
                "a relative had breast cancer and no mammography in the past year",
            ),
        ),
        "rule: National Cancer Center of China, breast cancer screening guideline (2022)",
    ),
    (_last("mammography", "乳腺X线检查", "mammography", MAMMOGRAPHY),),
)
SCREENING_COLORECTAL = _task(
    "screening_colorectal_cancer",
    "colorectal_cancer",
    "结直肠癌筛查到期（规则，不是模型）",
    "due for colorectal cancer screening (a rule, not a model)",
    (aged(40, 75),),
    Rule(
        (
            Finding(
                "from 50, no colonoscopy in ten years, no stool test in one",
                ("age_years", "colonoscopy_days_since", "stool_test_days_since"),
                _bowel,
                "50岁及以上，近十年未做肠镜且近一年未做粪便检测",
                "50 or older, no colonoscopy in ten years and no stool test in the past year",
            ),
            Finding(
                "a relative had it, no colonoscopy in five years",
                ("family_colorectal_cancer", "colonoscopy_days_since"),
                _bowel_family,
                "有结直肠癌家族史且近五年未做肠镜",
                "a relative had colorectal cancer and no colonoscopy in five years",
            ),
        ),
        "rule: National Cancer Center of China, colorectal cancer screening guideline (2020)",
    ),
    (
        _last("stool_test", "粪便检测", "stool test", STOOL_TEST),
        _last("colonoscopy", "肠镜检查", "colonoscopy", COLONOSCOPY),
    ),
)
