"""Scorer: exactly what is served: a model, its calibration, its inputs."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from features.errors import InputError
from features.vector import VectorSpec
from training import manifest
from training.explanation import Explanation, ExplanationFault
from training.linear import LinearModel
from training.models.logistic import Logistic
from training.points import PointModel, Points
from training.trees import FILE, TreeModel
from training.treeshap import explain

FORMAT = 1
TOLERANCE = 1e-9
Model = TreeModel | LinearModel | PointModel
_SCORER, _LINEAR, _POINTS = "scorer.json", "linear.json", "points.json"
_CARD, _GOLDEN = "card.json", "golden.json"
_GOLDEN_ROWS, _GOLDEN_WITHIN = 5, 1e-12


@dataclass(frozen=True)
class Scorer:
    """A model that gives a probability and explains it exactly, in calibrated log-odds.

    Attributes
    ----------
    task
        Name of the task.
    horizon_days
        How far ahead the probability looks; 0 for now.
    spec
        The inputs: an input row holds `spec.names` in order, NaN for null.
    bands
        Three rising probabilities that part low, medium, high and very high.
    calibration
        (A, B): the calibrated log-odds are A x the model's margin + B.
    model
        Trees, a logistic regression or a point score.
    """

    task: str
    horizon_days: int
    spec: VectorSpec
    bands: tuple[float, float, float]
    calibration: tuple[float, float]
    model: Model

    def __post_init__(self) -> None:
        if self.model.groups != self.spec.groups or tuple(self.model.groups) != self.spec.names:
            raise InputError("the model's features are not the vector's", where=f"scorer of {self.task}")
        a, b = self.calibration
        if not (np.isfinite([a, b]).all() and a > 0):
            raise InputError("the calibration must rise and be finite", where=f"scorer of {self.task}")

    @classmethod
    def of(
        cls,
        candidate: Any,
        *,
        task: str,
        horizon_days: int,
        spec: VectorSpec,
        bands: tuple[float, float, float],
        calibration: tuple[float, float],
    ) -> Scorer:
        """Make the scorer of a fitted candidate: a Logistic, Points, or one with a LightGBM `booster`.

        Raises
        ------
        InputError
            Its trees cannot be explained exactly, or its features are not those of the spec.
        """
        model: Model
        if isinstance(candidate, Logistic):
            model = LinearModel(candidate, spec.groups)
        elif isinstance(candidate, Points):
            model = PointModel(candidate, spec.groups)
        else:
            model = TreeModel(candidate.booster.model_to_string(), spec.groups)
        return cls(task, horizon_days, spec, bands, calibration, model)

    @property
    def kind(self) -> str:
        return self.model.kind

    @property
    def groups(self) -> Mapping[str, str]:
        """Feature -> clinical group."""
        return self.spec.groups

    @property
    def used(self) -> tuple[str, ...]:
        """Features that the model splits on or weighs, in the order of the spec."""
        return self.model.used

    @functools.cached_property
    def group_names(self) -> tuple[str, ...]:
        """Clinical groups, in the order of `Explanation.group_contributions`."""
        return tuple(dict.fromkeys(self.spec.groups.values()))

    def explain(self, X: np.ndarray) -> Explanation:
        """Score the rows X (n, features) and say what each score rests on.

        Raises
        ------
        InputError
            X has another number of columns.
        ExplanationFault
            Base and contributions do not reach the margin, or the model changed since it was loaded.
        """
        return self._calibrated(*self.model.explain(self._rows(X)))

    def _calibrated(
        self, contributions: np.ndarray, together: np.ndarray, base: float, margin: np.ndarray
    ) -> Explanation:
        a, b = self.calibration
        found = Explanation(
            margin=a * margin + b,
            base=a * base + b,
            contributions=a * contributions,
            group_contributions=a * together,
            groups=self.group_names,
            probability=_probability(a * margin + b),
        )
        for parts in (found.contributions, found.group_contributions):
            if not (np.abs(found.base + parts.sum(axis=1) - found.margin) <= TOLERANCE).all():
                raise ExplanationFault("base and contributions do not add up to the calibrated margin")
        return found

    def probability(self, X: np.ndarray) -> np.ndarray:
        """Return the calibrated probability (n,) of the rows X (n, features)."""
        a, b = self.calibration
        return _probability(a * self.model.margin(self._rows(X)) + b)

    def save(self, folder: Path, card: Mapping[str, Any], beside: Mapping[str, str | bytes] | None = None) -> str:
        """Write the artefact into a new folder and return its digest; further files stand beside it."""
        a, b = self.calibration
        told = {
            "format": FORMAT,
            "kind": self.kind,
            "task": self.task,
            "horizon_days": self.horizon_days,
            "bands": list(self.bands),
            "calibration": {"a": a, "b": b},
            "spec": json.loads(self.spec.to_json()),
        }
        if isinstance(self.model, TreeModel):
            model = {FILE: self.model.text}
        else:
            model = {_LINEAR if isinstance(self.model, LinearModel) else _POINTS: self.model.to_json()}
        rows = self.model.rows(_GOLDEN_ROWS)
        golden = {"rows": [[None if np.isnan(v) else v for v in row] for row in rows.tolist()], **self._answers(rows)}
        texts = {_SCORER: _text(told), _CARD: _text(card), _GOLDEN: _text(golden)}
        return manifest.write(folder, {**(beside or {}), **texts, **model})

    @classmethod
    def load(cls, folder: Path, digest: str) -> Scorer:
        """Read an artefact: digests first, then JSON and model text, then its golden rows scored again.

        Raises
        ------
        InputError
            A file is missing, changed, unknown or unreadable, or the golden rows score differently
            here. The file is named.
        """
        files = manifest.read(folder, digest)
        for name in (_SCORER, _CARD, _GOLDEN):
            if name not in files:
                raise InputError("the artefact lacks this file", where=name)
        spec, told = _described(files[_SCORER])
        model_file = {"trees": FILE, "linear": _LINEAR, "points": _POINTS}.get(told["kind"], "")
        if model_file not in files:
            raise InputError("the artefact lacks its model", where=model_file or _SCORER)
        model: Model
        if model_file == FILE:
            model = TreeModel(files[FILE], spec.groups)
        elif model_file == _POINTS:
            model = PointModel.from_json(files[_POINTS], spec.groups, _POINTS)
        else:
            model = LinearModel.from_json(files[_LINEAR], spec.groups, _LINEAR)
        calibration = (float(told["calibration"]["a"]), float(told["calibration"]["b"]))
        scorer = cls(told["task"], told["horizon_days"], spec, tuple(told["bands"]), calibration, model)
        scorer._compare(files[_GOLDEN])
        return scorer

    def _rows(self, X: np.ndarray) -> np.ndarray:
        X = np.ascontiguousarray(X, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] != len(self.spec.names):
            shape = f"{len(self.spec.names)} features are needed, the array given has shape {X.shape}"
            raise InputError(shape, where=f"scorer of {self.task}")
        return X

    def _answers(self, rows: np.ndarray) -> dict[str, Any]:
        found = self.explain(rows)
        parts = (found.margin, found.contributions, found.group_contributions)
        return dict(zip(("margin", "contributions", "group_contributions"), (part.tolist() for part in parts)))

    def _compare(self, golden: str) -> None:
        told = json.loads(golden)
        rows = np.array([[np.nan if v is None else v for v in row] for row in told.pop("rows")], np.float64)
        for name, found in self._answers(rows).items():
            if not np.allclose(found, told[name], rtol=0, atol=_GOLDEN_WITHIN):
                raise InputError(f"the golden rows get another {name} here", where=_GOLDEN)


def explain_together(scorers: Sequence[Scorer], rows: Sequence[np.ndarray]) -> list[Explanation]:
    """Explain rows (n, features) of several scorers as each would alone; trees all in one call of the kernel.

    Raises
    ------
    InputError
        Rows of another number of columns.
    ExplanationFault
        As `Scorer.explain`; its ``place`` says which of the scorers it is.
    """
    given = [scorer._rows(X) for scorer, X in zip(scorers, rows, strict=True)]
    trees = {k: scorer.model for k, scorer in enumerate(scorers) if isinstance(scorer.model, TreeModel)}
    k, found = 0, []
    try:
        walked = explain([model.kernel for model in trees.values()], [given[k] for k in trees])
    except ExplanationFault as fault:
        fault.place = list(trees)[fault.place]
        raise
    parts = {k: model.parted(*each) for (k, model), each in zip(trees.items(), walked, strict=True)}
    try:
        for k, scorer in enumerate(scorers):
            found.append(scorer._calibrated(*(parts[k] if k in parts else scorer.model.explain(given[k]))))
    except ExplanationFault as fault:
        fault.place = k
        raise
    return found


def _probability(margin: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.asarray(1.0 / (1.0 + np.exp(-margin)))


def _described(text: str) -> tuple[VectorSpec, dict[str, Any]]:
    try:
        told = json.loads(text)
        spec = VectorSpec.from_json(json.dumps(told.pop("spec")))
        if told["format"] != FORMAT:
            raise InputError(f"format {told['format']} is not {FORMAT}", where=_SCORER, remedy="train again")
    except (ValueError, KeyError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("not a scorer", where=_SCORER) from None
    return spec, told


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, indent=1) + "\n"
