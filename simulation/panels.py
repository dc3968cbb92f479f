"""Tests and measurements: what is read, with which error, and who is tested."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulation.bedside import Bedside

Reading = Callable[[Bedside, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Analyte:
    """One code: its LOINC code, unit, name, the reading as a function of the body and of standard
    normal error, decimals, and the context of the measurement."""

    code: str
    unit: str
    zh: str
    read: Reading
    decimals: int = 1
    context: str | None = None


@dataclass(frozen=True)
class Panel:
    """Analytes ordered together.

    ``usual`` probability at an ordinary visit, ``check_up`` at a check-up, ``managed`` when one
    of ``diseases`` is known; ``sick`` how ill the patient looks, in standard deviations;
    ``hours`` to the result, and whether it is a slow one.
    """

    name: str
    analytes: tuple[Analyte, ...]
    usual: float
    check_up: float
    managed: float
    diseases: tuple[str, ...] = ()
    sick: Callable[[Bedside], np.ndarray] = lambda b: 0.3 * b.frailty
    hours: float = 3.0
    slow: bool = False
    origin: str = "laboratory"


def _fasting(b: Bedside) -> np.ndarray:
    """Fasting glucose, mmol/L, from glycaemia in % (about 1.6 mmol/L a per cent, ADAG: Nathan 2008)."""
    return 5.3 + 1.6 * (b.glycaemia - 5.5)


def _creatinine(b: Bedside, e: np.ndarray) -> np.ndarray:
    """Creatinine, umol/L: CKD-EPI 2021 solved for it on its upper branch."""
    kappa = np.where(b.male, 0.9, 0.7)
    ratio = 142 * np.where(b.male, 1.0, 1.012) * 0.9938**b.age / b.egfr
    return 88.4 * kappa * np.maximum(ratio, 0.6) ** (1 / 1.2) * np.exp(0.06 * e)


def _triglycerides(b: Bedside, e: np.ndarray) -> np.ndarray:
    return np.exp(0.3 + 0.05 * (b.bmi - 24) + 0.12 * b.gene + 0.1 * (b.glycaemia - 5.5) + 0.3 * e)


def _hdl(b: Bedside, e: np.ndarray) -> np.ndarray:
    return np.clip(1.5 - 0.22 * b.male - 0.03 * (b.bmi - 24) + 0.12 * b.resilience + 0.15 * e, 0.5, 3.0)


def _diastolic(b: Bedside, e: np.ndarray) -> np.ndarray:
    return np.minimum(42 + 0.29 * b.systolic - 0.08 * (b.age - 50) + 5 * e, b.systolic - 12)


SYSTOLIC = Analyte("8480-6", "mmHg", "收缩压", lambda b, e: b.systolic + 7 * e, 0)
DIASTOLIC = Analyte("8462-4", "mmHg", "舒张压", _diastolic, 0)
HEART_RATE = Analyte("8867-4", "/min", "心率", lambda b, e: 74 + 2 * b.frailty + 8 * e, 0)
FASTING = Analyte("14771-0", "mmol/L", "空腹血糖", lambda b, e: _fasting(b) + 0.33 * e, 2, "fasting")
MEAL = Analyte("14749-6", "mmol/L", "餐后2小时血糖", lambda b, e: 1.35 * _fasting(b) + 0.9 * e, 1, "2h")
RANDOM = Analyte("14749-6", "mmol/L", "随机血糖", lambda b, e: _fasting(b) + 0.4 + 1.1 * np.abs(e), 1, "random")

PANELS: tuple[Panel, ...] = (
    Panel(
        "pressure",
        (SYSTOLIC, DIASTOLIC),
        0.5,
        0.97,
        0.8,
        ("hypertension", "stroke"),
        sick=lambda b: (b.systolic - 122) / 13,
        hours=0.2,
        origin="clinic",
    ),
    Panel("pulse", (HEART_RATE,), 0.25, 0.9, 0.35, ("heart_failure",), hours=0.2, origin="clinic"),
    Panel(
        "body",
        (
            Analyte("29463-7", "kg", "体重", lambda b, e: b.bmi * (b.height / 100) ** 2 + 0.6 * e),
            Analyte("39156-5", "kg/m2", "体质指数", lambda b, e: b.bmi + 0.25 * e),
        ),
        0.22,
        0.97,
        0.4,
        ("diabetes", "obesity", "heart_failure"),
        sick=lambda b: (b.bmi - 24) / 3.3,
        hours=0.2,
        origin="clinic",
    ),
    Panel(
        "waist",
        (Analyte("8280-0", "cm", "腰围", lambda b, e: 60 + 2.3 * (b.bmi - 15) + 6 * b.male + 2.5 * e),),
        0.03,
        0.8,
        0.12,
        ("diabetes", "obesity"),
        hours=0.2,
        origin="clinic",
    ),
    Panel(
        "fasting glucose",
        (FASTING,),
        0.18,
        0.97,
        0.5,
        ("diabetes",),
        sick=lambda b: (b.glycaemia - 5.6) / 0.35 + 0.2 * (b.age > 50),
    ),
    Panel(
        "hba1c",
        (Analyte("4548-4", "%", "糖化血红蛋白", lambda b, e: b.glycaemia + 0.1 * e),),
        0.1,
        0.45,
        0.5,
        ("diabetes",),
        sick=lambda b: (b.glycaemia - 5.6) / 0.35,
        hours=8.0,
        slow=True,
    ),
    Panel("random glucose", (RANDOM,), 0.04, 0.0, 0.1, ("diabetes",)),
    Panel(
        "lipids",
        (
            Analyte("22748-8", "mmol/L", "低密度脂蛋白胆固醇", lambda b, e: np.clip(b.ldl + 0.2 * e, 0.5, 9), 2),
            Analyte("14646-4", "mmol/L", "高密度脂蛋白胆固醇", _hdl, 2),
            Analyte("14927-8", "mmol/L", "甘油三酯", _triglycerides, 2),
            Analyte(
                "14647-2", "mmol/L", "总胆固醇", lambda b, e: np.clip(b.ldl, 0.5, 9) + 1.9 + 0.02 * b.bmi + 0.25 * e, 2
            ),
        ),
        0.05,
        0.95,
        0.25,
        ("dyslipidaemia", "coronary_heart_disease", "stroke"),
        sick=lambda b: (b.ldl - 2.8) / 0.55,
        hours=6.0,
        slow=True,
    ),
    Panel(
        "kidney",
        (
            Analyte("14682-9", "umol/L", "肌酐", _creatinine, 0),
            Analyte("98979-8", "mL/min/1.73m2", "估算肾小球滤过率", lambda b, e: np.clip(b.egfr + 5 * e, 5, 140), 0),
        ),
        0.07,
        0.85,
        0.4,
        ("chronic_kidney_disease", "diabetes", "heart_failure"),
        sick=lambda b: (92 - b.egfr) / 18,
    ),
    Panel(
        "spirometry",
        (Analyte("20152-5", "%", "第一秒用力呼气容积占预计值", lambda b, e: np.clip(b.lung + 4 * e, 12, 140), 0),),
        0.02,
        0.12,
        0.35,
        ("copd",),
        sick=lambda b: (95 - b.lung) / 14 + 0.5 * b.smokes,
        hours=1.0,
        origin="clinic",
    ),
)
