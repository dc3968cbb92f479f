"""A task and a lake in, a recorded run out."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import InputError
from training import tracking
from training.card import card
from training.fitted import Fitted
from training.gates import gates
from training.plain import plain, text
from training.plots import plots
from training.report import report
from training.task import Task
from training.tasks import task as task_named
from training.tasks.own import FILE, SIBLINGS, files_of

if TYPE_CHECKING:
    from training.assessment import Assessment

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Trained:
    """What came of a run: a registered version, its figures, who was left out, what to know."""

    task: str
    version: str
    digest: str
    figures: dict[str, float]
    attrition: list[dict[str, Any]]
    notes: tuple[str, ...]


def run(
    name: str,
    lake: Path | None = None,
    overrides: tuple[str, ...] = (),
    trials: int = 0,
    sample: float = 1.0,
    estimator: str = "",
    storage: str = "",
    study: str = "",
) -> Trained:
    """Train a task and register the version; of a rule, count who meets it.

    Parameters
    ----------
    name
        A task's name, or a Python file that declares one: it is kept with the run, as ``task.py``, and the modules
        of its folder that it imports are, as ``siblings.json``.
    lake
        Folder of canonical tables; a self-test needs none.
    overrides
        ``section.name=value`` texts over params.yaml.
    trials
        Settings of LightGBM to try; 0 takes those of params.yaml.
    sample
        Share of the patients: below 1 a dry run, marked so and never proposable.
    estimator
        ``module:function`` that makes a scikit-learn classifier to be judged instead; never proposable.
    storage, study
        Where the trials are kept, so that an interrupted tuning goes on (``training.tune.Search``).

    Raises
    ------
    InputError
        An unknown task, a lake that cannot serve it, too few patients (the numbers are named), a store
        of runs that does not answer.
    """
    task = task_named(name, overrides)
    _takes(task, {"--estimator": estimator, "--trials": trials, "--storage": storage, "--study": study}, sample)
    kept = files_of(name)
    if task.kind == "prevalent":
        from features.sources.nhanes import NAME, manifest
        from training.screening import fit_self_test

        tracking.prepare()
        fitted, files = fit_self_test(task, overrides, sample), manifest()
        source = tracking.Source(NAME, next(iter(files.values())), files)
        return record(fitted.keeping(kept), source, overrides, sample)
    if lake is None:
        raise InputError("no lake given", where=f"training run {name}", remedy="add --lake FOLDER")
    from features.lake import Lake

    opened = Lake(lake)
    if task.kind == "rule":
        from training.ruled import run_rule

        return run_rule(task, opened)
    if trials:
        from training.tune import Search, kept_in

        kept_in(Search(trials, storage, study))
    if estimator:
        from training.estimator import made, run_estimator

        model = made(estimator)
    tracking.prepare()
    source = tracking.Source(lake.resolve().name, opened.digest, opened.manifest, path=str(lake.resolve()))
    if task.kind == "affinity":
        from training.affinity.learn import fit_affinity

        return record(fit_affinity(task, opened, overrides, sample).keeping(kept), source, overrides, sample)
    from training.assessment import assess
    from training.codeless import codeless, explain
    from training.labelled import labelled
    from training.landmarked import fit

    try:
        data = labelled(task, opened, overrides, sample)
        if estimator:
            return run_estimator(data, model, estimator, source, overrides, kept)
        fitted = fit(data, overrides, trials, storage, study).keeping(kept)
    except InputError as refusal:
        if hasattr(refusal, "attrition"):
            explain(refusal, opened, task)
        raise
    fitted = replace(fitted, notes=(*fitted.notes, *codeless(opened, task, data.spec.names)))
    return record(fitted, source, overrides, sample, assess(data, fitted, opened, overrides))


def _takes(task: Task, options: dict[str, object], sample: float) -> None:
    """Refuse a share that is none, and an option that would do nothing here."""
    if not 0 < sample <= 1:
        raise InputError("is no share of the patients", where=f"--sample {sample:g}", remedy="0.05, say")
    where = f"training run {task.name}"
    if sample < 1 and task.kind == "rule":
        raise InputError("takes no --sample", where=where, remedy="leave it out: it is counted, not learnt")
    for option, given in options.items():
        if given and task.kind not in ("churn", "incident"):
            raise InputError(f"takes no {option}", where=where, remedy="leave it out")
        if given and option in ("--storage", "--study") and not options["--trials"]:
            raise InputError(f"{option} does nothing without trials", where=where, remedy="add --trials 50")
    if options["--estimator"] and options["--trials"]:
        remedy = "trials are settings of LightGBM: leave one out"
        raise InputError("--estimator takes no --trials", where=where, remedy=remedy)


def record(
    fitted: Fitted,
    source: tracking.Source,
    overrides: tuple[str, ...] = (),
    sample: float = 1.0,
    assessment: Assessment | None = None,
) -> Trained:
    """Write the artefact, its card and its report, and register it."""
    from training.assessment import remarks

    task, scorer = fitted.task, fitted.scorer
    trust = dict(assessment.sections if assessment else fitted.sections)
    figures = {**fitted.figures, **(assessment.figures if assessment else {})}
    origin = provenance(task, scorer.spec.digest, source, fitted.files)
    described = card(
        task,
        inputs=scorer.spec.names,
        population=dict(fitted.population),
        model=dict(fitted.model),
        figures=figures,
        provenance=origin,
        exploratory=fitted.exploratory,
        attrition=list(fitted.attrition),
        trust=trust,
    )
    told = plain(described)
    tags = origin | {
        "exploratory": str(fitted.exploratory).lower(),
        "dry_run": str(sample < 1).lower(),
        "sample_size": str(fitted.population.get("sample_size", "")),
    }
    judged = gates(figures, tags, bool(scorer.used), trust)
    drawn = plots(trust)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "artefact"
        beside = {**fitted.files, **(assessment.files if assessment else {}), **_own_files()}
        digest = scorer.save(folder, told, beside)
        made = tracking.record(
            tracking.Run(
                task.name,
                folder,
                digest,
                tags,
                {**fitted.parameters, **set_by(overrides)},
                figures,
                scorer.spec.names,
                replace(source, counts={k: v for k, v in fitted.population.items() if isinstance(v, int)}),
                fitted.trials,
                {
                    "card.json": text(told),
                    "evaluation.json": text({"figures": figures, **trust}),
                    "report.html": report(told, trust, judged, figures, code_version(), drawn),
                    **{f"plots/{name}.svg": svg for name, svg in drawn.items()},
                    "attrition.json": text(list(fitted.attrition)),
                    "data_manifest.json": text(source.manifest),
                    "vector_spec.json": scorer.spec.to_json(),
                },
            )
        )
    notes = (
        *fitted.notes,
        *remarks(trust),
        *(f"leak: {gate.text}" for gate in judged if gate.name == "too good" and gate.verdict != "pass"),
        *(("dry run on a sample of patients: not proposable",) if sample < 1 else ()),
    )
    return Trained(task.name, made.version, digest, figures, list(fitted.attrition), notes)


def set_by(overrides: tuple[str, ...]) -> dict[str, str]:
    """Return the parameters of a run that say what ``--set`` gave it."""
    parts = (given.partition("=") for given in overrides)
    return {tracking.SET + name: value for name, _, value in parts}


def provenance(
    task: Task, vector_spec: str, source: tracking.Source, files: Mapping[str, str | bytes]
) -> dict[str, str]:
    """Return the tags that say where a run comes from.

    ``code_version`` is of CarePath's own code; a task of a file is told by the SHA-256 of what ``files``, kept with
    the run, hold of it.
    """
    own = {tag: str(files[name]) for tag, name in (("task_file", FILE), ("task_siblings", SIBLINGS)) if name in files}
    return {
        "task": task.name,
        "kind": task.kind,
        "vector_spec": vector_spec,
        "lake": source.path,
        "lake_manifest": source.digest,
        "hospital": hospital_digest(),
        "code_version": code_version(),
        **{tag: hashlib.sha256(text.encode()).hexdigest() for tag, text in own.items()},
    }


def hospital_digest() -> str:
    """Return the digest of the hospital's own folder, or ``none``."""
    from features.hospital import hospital

    found = hospital()
    return found.digest if found else "none"


def _own_files() -> dict[str, str]:
    """Return the hospital's own folder as one file of the artefact: what the model was trained with travels with it."""
    from features.hospital import hospital

    found = hospital()
    if found is None:
        return {}
    texts = {file.relative_to(found.path).as_posix(): file.read_text(encoding="utf-8") for file in found.files}
    return {"hospital.json": text({"digest": found.digest, "files": texts})}


def code_version() -> str:
    """Return the commit of the working tree, with ``+`` where it was changed since; ``unknown`` outside git."""
    try:
        commit = subprocess.run(
            ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip()
