"""The people of a chunk: who they are, and what is latent and constant in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulation.grid import Grid
from simulation.setting import Setting

BITS = 48  # of a surrogate


@dataclass(frozen=True)
class People:
    """Constant properties, one entry a patient.

    ``birth`` and ``registered`` are days of the grid (negative: before it). ``frailty``,
    ``engagement``, ``gene_metabolic``, ``gene_vascular`` and ``resilience`` are latent, in
    standard deviations. ``pack_years`` counts what was smoked up to day 0.
    """

    ids: np.ndarray
    birth: np.ndarray
    male: np.ndarray
    registered: np.ndarray
    frailty: np.ndarray
    engagement: np.ndarray
    gene_metabolic: np.ndarray
    gene_vascular: np.ndarray
    resilience: np.ndarray
    smokes: np.ndarray
    smoked: np.ndarray
    pack_years: np.ndarray
    online: np.ndarray
    device: np.ndarray
    interval: np.ndarray
    supply: np.ndarray
    own_pharmacy: np.ndarray
    holdout: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)


def surrogates(first: int, count: int, seed: int) -> np.ndarray:
    """Return unguessable-looking, distinct ids: an odd multiplier permutes the numbers of 48 bits."""
    mask = np.uint64(2**BITS - 1)
    number = np.arange(first + 1, first + count + 1, dtype=np.uint64)
    mixed = (number * np.uint64(0x9E3779B97F4A7C15) + np.uint64((seed * 0x5851F42D) % 2**BITS)) & mask
    return np.array([f"p{value:012x}" for value in mixed.tolist()])


def people(first: int, count: int, seed: int, grid: Grid, setting: Setting, rng: np.random.Generator) -> People:
    """Draw the patients ``first .. first + count`` of a hospital.

    Ages follow a hospital's outpatients rather than the population: 3 % children, the others
    with a mean near 55 years. Smoking is near China's surveys: four in ten men and 3 % of women smoke.
    """
    child = rng.random(count) < 0.03
    age = np.where(child, 1 + 17 * rng.random(count), 18 + 76 * rng.beta(2.3, 2.4, count))
    male = rng.random(count) < 0.47
    frailty = rng.normal(size=count)
    engagement = setting.engagement_spread * rng.normal(size=count) + 0.1 * ~male
    adult = age >= 20
    ever = adult & (rng.random(count) < np.where(male, 0.58, 0.05))
    smokes = ever & (rng.random(count) < 0.68)
    smoked_years = np.clip((age - 20) * rng.beta(4, 2, count), 0, None)
    packs = np.clip(rng.normal(0.9, 0.35, count), 0.1, 2.2)
    before = rng.random(count) < setting.registered_before
    early = -rng.uniform(0, 6 * 365, count)
    late = rng.uniform(0, grid.end - 1, count)
    registered = np.floor(np.where(before, early, late)).astype(np.int64)
    birth = np.minimum(np.floor(grid.end - 365.25 * age), registered - 30).astype(np.int64)
    log_odds = setting.online_share - 0.045 * (age - 50) + 0.5 * engagement / max(setting.engagement_spread, 1e-9)
    online = (age >= 14) & (rng.random(count) < 1 / (1 + np.exp(-log_odds)))
    return People(
        ids=surrogates(first, count, seed),
        birth=birth,
        male=male,
        registered=registered,
        frailty=frailty,
        engagement=engagement,
        gene_metabolic=rng.normal(size=count),
        gene_vascular=rng.normal(size=count),
        resilience=rng.normal(size=count),
        smokes=smokes,
        smoked=ever,
        pack_years=np.where(ever, smoked_years * packs, 0.0),
        online=online,
        device=online & (rng.random(count) < setting.device_share),
        interval=rng.choice(np.array([30, 60, 90, 90, 120]), count),
        supply=rng.choice(np.array([28, 28, 28, 56, 84]), count),
        own_pharmacy=rng.random(count) < setting.outside_supply,
        holdout=rng.random(count) < 0.1,
    )
