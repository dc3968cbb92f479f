"""User-days: what the lists of a run's test days were worth, kept in its artefact for the next comparison."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from features.errors import InputError
from features.params import section
from training import manifest, measures
from training.affinity.practice import hashed
from training.comparison import Comparison
from training.evaluate import Bootstrap, EvaluationValues

FILE, REPORT = "user_days.npz", "report.json"
"""In the artefact: the user-days, and the figures over them with what the reasons rest on."""
ENOUGH = 100
"""User-days that two versions must have in common to be compared."""


@dataclass(frozen=True)
class UserDays:
    """User-days with something relevant, ranked by models that had not seen them.

    Parameters
    ----------
    user, day
        (n,) digests of the patient, and of the patient, the instant and what was relevant: nobody is named.
    ndcg10, recall20
        (n,) of the lists.
    """

    user: np.ndarray
    day: np.ndarray
    ndcg10: np.ndarray
    recall20: np.ndarray

    @classmethod
    def of(cls, asked: Sequence[tuple[str, int, Sequence[str]]], ndcg10: np.ndarray, recall20: np.ndarray) -> UserDays:
        """Return the user-days of (patient id, instant, relevant content ids)."""
        user = np.array([hashed(patient) for patient, *_ in asked], dtype=np.uint64)
        day = np.array([hashed(f"{who} {at} {sorted(relevant)}") for who, at, relevant in asked], dtype=np.uint64)
        return cls(user, day, ndcg10.astype(float), recall20.astype(float))

    def packed(self) -> bytes:
        """Return them as .npz, without pickles."""
        held = io.BytesIO()
        np.savez_compressed(held, allow_pickle=False, **{each.name: getattr(self, each.name) for each in fields(self)})
        return held.getvalue()

    @classmethod
    def read(cls, folder: Path, digest: str) -> UserDays:
        """Read what an artefact holds.

        Raises
        ------
        InputError
            It was made before runs kept them, or was changed.
        """
        packed = manifest.arrays(folder, digest).get(FILE)
        if packed is None:
            raise InputError(f"its artefact holds no {FILE}", where="comparison", remedy="train it again")
        with np.load(io.BytesIO(packed), allow_pickle=False) as held:
            return cls(**{each.name: held[each.name] for each in fields(cls)})


def compare(
    challenger: tuple[Path, str], champion: tuple[Path, str], name: str, overrides: tuple[str, ...] = ()
) -> Comparison:
    """Compare what two runs' lists were worth on the user-days that stand in the test days of both.

    Parameters
    ----------
    challenger, champion
        Folder and digest of their artefacts.

    Raises
    ------
    InputError
        Too few user-days are in both: the number is named.
    """
    values = section("evaluation", EvaluationValues, overrides)
    ours, theirs = (UserDays.read(*each) for each in (challenger, champion))
    _, mine, other = np.intersect1d(ours.day, theirs.day, return_indices=True)
    if len(mine) < ENOUGH:
        raise InputError(
            f"{len(mine)} user-days stand in the test days of both: missing {ENOUGH - len(mine)} more",
            where="comparison",
            remedy="train on a lake that reaches less far beyond the champion's",
        )
    draws = Bootstrap(ours.user[mine].astype(str), values.replicates, values.seed)
    figures = {}
    for measure in ("ndcg10", "recall20"):
        gain = getattr(ours, measure)[mine] - getattr(theirs, measure)[other]
        figures[f"{measure}_gain"] = draws.figure(measures.mean(gain))
    one, two = (_reasons(*each) for each in (challenger, champion))
    alike = sum(min(one.get(group, 0.0), two.get(group, 0.0)) for group in one)
    text = "of what the reasons of both rest on is the same, by group"
    return Comparison(name, len(mine), len(np.unique(ours.user[mine])), figures, float(alike), text)


def _reasons(folder: Path, digest: str) -> Mapping[str, float]:
    """Return group -> share of the contributions to what is shown."""
    return dict(json.loads(manifest.read(folder, digest).get(REPORT, "{}")).get("reasons", {}))
