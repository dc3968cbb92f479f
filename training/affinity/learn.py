"""Learn: fit ranker and head on the windows of a lake, judge them on its last days, keep the state at its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import InputError
from features.instants import DAY
from features.params import section
from training import manifest, measures
from training.affinity.assessment import reasons, sections
from training.affinity.backtest import Rolled, roll
from training.affinity.blend import BLEND
from training.affinity.practice import Practice
from training.affinity.readers import consenting
from training.affinity.recommender import ORDER, Recommender, spec
from training.affinity.state import to_files
from training.affinity.user_days import FILE as USER_DAYS
from training.affinity.user_days import REPORT
from training.affinity.values import affinity_values
from training.evaluate import Bootstrap, EvaluationValues
from training.fitted import Fitted, bands
from training.models.values import model_values
from training.sample_size import MIN_EVENTS
from training.scorer import Scorer
from training.task import Task

if TYPE_CHECKING:
    from features.lake import Lake


def fit_affinity(task: Task, lake: Lake, overrides: tuple[str, ...] = (), sample: float = 1.0) -> Fitted:
    """Fit, calibrate and judge over a lake, or over a share of its patients.

    Raises
    ------
    InputError
        Nobody opened anything, or too little on the training or the test days.
    """
    values, models = affinity_values(overrides), model_values(overrides)
    evaluation = section("evaluation", EvaluationValues, overrides)
    given, left_out = consenting(lake, values, sample)
    end = int(given.touches.time[-1]) + 1
    first = end - values.test_days * DAY
    practice = Practice(given, values)
    rolled = roll(practice, first, end - DAY, DAY, evaluation)
    ranker = practice.fit()
    scorer = Scorer.of(
        _Candidate(ranker.head),
        task=task.name,
        horizon_days=task.horizon_days,
        spec=spec(task.purposes, values.half_lives_h),
        bands=bands(ranker.probability, models.bands),
        calibration=ranker.calibration,
    )
    a, b = ranker.calibration
    order, state = ranker.order.model_to_string(), given.stage(end, values)
    recommender = Recommender.of(scorer, order, state, given.items, ranker.blend)
    rolled.report["reasons"] = reasons(recommender, practice.latest)
    report = rolled.report
    return Fitted(
        task,
        scorer,
        population={
            "patients": len(given.touches.users),
            "items": len(given.items),
            "user_days": report["user_days"] + ranker.user_days,
            "opened": ranker.opened,
            "sample_size": f"{ranker.opened:,} items first opened, at least {MIN_EVENTS} asked",
            "split": f"the last {values.test_days} days test, fitted again every {values.retrain_days} days",
        },
        model={
            "kind": scorer.kind,
            "calibration": {"a": a, "b": b},
            "bands": list(scorer.bands),
            "choice": "retrievers, lambdarank that orders, this calibrated head that says how likely",
            "blend": asdict(ranker.blend),
        },
        figures=figures(rolled, evaluation),
        parameters={name: str(value) for name, value in values.model_dump().items()},
        notes=(
            f"reference {report['reference']}, the strongest in hindsight of newest first and popularity",
            f"{report['user_days']:,} user-days of test; {report['user_days_without_relevant']:,} without anything "
            "opened for the first time are left out",
        ),
        attrition=tuple(left_out.rows()),
        files={
            ORDER: order,
            BLEND: ranker.blend.text(),
            **to_files(state, given.items),
            REPORT: json.dumps(report, ensure_ascii=False, indent=1),
            USER_DAYS: rolled.user_days.packed(),
        },
        sections=sections(rolled, evaluation),
    )


def refreshed(task: Task, folder: Path, digest: str, lake: Lake, overrides: tuple[str, ...] = ()) -> Fitted:
    """Return a registered version with the same ranker and head, and the state of the items at the end of a lake.

    Raises
    ------
    InputError
        A file of the version is missing or changed, or nobody opened anything.
    """
    values = affinity_values(overrides)
    texts = manifest.read(folder, digest)
    for name in (ORDER, BLEND):
        if name not in texts:
            raise InputError("the version has no ranker", where=name, remedy="train again")
    scorer, card = Scorer.load(folder, digest), json.loads(texts["card.json"])
    kept: dict[str, str | bytes] = {**texts, **manifest.arrays(folder, digest)}
    given, left_out = consenting(lake, values)
    end = int(given.touches.time[-1]) + 1
    state = to_files(given.stage(end, values), given.items)
    a, b = scorer.calibration
    return Fitted(
        task,
        scorer,
        population={"patients": len(given.touches.users), "items": len(given.items)},
        model={
            "kind": scorer.kind,
            "calibration": {"a": a, "b": b},
            "bands": list(scorer.bands),
            "choice": "ranker and head as before, state of the items renewed",
        },
        figures=_figures_of(card),
        parameters={"refreshed_from": digest},
        notes=("the ranker is as it was; popularity, peers and texts are those of the lake's end",),
        attrition=tuple(left_out.rows()),
        files={
            ORDER: texts[ORDER],
            BLEND: texts[BLEND],
            **state,
            **{name: held for name, held in kept.items() if name in (REPORT, USER_DAYS)},
        },
        sections={"ranking": json.loads(texts[REPORT])} if REPORT in texts else {},
    )


def figures(rolled: Rolled, evaluation: EvaluationValues) -> dict[str, float]:
    """Return the report's main figures flat, and the head's calibration slope and observed over expected."""
    overall = rolled.report["overall"]
    found: dict[str, float] = {}
    for measure in ("ndcg10", "recall20"):
        for name in (measure, f"{measure}_gain"):
            each = overall[name]
            found |= {f"test_{name}": each["value"], f"test_{name}_lo": each["lo"], f"test_{name}_hi": each["hi"]}
        found |= {f"test_{measure}_{name}": value for name, value in overall[f"{measure}_baselines"].items()}
    found |= {
        f"test_{name}": value
        for name in ("coverage", "novelty_bits", "topic_calibration_kl")
        if (value := rolled.report[name]) is not None
    }
    y = rolled.opened.astype(float)
    draws = Bootstrap(rolled.user.astype(str), min(evaluation.replicates, 60), evaluation.seed)
    for name, of in (
        ("slope", measures.slope(y, rolled.probability)),
        ("oe", measures.observed_expected(y, rolled.probability)),
    ):
        figure = draws.figure(of)
        found |= {f"test_{name}": figure.value, f"test_{name}_lo": figure.lo, f"test_{name}_hi": figure.hi}
    return found


class _Candidate:
    """A fitted booster as `Scorer.of` takes it."""

    def __init__(self, booster: Any) -> None:
        self.booster = booster


def _figures_of(card: Mapping[str, Any]) -> dict[str, float]:
    found = card.get("figures", {})
    return {name: value for name, value in found.items() if isinstance(value, int | float)}
