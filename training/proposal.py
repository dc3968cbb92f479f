"""Proposal: what a data scientist puts before the one who approves.

A JSON file of the fields of :class:`Proposal` and ``signature: {suite, key, value}``: Ed25519 over
the canonical JSON of all other fields (``training.signing``). Whoever approves calls
``training.signing.verify`` on the parsed file; a field changed since fails there.
"""

from __future__ import annotations

import getpass
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import InputError
from training import tracking
from training.gates import Gate, gates
from training.signing import SIGNATURE, sign
from training.tasks.own import declared

if TYPE_CHECKING:
    from training.comparison import Comparison
    from training.scorer import Scorer

FORMAT = 1
HELD = ("prevalent", "affinity")
"""Kinds of task whose artefact keeps what it told people that its models had not seen: no lake is asked."""


@dataclass(frozen=True)
class Proposal:
    """A version put forward.

    Parameters
    ----------
    digest
        Of the artefact; ``artefact`` is the local folder that it was read from.
    author, proposed_at
        Who and when.
    impact_assessment
        Id of the impact assessment, or ``not obtained``.
    figures, gates
        Of the run.
    champion
        The version in production that it was compared with, or empty.
    """

    task: str
    version: str
    digest: str
    author: str
    proposed_at: str
    artefact: str
    impact_assessment: str
    figures: dict[str, float]
    gates: tuple[Gate, ...]
    champion: str = ""
    format: int = FORMAT

    @property
    def blocked(self) -> bool:
        return any(gate.verdict == "block" for gate in self.gates)

    def write(self, file: Path) -> Path:
        """Sign the proposal with its author's key, write it as JSON and return the file."""
        told = json.loads(json.dumps(asdict(self)))
        told[SIGNATURE] = sign(told, self.author)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(told, ensure_ascii=False, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        return file


def propose(
    task: str, number: str, author: str = "", lake: Path | None = None, impact_assessment: str = ""
) -> Proposal:
    """Return the proposal of a registered version, its gates applied, and name it ``challenger``.

    Parameters
    ----------
    lake
        Where challenger and champion are compared; by default the lake that the run was trained on.

    Raises
    ------
    InputError
        There is no such version, the run was a dry run, the stored artefact is not the recorded one, or
        the lake is not there to compare on.
    """
    from features.params import section
    from training.cost import cost
    from training.evaluate import EvaluationValues
    from training.scorer import Scorer

    found = tracking.version(task, number)
    if found.tags.get("dry_run") == "true":
        raise InputError("a dry run (--sample) is never proposed", where=f"{task} {number}", remedy="train on all")
    if "estimator" in found.tags:
        raise InputError(
            f"{found.tags['estimator']} does not explain itself exactly",
            where=f"{task} {number}",
            remedy="only a Scorer can be proposed: train without --estimator",
        )
    folder = tracking.fetch(task, number)
    scorer = Scorer.load(folder, found.digest)
    against, champion = _against(scorer, found, lake)
    made = Proposal(
        task,
        number,
        found.digest,
        author or getpass.getuser(),
        datetime.now(UTC).isoformat(timespec="seconds"),
        str(folder),
        impact_assessment or "not obtained",
        dict(found.figures),
        (
            *gates(found.figures, found.tags, bool(scorer.used), assessed(task, number)),
            cost(scorer).gate(section("evaluation", EvaluationValues)),
            *_lake(found, lake),
            *against,
        ),
        champion,
    )
    tracking.challenge(task, number)
    return made


def assessed(task: str, number: str) -> dict[str, Any]:
    """Return the sections of a version's assessment; empty where its kind of task has none."""
    try:
        return dict(json.loads(tracking.fetch(task, number, "evaluation.json").read_text(encoding="utf-8")))
    except InputError:
        return {}


def _against(scorer: Scorer, found: tracking.Version, lake: Path | None) -> tuple[tuple[Gate, ...], str]:
    """Compare with the version in production; return the gates and that version."""
    task, number = found.task, tracking.champion(found.task)
    label = "against champion"
    moved = tracking.moved(task)
    warned = (Gate("alias champion", "warn", moved),) if moved else ()
    if number is None:
        return (*warned, Gate(label, "pass", "nothing is in production to compare with")), ""
    if number == found.version:
        raise InputError("it is in production already", where=f"{task} {number}", remedy="train another version")
    place = _standing(found, lake)
    if place is None and found.tags.get("kind") not in HELD:
        raise InputError("the lake of the run is not there to compare on", where="propose", remedy="add --lake FOLDER")
    try:
        compared = _compared(scorer, found, tracking.version(task, number), place)
    except InputError as error:
        return (*warned, Gate(label, "warn", f"version {number} could not be compared: {error}")), number
    return (*warned, *compared.gates()), number


def _compared(scorer: Scorer, found: tracking.Version, champion: tracking.Version, place: Path | None) -> Comparison:
    """Compare a version with the one in production on what its run was asked: its own task and ``--set``."""
    from features.lake import Lake
    from training.comparison import compare, compare_held_out
    from training.held_out import HeldOut
    from training.labelled import labelled
    from training.scorer import Scorer

    folder, other = (tracking.fetch(each.task, each.version) for each in (found, champion))
    if found.tags.get("kind") == "affinity":
        from training.affinity.user_days import compare as compare_lists

        return compare_lists((folder, found.digest), (other, champion.digest), champion.version, found.overrides)
    served = Scorer.load(other, champion.digest)
    task, overrides = declared(found.task, folder, found.overrides), found.overrides
    if place is None:
        held = (scorer, HeldOut.read(folder)), (served, HeldOut.read(other))
        return compare_held_out(*held, champion.version, task, overrides)
    lake = Lake(place)
    return compare(scorer, served, champion.version, labelled(task, lake, overrides), lake, overrides)


def _standing(found: tracking.Version, lake: Path | None) -> Path | None:
    """Return the folder of the lake that a version is judged on, or None where it is not here or there was none."""
    place = lake or (Path(found.tags["lake"]) if found.tags.get("lake") else None)
    return place if found.tags.get("kind") != "prevalent" and place is not None and place.is_dir() else None


def _lake(found: tracking.Version, lake: Path | None) -> tuple[Gate, ...]:
    """Return whether the lake is still the one that the run was trained on, file by file; none for a questionnaire."""
    if found.tags.get("lake_manifest", "none") == "none" or found.tags.get("kind") == "prevalent":
        return ()
    from features.lake import Lake

    place = _standing(found, lake)
    if place is None:
        return (Gate("lake", "warn", "the lake of the run is not here: nobody can check what it was trained on"),)
    if Lake(place).digest == found.tags["lake_manifest"]:
        return (Gate("lake", "pass", "file by file the one that the run was trained on"),)
    return (Gate("lake", "warn", "not, or no longer, the lake that the run was trained on: its manifest differs"),)
