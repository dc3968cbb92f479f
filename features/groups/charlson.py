"""The Charlson index from ICD-10 codes.

Conditions and codes: Quan H et al., Coding algorithms for defining comorbidities in ICD-9-CM and ICD-10
administrative data, Med Care 2005;43:1130-9, ICD-10 column. Weights: Charlson ME et al., J Chronic Dis
1987;40:373-83. The severer of two grades of one disease counts alone.
"""

from __future__ import annotations

import numpy as np

from features import derived, feature_group
from features.codes import Codelist
from features.history import Reduction, Selection

_DIABETES = tuple(f"E1{each}" for each in range(5))
_CONDITIONS: dict[str, tuple[str, str, str]] = {
    "infarction": ("心肌梗死", "myocardial infarction", "I21 I22 I252"),
    "failure": (
        "充血性心力衰竭",
        "congestive heart failure",
        "I099 I110 I130 I132 I255 I420 I425 I426 I427 I428 I429 I43 I50 P290",
    ),
    "vascular": (
        "外周血管病",
        "peripheral vascular disease",
        "I70 I71 I731 I738 I739 I771 I790 I792 K551 K558 K559 Z958 Z959",
    ),
    "cerebral": (
        "脑血管病",
        "cerebrovascular disease",
        "G45 G46 H340 I60 I61 I62 I63 I64 I65 I66 I67 I68 I69",
    ),
    "dementia": ("痴呆", "dementia", "F00 F01 F02 F03 F051 G30 G311"),
    "pulmonary": (
        "慢性肺病",
        "chronic pulmonary disease",
        "I278 I279 J40 J41 J42 J43 J44 J45 J46 J47 J60 J61 J62 J63 J64 J65 J66 J67 J684 J701 J703",
    ),
    "rheumatic": ("风湿病", "rheumatic disease", "M05 M06 M315 M32 M33 M34 M351 M353 M360"),
    "ulcer": ("消化性溃疡", "peptic ulcer disease", "K25 K26 K27 K28"),
    "liver_mild": (
        "轻度肝病",
        "mild liver disease",
        "B18 K700 K701 K702 K703 K709 K713 K714 K715 K717 K73 K74 K760 K762 K763 K764 K768 K769 Z944",
    ),
    "diabetes_plain": (
        "糖尿病（无慢性并发症）",
        "diabetes without chronic complication",
        " ".join(f"{each}{digit}" for each in _DIABETES for digit in "01689"),
    ),
    "diabetes_complicated": (
        "糖尿病（有慢性并发症）",
        "diabetes with chronic complication",
        " ".join(f"{each}{digit}" for each in _DIABETES for digit in "23457"),
    ),
    "plegia": (
        "偏瘫或截瘫",
        "hemiplegia or paraplegia",
        "G041 G114 G801 G802 G81 G82 G830 G831 G832 G833 G834 G839",
    ),
    "renal": (
        "肾脏病",
        "renal disease",
        "I120 I131 N032 N033 N034 N035 N036 N037 N052 N053 N054 N055 N056 N057 N18 N19 N250 Z490 Z491 Z492 Z940 Z992",
    ),
    "malignancy": (
        "恶性肿瘤",
        "malignancy",
        " ".join(
            f"C{each:02d}" for each in (*range(27), *range(30, 35), *range(37, 42), 43, *range(45, 59), *range(60, 77))
        )
        + " C81 C82 C83 C84 C85 C88 C90 C91 C92 C93 C94 C95 C96 C97",
    ),
    "liver_severe": (
        "中重度肝病",
        "moderate or severe liver disease",
        "I850 I859 I864 I982 K704 K711 K721 K729 K765 K766 K767",
    ),
    "metastatic": ("转移性实体瘤", "metastatic solid tumour", "C77 C78 C79 C80"),
    "aids": ("艾滋病", "AIDS", "B20 B21 B22 B24"),
}
CONDITIONS = tuple(
    Codelist(f"charlson_{name}", zh, en, "", frozenset(("ICD-10", code) for code in codes.split()), "diagnosis")
    for name, (zh, en, codes) in _CONDITIONS.items()
)


@feature_group(
    source="diagnoses",
    purposes=("care_followup",),
    why="the burden of all diseases together says who needs closer care",
    clinical_group="comorbidity",
    protected=True,
)
def charlson(history: Selection) -> dict[str, Reduction]:
    """The seventeen conditions of the Charlson index, ever on record (Quan 2005)."""
    return {each.name: history.coded(each).exists() for each in CONDITIONS}


@derived
def charlson_index(
    charlson_infarction: np.ndarray,
    charlson_failure: np.ndarray,
    charlson_vascular: np.ndarray,
    charlson_cerebral: np.ndarray,
    charlson_dementia: np.ndarray,
    charlson_pulmonary: np.ndarray,
    charlson_rheumatic: np.ndarray,
    charlson_ulcer: np.ndarray,
    charlson_liver_mild: np.ndarray,
    charlson_diabetes_plain: np.ndarray,
    charlson_diabetes_complicated: np.ndarray,
    charlson_plegia: np.ndarray,
    charlson_renal: np.ndarray,
    charlson_malignancy: np.ndarray,
    charlson_liver_severe: np.ndarray,
    charlson_metastatic: np.ndarray,
    charlson_aids: np.ndarray,
) -> np.ndarray:
    """Charlson comorbidity index, 0 to 29 (weights of 1987, without age). Unit: 1.

    A condition of which nobody can say that it is absent counts nothing; null where that is so of all.

    label_zh: Charlson 合并症指数
    label_en: Charlson comorbidity index
    """
    ones = (
        *(charlson_infarction, charlson_failure, charlson_vascular, charlson_cerebral, charlson_dementia),
        *(charlson_pulmonary, charlson_rheumatic, charlson_ulcer),
    )
    liver = np.fmax(charlson_liver_mild, 3 * charlson_liver_severe)
    diabetes = np.fmax(charlson_diabetes_plain, 2 * charlson_diabetes_complicated)
    tumour = np.fmax(2 * charlson_malignancy, 6 * charlson_metastatic)
    parts = np.stack([*ones, liver, diabetes, tumour, 2 * charlson_plegia, 2 * charlson_renal, 6 * charlson_aids])
    return np.where(np.isnan(parts).all(axis=0), np.nan, np.nansum(parts, axis=0))
