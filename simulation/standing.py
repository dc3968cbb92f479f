"""Death, and leaving the hospital's care: when follow-up ends, and for some begins again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulation.grid import Grid
from simulation.illness import NEVER
from simulation.people import People
from simulation.physiology import Physiology
from simulation.setting import Setting

LEAVING = ("transferred", "moved", "opted_out")


@dataclass(frozen=True)
class Standing:
    """Days of death, of leaving and of coming back (NEVER where not), and the kind of leaving."""

    death: np.ndarray
    gone: np.ndarray
    back: np.ndarray
    kind: np.ndarray

    def followed(self, patient: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Whether each patient is alive and in the hospital's care on a day."""
        away = (day >= self.gone[patient]) & (day < self.back[patient])
        return ~away & (day < self.death[patient])


def standing(people: People, body: Physiology, grid: Grid, setting: Setting, rng: np.random.Generator) -> Standing:
    """Draw the ends of follow-up: Gompertz mortality, and leaving that engagement slows."""
    count = len(people)
    begin = np.maximum(people.registered, 0) + 1
    dying = setting.death_rate * np.exp(0.085 * (body.age - 60) + 0.4 * people.frailty[:, None])
    leaving = setting.leave_rate * np.exp(-0.4 * body.lagged)

    def first(yearly: np.ndarray) -> np.ndarray:
        exposed = np.clip(grid.edges[None, 1:] - np.maximum(grid.edges[None, :-1], begin[:, None]), 0, None)
        total = np.cumsum(yearly / 365.25 * exposed, axis=1)
        cell = (total < rng.exponential(size=count)[:, None]).sum(axis=1)
        inside = np.minimum(cell, grid.cells - 1)
        low = np.maximum(grid.edges[inside], begin)
        day = low + np.floor(rng.random(count) * (grid.edges[inside + 1] - low)).astype(np.int64)
        return np.where(cell >= grid.cells, NEVER, day)

    death, gone = first(dying), first(leaving)
    returns = rng.random(count) < 0.2
    back = np.where(returns & (gone < NEVER), gone + 60 + np.floor(300 * rng.random(count)).astype(np.int64), NEVER)
    gone = np.where(gone < death, gone, NEVER)
    back = np.where((gone < NEVER) & (back < death), back, NEVER)
    return Standing(death=death, gone=gone, back=back, kind=rng.choice(3, count, p=[0.3, 0.5, 0.2]))
