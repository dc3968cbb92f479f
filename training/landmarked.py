"""Training on a lake's landmarks: candidates, choice, calibration, evaluation."""

from __future__ import annotations

import numpy as np

from features.errors import InputError
from features.instants import iso
from features.params import section
from training.calibrate import Flat
from training.candidates import candidates, parameters
from training.evaluate import EvaluationValues, capacity, evaluate, flat
from training.fitted import Fitted, bands
from training.labelled import Labelled
from training.models.choice import choose
from training.models.values import model_values
from training.sample_size import SampleSize, sample_size
from training.scorer import Scorer
from training.split import PARTS


class TooFew(InputError):
    """A task is refused for want of patients or events; the numbers missing are named.

    ``attrition`` says where they were lost.
    """

    def __init__(self, data: Labelled, what: str, remedy: str = "wait for more patients") -> None:
        super().__init__(f"refused: {what}", where=f"task {data.task.name}", remedy=remedy)
        self.attrition = data.log.rows()


def judged(data: Labelled, overrides: tuple[str, ...] = ()) -> SampleSize:
    """Return the verdict on the number of patients and events that are learnt from: those of the train part.

    Raises
    ------
    TooFew
        The task is refused on this data, or a part of the split holds one class only.
    """
    x, _, _ = data.rows("train")
    asked = data.task.inputs, data.spec.names, model_values(overrides)
    whole = data.count()
    if not len(x):
        raise TooFew(data, f"nobody to learn from (of {whole[0]} patients with {whole[1]} events in all)")
    found = sample_size(*data.count("train"), parameters(*asked, x), whole)
    if found.verdict == "refused":
        raise TooFew(data, found.text)
    for part in PARTS:
        if len(np.unique(data.rows(part)[1])) < 2:
            raise TooFew(data, f"the {part} part holds one class only; {found.text}")
    return found


def fit(data: Labelled, overrides: tuple[str, ...] = (), trials: int = 0, storage: str = "", study: str = "") -> Fitted:
    """Fit, choose, calibrate and judge a task's model.

    Parameters
    ----------
    trials, storage, study
        Settings of LightGBM to try, and where the trials are kept (``training.tune.Search``).

    Raises
    ------
    TooFew
        Below the criteria of ``training.sample_size``, a part of the split holds one class only, or nothing is
        learnt from so few.
    """
    size = judged(data, overrides)
    task, names, values = data.task, data.spec.names, model_values(overrides)
    x, y, patient = data.rows("train")
    weight = data.weight[data.parts.rows("train")]
    judging = section("evaluation", EvaluationValues, overrides)
    tuning = None
    if trials:
        from training.tune import Rows, Search, tuned

        at = data.at[data.parts.rows("train")]
        rows = Rows(x, y, weight, patient, at, names, task.inputs.monotone, task.horizon_days)
        tuning = tuned(rows, values, Search(trials, storage, study), judging.leaves)
        values = tuning.values
    among = candidates(task.inputs, names, values, x)
    try:
        choice = choose(among, x, y, patient, values.folds, values.seed, weight)
    except Flat:
        what = f"no model tells the outcome of patients whom it has not seen; {size.verdict}: {size.text}"
        raise TooFew(data, what, "wait for more patients, or name features that bear on the outcome") from None
    a, b = choice.calibration
    scorer = Scorer.of(
        choice.model,
        task=task.name,
        horizon_days=task.horizon_days,
        spec=data.spec,
        bands=bands(choice.probability, values.bands),
        calibration=choice.calibration,
    )
    seen = y
    x, y, _ = data.rows("test")
    found = evaluate(data, scorer.probability(x), judging)
    found.pop(f"gain_{choice.name}", None)  # a published score that was chosen gains nothing over itself
    patients, events = data.count()
    return Fitted(
        task,
        scorer,
        population={
            "patients": patients,
            "patients_with_event": events,
            "rows": len(data.y),
            "events": int(data.y.sum()),
            "parts": {part: int(data.parts.rows(part).sum()) for part in PARTS},
            "split": data.parts.note,
            "dates": f"landmarks from {iso(int(data.at.min()))[:10]} to {iso(int(data.at.max()))[:10]}",
            "sample_size": size.text,
            "verdict": size.verdict,
        },
        model={
            "kind": scorer.kind,
            "choice": choice.text + (f"; tuning: {tuning.text}" if tuning else ""),
            "log_loss": dict(choice.loss),
            "calibration": {"a": a, "b": b},
            "bands": list(scorer.bands),
            "used": list(scorer.used),
        },
        figures=flat(found) | {"test_events": float(y.sum()), "test_capacity": capacity(data.eligible, judging)},
        parameters=values.logged() | {"trials": trials, "winner": scorer.kind},
        attrition=tuple(data.log.rows()),
        notes=(choice.text, *((tuning.text,) if tuning else ()), data.parts.note, f"{size.verdict}: {size.text}"),
        exploratory=size.verdict == "exploratory",
        held=(choice.probability, seen),
        trials=tuning.trials if tuning else (),
    )
