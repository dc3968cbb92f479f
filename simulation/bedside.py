"""What an instrument would read: latent values as treatment and disease have changed them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulation.chunk import Chunk
from simulation.habit import sigmoid
from simulation.illness import NAMES


@dataclass(frozen=True)
class Bedside:
    """The patients at some moments, one entry a moment: who is there, and the values of their bodies.

    ``has`` tells which diseases are known. Diabetes raises glycaemia by a step when it declares
    itself; treatment lowers glycaemia, pressure and LDL, as far as the medicines are taken.
    """

    male: np.ndarray
    age: np.ndarray
    engagement: np.ndarray
    resilience: np.ndarray
    smokes: np.ndarray
    gene: np.ndarray
    frailty: np.ndarray
    bmi: np.ndarray
    glycaemia: np.ndarray
    systolic: np.ndarray
    ldl: np.ndarray
    lung: np.ndarray
    egfr: np.ndarray
    height: np.ndarray
    has: dict[str, np.ndarray]


def bedside(chunk: Chunk, patient: np.ndarray, day: np.ndarray) -> Bedside:
    """Return the bodies of patients on days."""
    people, body = chunk.people, chunk.body
    cell = chunk.grid.cell(day)

    def at(values: np.ndarray) -> np.ndarray:
        return values[patient, cell]

    known = chunk.visits.recorded[patient] <= day[:, None]
    has = {name: known[:, index] for index, name in enumerate(NAMES)}
    ill = chunk.illness.present[patient, 0] | (chunk.illness.visit[patient, 0] <= day)
    taken = sigmoid(0.4 + at(body.engagement))
    step = 0.7 + 0.5 * np.abs(people.gene_metabolic[patient])
    lowered = 0.9 * taken * has["diabetes"]
    return Bedside(
        male=people.male[patient],
        age=at(body.age),
        engagement=at(body.engagement),
        resilience=people.resilience[patient],
        smokes=people.smokes[patient],
        gene=people.gene_metabolic[patient],
        frailty=people.frailty[patient],
        bmi=at(body.bmi),
        glycaemia=at(body.glycaemia) + step * ill - lowered,
        systolic=at(body.systolic) - 14 * taken * has["hypertension"],
        ldl=at(body.ldl) - 1.1 * taken * (has["dyslipidaemia"] | has["coronary_heart_disease"]),
        lung=at(body.lung),
        egfr=at(body.egfr),
        height=np.where(people.male, 170.0, 158.5)[patient] + 5.5 * people.resilience[patient],
        has=has,
    )
