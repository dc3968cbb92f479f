"""A recommender that was trained on made-up rows, over a generated catalogue: enough to filter, rank and explain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from features.instants import DAY
from training.affinity.blend import BLEND, TREES
from training.affinity.item import Item
from training.affinity.readers import Readership
from training.affinity.recommender import ORDER, Recommender, spec
from training.affinity.state import to_files
from training.affinity.touches import Touches
from training.affinity.values import affinity_values
from training.followup import NEVER
from training.scorer import Scorer

NOW = 20_000 * DAY
TOPICS = ("diabetes", "hypertension", "low_salt", "exercise", "sleep", "copd", "kidney", "bone", "nutrition", "heart")
BARS = ("diabetes", "chronic_kidney_disease", "pregnancy", "heart_failure", "antidiabetics", "N18.4", "unheard_of")


@dataclass(frozen=True)
class _Candidate:
    booster: Any


def catalogue(count: int, seed: int = 0) -> tuple[Item, ...]:
    """Return items of every kind, fit and unfit to be shown; most are fit for most."""
    rng = np.random.default_rng(seed)
    titles = ("控糖饮食入门", "{}的误区", "sleep and {}", "近来的{}", "治愈率百分百的{}", "最好的{}", "第一名的{}")
    made = []
    for number in range(count):
        topic = TOPICS[rng.integers(len(TOPICS))]
        made.append(
            Item(
                f"c{number:06d}",
                titles[rng.choice(len(titles), p=[0.3, 0.3, 0.2, 0.14, 0.02, 0.02, 0.02])].format(topic),
                frozenset({topic, TOPICS[rng.integers(len(TOPICS))]}),
                ("article", "short_video", "h5")[rng.integers(3)],
                None if rng.random() < 0.01 else int(NOW - rng.integers(-10, 400) * DAY),
                None if rng.random() < 0.01 else int(NOW + rng.integers(-30, 400) * DAY),
                frozenset(f"d{each}" for each in range(rng.choice([2, 3, 4], p=[0.1, 0.6, 0.3]))),
                frozenset(rng.choice(BARS, rng.choice([0, 1, 2], p=[0.7, 0.2, 0.1]), replace=False).tolist()),
                (None, 0.0, 18.0, 60.0)[rng.choice(4, p=[0.5, 0.2, 0.2, 0.1])],
                (None, True, False)[rng.choice(3, p=[0.02, 0.1, 0.88])],
                ("basic", "advanced", "interactive")[rng.integers(3)],
                author=f"a{rng.integers(50)}",
            )
        )
    return tuple(made)


def readership(items: tuple[Item, ...], users: int, touches: int, seed: int = 0) -> Readership:
    """Return readers who touched items at random, popular ones more often, over the last 60 days."""
    rng = np.random.default_rng(seed)
    liked = rng.pareto(1.5, len(items))
    item = rng.choice(len(items), touches, p=liked / liked.sum())
    born = {each.content_id: each.published_at for each in items if each.published_at is not None}
    made = Touches.of(
        np.array([f"p{each:06d}" for each in rng.integers(0, users, touches)]),
        np.array([items[place].content_id for place in item]),
        NOW - rng.integers(1, 60 * DAY, touches),
        born | {each.content_id: NOW + DAY for each in items if each.published_at is None},
    )
    record = (np.array([0]), np.array([0]), np.array([0]))
    by_id = {each.content_id: each for each in items}
    said = tuple(by_id[name] for name in made.items.tolist())
    return Readership(made, said, np.full(len(made.users), NEVER), ("diabetes",), record)


def recommender(given: Readership, rounds: int = 60, seed: int = 0) -> Recommender:
    """Return a recommender whose trees were fitted to made-up rows."""
    scorer, order = trees(rounds, seed)
    return Recommender.of(scorer, order, given.stage(NOW, affinity_values()), given.items)


def saved(given: Readership, folder: Path, rounds: int = 20, at: int = NOW) -> str:
    """Write the same as an artefact, with the state of an instant, and return its digest."""
    scorer, order = trees(rounds)
    state = to_files(given.stage(at, affinity_values()), given.items)
    return scorer.save(folder, {"figures": {}}, {ORDER: order, BLEND: TREES.text(), **state})


def trees(rounds: int = 60, seed: int = 0) -> tuple[Scorer, str]:
    """Return a head and the model text of a ranker, fitted to made-up rows."""
    import lightgbm

    columns = spec(("health_education",))
    rng = np.random.default_rng(seed)
    x = rng.gamma(2.0, 1.0, (4000, len(columns.names)))
    x[rng.random(x.shape) < 0.1] = np.nan
    wanted = np.nan_to_num(x) @ rng.normal(size=x.shape[1]) + rng.normal(size=len(x))
    settings = {"num_leaves": 31, "verbosity": -1, "num_threads": 1, "deterministic": True, "seed": 1}

    def booster(y: np.ndarray, objective: str) -> Any:
        data = lightgbm.Dataset(x, y, feature_name=list(columns.names), params={"verbosity": -1})
        return lightgbm.train({**settings, "objective": objective}, data, rounds)

    scorer = Scorer.of(
        _Candidate(booster((wanted > np.median(wanted)).astype(float), "binary")),
        task="content_affinity",
        horizon_days=1,
        spec=columns,
        bands=(0.2, 0.5, 0.8),
        calibration=(1.0, 0.0),
    )
    return scorer, booster(wanted, "regression").model_to_string()
