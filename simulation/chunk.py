"""A chunk of patients with everything latent and managed about them: what the records are drawn from."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulation.grid import Grid
from simulation.habit import Habit
from simulation.illness import Illness, illness
from simulation.people import People, people
from simulation.physiology import Physiology, physiology
from simulation.setting import Setting
from simulation.standing import Standing, standing
from simulation.visits import Visits, visits


@dataclass(frozen=True)
class Chunk:
    """Patients ``number * size ..`` of a hospital. Chunks share nothing but the calendar and the catalogue."""

    number: int
    seed: int
    grid: Grid
    setting: Setting
    people: People
    body: Physiology
    illness: Illness
    standing: Standing
    visits: Visits
    ids: pa.Array

    def rng(self, theme: str) -> np.random.Generator:
        """Return the generator of a theme: one theme drawn differently moves no other."""
        return generator(self.seed, self.number, theme)

    def latent(self, values: np.ndarray, patient: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Return latent values of the given patients on the given days."""
        return values[patient, self.grid.cell(day)]


def generator(seed: int, number: int, theme: str) -> np.random.Generator:
    """Return the generator of a seed, a chunk and a theme."""
    return np.random.default_rng([seed, number, zlib.crc32(theme.encode())])


def chunk(number: int, first: int, count: int, seed: int, grid: Grid, setting: Setting) -> Chunk:
    """Simulate the latent state and the visits of ``count`` patients from the ``first`` on."""
    folk = people(first, count, seed, grid, setting, generator(seed, number, "people"))
    body = physiology(folk, grid, setting, generator(seed, number, "physiology"))
    sick = illness(folk, body, grid, setting, generator(seed, number, "illness"))
    stays = standing(folk, body, grid, setting, generator(seed, number, "standing"))
    law = Habit(folk, body, sick, grid, setting)
    course = visits(law, stays, generator(seed, number, "visits"))
    return Chunk(number, seed, grid, setting, folk, body, sick, stays, course, pa.array(folk.ids.tolist()))
