"""What a self-test's run told people whom its models had not seen: kept in the artefact, for the next comparison."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from features.errors import InputError

FILE = "held_out.json"


@dataclass(frozen=True)
class HeldOut:
    """Probabilities out of fold.

    Parameters
    ----------
    people
        Digest of who they are and what was found of them: no person is named.
    probability
        (n,) in their order, to six digits.
    """

    people: str
    probability: np.ndarray

    @classmethod
    def of(cls, person: np.ndarray, y: np.ndarray, probability: np.ndarray) -> HeldOut:
        """Return the probabilities of people with (n,) outcomes ``y``."""
        told = "\n".join(f"{name} {found:g}" for name, found in zip(person, y))
        return cls(hashlib.sha256(told.encode()).hexdigest(), np.round(probability, 6))

    def to_json(self) -> str:
        return json.dumps({"people": self.people, "probability": self.probability.tolist()}) + "\n"

    @classmethod
    def read(cls, folder: Path) -> HeldOut:
        """Read what an artefact holds.

        Raises
        ------
        InputError
            It was made before runs kept it.
        """
        file = folder / FILE
        if not file.is_file():
            raise InputError(f"its artefact holds no {FILE}", where="comparison", remedy="train it again")
        told = json.loads(file.read_text(encoding="utf-8"))
        return cls(told["people"], np.array(told["probability"]))
