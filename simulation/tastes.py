"""What patients would want to read: latent affinities that illness raises and age bends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulation.chunk import Chunk
from simulation.content import FORMATS, TOPICS, Catalogue
from simulation.illness import NAMES

RAISED = 1.5  # log-odds of a topic once its disease is known
FORESEEN = 0.5  # the same before: who is at risk half knows it


@dataclass(frozen=True)
class Tastes:
    """Log-odds: ``topics`` (patients, topics) without illness, ``formats`` (patients, formats)."""

    topics: np.ndarray
    formats: np.ndarray

    def utility(
        self, chunk: Chunk, items: Catalogue, patient: np.ndarray, day: np.ndarray, item: np.ndarray
    ) -> np.ndarray:
        """Log-odds that a patient opens an item seen on a day, but for its slot and the day's mood."""
        known = chunk.visits.recorded[patient] <= day[:, None]
        rows = np.arange(len(patient))
        gain = np.zeros(len(patient))
        for topic, weight in ((items.topic[item], 1.0), (items.second[item], 0.4)):
            disease = OF_DISEASE[topic]
            bonus = np.where(disease >= 0, RAISED * known[rows, np.maximum(disease, 0)], 0.0)
            gain += weight * (self.topics[patient, topic] + bonus)
        age = np.clip(day - items.published[item], 0, None)
        return gain + self.formats[patient, items.format[item]] + items.quality[item] + 0.5 * np.exp(-age / 30)


OF_DISEASE = np.array([NAMES.index(topic.disease) if topic.disease else -1 for topic in TOPICS])


def tastes(chunk: Chunk) -> Tastes:
    """Draw the affinities of a chunk: older people prefer articles, younger people short videos."""
    rng, people = chunk.rng("tastes"), chunk.people
    spread = chunk.setting.taste_spread
    topics = rng.normal(0, spread, (len(people), len(TOPICS)))
    foreseen = np.zeros_like(topics)
    for index in np.flatnonzero(OF_DISEASE >= 0):
        ever = chunk.illness.present[:, OF_DISEASE[index]] | (
            chunk.illness.visit[:, OF_DISEASE[index]] < chunk.grid.end
        )
        foreseen[:, index] = FORESEEN * ever
    age = (chunk.grid.end - people.birth) / 365.25
    formats = rng.normal(0, 0.4, (len(people), len(FORMATS)))
    formats[:, 0] += 0.03 * (age - 45)
    formats[:, 1] -= 0.03 * (age - 45)
    return Tastes(topics + foreseen, np.clip(formats, -2, 2))
