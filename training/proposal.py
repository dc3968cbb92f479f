"""Proposal: what a data scientist puts before the one who approves."""

from __future__ import annotations

import getpass
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from features.errors import InputError
from training import tracking

GATED = {"test_slope": (0.8, 1.2), "test_oe": (0.8, 1.25)}
"""Figure -> range; a gate blocks only where the whole interval lies outside (METHODS, fairness and promotion)."""


@dataclass(frozen=True)
class Gate:
    """One gate: what it looks at, and ``pass``, ``warn`` or ``block``."""

    name: str
    verdict: str
    text: str


@dataclass(frozen=True)
class Proposal:
    """A version put forward. ``artefact`` is the local folder that the digest is of."""

    task: str
    version: str
    digest: str
    author: str
    proposed_at: str
    artefact: str
    figures: dict[str, float]
    gates: tuple[Gate, ...]

    @property
    def blocked(self) -> bool:
        return any(gate.verdict == "block" for gate in self.gates)

    def write(self, file: Path) -> Path:
        """Write the proposal as JSON and return the file."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        return file


def propose(task: str, number: str, author: str = "") -> Proposal:
    """Return the proposal of a registered version, its gates applied.

    Raises
    ------
    InputError
        There is no such version, the run was a dry run, or the stored artefact is not the recorded one.
    """
    from training.scorer import Scorer

    found = tracking.version(task, number)
    if found.tags.get("dry_run") == "true":
        raise InputError("a dry run (--sample) is never proposed", where=f"{task} {number}", remedy="train on all")
    folder = tracking.fetch(task, number)
    scorer = Scorer.load(folder, found.digest)
    return Proposal(
        task,
        number,
        found.digest,
        author or getpass.getuser(),
        datetime.now(UTC).isoformat(timespec="seconds"),
        str(folder),
        dict(found.figures),
        gates(found.figures, found.tags, explained=bool(scorer.used)),
    )


def gates(figures: dict[str, float] | Any, tags: Any, explained: bool) -> tuple[Gate, ...]:
    """Apply the gates to a run's figures."""
    found = []
    for name, (least, most) in GATED.items():
        lo, hi = figures.get(f"{name}_lo"), figures.get(f"{name}_hi")
        if lo is None or hi is None:
            found.append(Gate(name, "warn", "not measured"))
            continue
        inside = least <= figures[name] <= most
        verdict = "block" if hi < least or lo > most else "pass" if inside else "warn"
        found.append(Gate(name, verdict, f"{figures[name]:.3f} [{lo:.3f}, {hi:.3f}], wanted {least} to {most}"))
    gains = [name for name in figures if name.startswith("test_gain_") and not name.endswith(("_lo", "_hi"))]
    for name in gains:
        hi = figures[f"{name}_hi"]
        verdict = "pass" if figures[f"{name}_lo"] > 0 else "block" if hi < 0 else "warn"
        baseline = name.removeprefix("test_gain_")
        found.append(Gate(f"beats {baseline}", verdict, f"{figures[name]:+.3f} AUROC, paired, up to {hi:+.3f}"))
    exploratory = tags.get("exploratory") == "true"
    found.append(Gate("sample size", "warn" if exploratory else "pass", tags.get("sample_size", "not counted")))
    found.append(
        Gate("explains itself", "pass" if explained else "warn", "additive contributions, checked at every score")
    )
    return tuple(found)
