"""Latent state along the months: body, illness, engagement. Nobody in the hospital sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulation.grid import Grid
from simulation.people import People
from simulation.setting import Setting


@dataclass(frozen=True)
class Physiology:
    """Latent values, each of shape (patients, cells).

    ``bmi`` kg/m2, ``glycaemia`` on the scale of HbA1c (%), ``systolic`` mmHg, ``ldl`` mmol/L,
    ``lung`` FEV1 % of predicted, ``egfr`` mL/min/1.73m2, ``engagement`` and ``lagged`` (what
    moves visits) unit 1, ``acute`` whether an acute illness is on.
    """

    age: np.ndarray
    bmi: np.ndarray
    glycaemia: np.ndarray
    systolic: np.ndarray
    ldl: np.ndarray
    lung: np.ndarray
    egfr: np.ndarray
    engagement: np.ndarray
    lagged: np.ndarray
    acute: np.ndarray


def _wander(rng: np.random.Generator, shape: tuple[int, int], persistence: float, noise: float) -> np.ndarray:
    """Stationary AR(1) paths."""
    steps = rng.normal(0.0, noise, shape)
    steps[:, 0] /= np.sqrt(1 - persistence**2)
    for cell in range(1, shape[1]):
        steps[:, cell] += persistence * steps[:, cell - 1]
    return steps


def _engagement(people: People, grid: Grid, setting: Setting, rng: np.random.Generator) -> np.ndarray:
    """Personal mean, slow wandering, and sudden losses that fade as slowly."""
    shape = (len(people), grid.cells)
    wander = _wander(rng, shape, setting.engagement_persistence, setting.engagement_noise)
    size = setting.shock_size * (0.5 + 0.5 * rng.exponential(size=shape))
    loss = np.where(rng.random(shape) < setting.shock_rate, size, 0.0)
    for cell in range(1, grid.cells):
        loss[:, cell] += setting.engagement_persistence * loss[:, cell - 1]
    return people.engagement[:, None] + wander - np.minimum(loss, 4.0) + 0.35


def physiology(people: People, grid: Grid, setting: Setting, rng: np.random.Generator) -> Physiology:
    """Draw the latent paths of a chunk.

    Glycaemia grows exponentially above a floor (the loss of beta cells feeds itself), faster
    with weight and family; lung function falls faster while smoking (Fletcher and Peto 1977);
    kidney function falls with age, glycaemia and pressure.
    """
    count, shape = len(people), (len(people), grid.cells)
    year = grid.years[None, :]
    age = (grid.years[None, :] * 365.25 - people.birth[:, None]) / 365.25
    adult = np.clip(age, 20, 90)

    def trait(spread: float) -> np.ndarray:
        return rng.normal(0.0, spread, (count, 1))

    middle = np.clip(1 - ((adult - 58) / 45) ** 2, -0.5, 1)
    bmi = 22.4 + 1.8 * middle + 0.5 * people.male[:, None] + trait(3.2) + 0.12 * trait(1.0) * year
    bmi = np.clip(bmi + _wander(rng, shape, 0.97, 0.15), 15.5, 46)
    bmi = np.where(age < 18, np.clip(bmi - 5, 13, 40), bmi)
    gene = people.gene_metabolic[:, None]
    above = 0.62 + 0.009 * (adult - 50) + 0.04 * (bmi[:, :1] - 24) + 0.11 * gene + np.abs(trait(0.14))
    growth = setting.glycaemic_drift * np.exp(0.7 * trait(1.0) + 0.06 * (bmi[:, :1] - 24) + 0.3 * gene)
    glycaemia = 4.75 + np.clip(above, 0.25, 2.2) * np.exp(np.clip(growth, 0, 0.35) * year)
    glycaemia = np.clip(glycaemia + _wander(rng, shape, 0.85, 0.03), 4.4, 9.5)
    vessel = people.gene_vascular[:, None]
    systolic = 119 + 0.48 * (adult - 50) + 0.9 * (bmi - 24) + 5 * vessel + trait(7.5)
    systolic = systolic + np.abs(trait(0.9)) * year + _wander(rng, shape, 0.8, 1.8)
    ldl = 2.75 + 0.006 * (adult - 50) + 0.03 * (bmi - 24) + 0.3 * vessel + trait(0.45) + 0.02 * year
    smoke = people.pack_years[:, None]
    fall = (0.25 + 0.05 * np.minimum(smoke, 40) * people.smokes[:, None]) * np.exp(0.5 * trait(1.0))
    lung = 100 - 0.2 * (adult[:, :1] - 40) - 0.62 * smoke + trait(8.0) + 3 * people.resilience[:, None] - fall * year
    egfr = 106 - 0.88 * (adult - 40) + trait(9.0) - 5 * np.clip(glycaemia - 6, 0, None)
    egfr = egfr - 0.18 * np.clip(systolic - 130, 0, None) - np.abs(trait(1.2)) * year
    engagement = _engagement(people, grid, setting, rng)
    before = np.concatenate([engagement[:, :1], engagement[:, :-1]], axis=1)
    earlier = np.concatenate([engagement[:, :1], before[:, :-1]], axis=1)
    begins = rng.random(shape) < setting.acute_rate * np.exp(0.3 * people.frailty[:, None])
    acute = begins.copy()
    acute[:, 1:] |= begins[:, :-1] & (rng.random((count, grid.cells - 1)) < 0.6)
    return Physiology(
        age=age,
        bmi=bmi,
        glycaemia=glycaemia,
        systolic=np.clip(systolic, 85, 210),
        ldl=np.clip(ldl, 0.8, 7.5),
        lung=np.clip(lung, 20, 125),
        egfr=np.clip(egfr, 8, 135),
        engagement=engagement,
        lagged=setting.visit_lag * before + (1 - setting.visit_lag) * earlier,
        acute=acute,
    )
