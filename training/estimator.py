"""Anybody's scikit-learn classifier on a task: run, logged and compared, but never proposed."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from features.errors import InputError
from training.dataset import Dataset
from training.evaluate import evaluate, flat
from training.labelled import Labelled
from training.landmarked import judged
from training.run import Trained, provenance, set_by
from training.tracking import NO_ARTEFACT, Run, Source, record

FILE = "estimator.py"
"""Under which name a run keeps the module that its classifier was made by."""


def run_estimator(
    data: Labelled,
    model: Any,
    named: str,
    source: Source,
    overrides: tuple[str, ...] = (),
    files: Mapping[str, str] | None = None,
) -> Trained:
    """Fit a classifier to the train part of a task, judge it on the test part, and keep the run.

    Parameters
    ----------
    model
        What :func:`made` made: an unfitted classifier. It is fitted to a frame of named columns, NaN for
        null, with the weights where it takes ``sample_weight``.
    named
        ``module:function`` that made it.
    files
        Texts to keep with the run, by name, beside the function's module.

    Raises
    ------
    TooFew
        The task is refused on this lake, or a part holds one class only.
    InputError
        The fit fails.
    """
    size = judged(data, overrides)
    kind = f"{type(model).__module__.partition('.')[0]}.{type(model).__name__}"
    train, test = data.parts.rows("train"), data.parts.rows("test")
    there = ~np.isnan(data.x[train]).all(axis=0)
    frame = Dataset(data).X.loc[:, there]
    weighed = "sample_weight" in inspect.signature(model.fit).parameters
    try:
        model.fit(frame[train], data.y[train], **({"sample_weight": data.weight[train]} if weighed else {}))
        probability = np.asarray(model.predict_proba(frame[test]), dtype=float)[:, 1]
    except Exception as error:
        raise InputError(
            f"{kind} cannot be fitted: {_first(error)}",
            where=f"--estimator {named}",
            remedy="a null is NaN: impute in a Pipeline, or take a classifier that reads it",
        ) from error
    figures = flat(evaluate(data, probability)) | {"test_events": float(data.y[test].sum())}
    text = text_of(named)
    tags = provenance(data.task, data.spec.digest, source, files or {}) | {
        "estimator": f"{named} ({kind})",
        "estimator_digest": hashlib.sha256(text.encode()).hexdigest(),
        "exploratory": str(size.verdict == "exploratory").lower(),
        "dry_run": str(data.sampled < 1).lower(),
        "sample_size": size.text,
    }
    settings = {f"estimator.{name}": str(value)[:400] for name, value in model.get_params(deep=False).items()}
    settings |= set_by(overrides)
    made_of = (data.task.name, None, NO_ARTEFACT, tags, settings, figures, data.spec.names, source)
    kept = record(Run(*made_of, files={**(files or {}), FILE: text}))
    notes = (
        f"{kind} of {named}: logged for comparison; it does not explain itself exactly and cannot be proposed",
        "sample weights used" if weighed else "it takes no sample_weight: the censoring is not weighed",
        f"{int((~there).sum())} of {len(there)} features have no value here and were left out",
        data.parts.note,
        f"{size.verdict}: {size.text}",
    )
    return Trained(data.task.name, kept.version, NO_ARTEFACT, figures, data.log.rows(), notes)


def text_of(named: str) -> str:
    """Return the text of the module of ``module:function`` that was imported; empty where it is not Python."""
    try:
        return inspect.getsource(sys.modules[_module(named)])
    except (OSError, TypeError):
        return ""


def _module(named: str) -> str:
    return named.partition(":")[0].removesuffix(".py").replace("/", ".")


def made(named: str) -> Any:
    """Return the classifier that ``module:function`` makes; the function takes nothing.

    Raises
    ------
    InputError
        The module or the function is not there or fails, or it makes no classifier.
    """
    where = f"--estimator {named}"
    module, sign, function = named.partition(":")
    if not sign or not module or not function:
        raise InputError("names no function", where=where, remedy="write module:function, such as my:make")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = importlib.import_module(_module(named))
    except ImportError as error:
        remedy = "the module is looked for in the working folder"
        raise InputError(f"cannot be imported: {error}", where=where, remedy=remedy) from None
    except Exception as error:
        raise InputError(f"cannot be imported: {_first(error)}", where=where) from error
    make = getattr(found, function, None)
    if not callable(make):
        known = [name for name, value in vars(found).items() if callable(value) and not name.startswith("_")]
        raise InputError(f"no function '{function}'", where=where, given=function, known=known)
    try:
        model = make()
    except Exception as error:
        raise InputError(f"its function fails: {_first(error)}", where=where) from error
    for method in ("fit", "predict_proba", "get_params"):
        if not hasattr(model, method):
            raise InputError(f"what it makes has no {method}", where=where, remedy="return a scikit-learn classifier")
    return model


def _first(error: Exception) -> str:
    """Return the kind of an error and the first line of what it says."""
    return ": ".join((type(error).__name__, *str(error).splitlines()[:1]))
