"""Run: what a training leaves behind, before MLflow keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SET = "set."
"""Before the parameters of a run that were given by ``--set``."""
NO_ARTEFACT = "none"
"""Digest of a run that keeps no model: a classifier that is only compared."""


@dataclass(frozen=True)
class Trial:
    """One setting that was tried: a child run. ``figures`` holds its loss and what it cost."""

    number: int
    parameters: Mapping[str, Any]
    figures: Mapping[str, float]
    state: str


@dataclass(frozen=True)
class Source:
    """The data of a run, for ``mlflow.log_input``: no row of it, only what names and counts it.

    Parameters
    ----------
    name
        What it is called, such as the lake's folder.
    digest
        SHA-256 over its manifest.
    manifest
        File -> SHA-256.
    counts
        Patients, rows, events.
    path
        Where it stands on this machine, to be opened again by ``propose``.
    """

    name: str
    digest: str
    manifest: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    path: str = ""


@dataclass(frozen=True)
class Run:
    """What a run leaves behind.

    Parameters
    ----------
    task
        Name of the task: experiment and registered model carry it.
    folder
        The artefact: Booster text or coefficients, JSON, digest manifest; None for a classifier
        that is only compared.
    digest
        Its digest, or NO_ARTEFACT.
    tags, parameters, figures
        As MLflow keeps them; figures that are not finite are left out.
    columns
        Inputs of the model in order, for the signature: numbers, NaN for null.
    source
        What it was trained on.
    trials
        Settings tried, kept as child runs.
    files
        Further files by path, as text: report, card, attrition and the like.
    """

    task: str
    folder: Path | None
    digest: str
    tags: Mapping[str, str]
    parameters: Mapping[str, Any]
    figures: Mapping[str, float]
    columns: tuple[str, ...] = ()
    source: Source | None = None
    trials: tuple[Trial, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
