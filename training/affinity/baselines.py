"""What a hospital could install today: newest first, popularity, item-kNN, EASE, and the persona rules."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from training.affinity.columns import Sight
from training.affinity.stage import Stage

NEWEST, PERSONA, NEIGHBOURS, EASE = "newest", "persona_rules", "item_knn", "ease"
OLD, YOUNG = 60.0, 45.0
"""Years from which articles, and below which short videos are preferred (DOMAIN)."""


def references(half_lives: tuple[float, ...]) -> tuple[str, ...]:
    """Return the names of the methods that the reference is the strongest of."""
    return (*(f"popular_{each:g}h" for each in half_lives), NEWEST)


def baselines(
    sight: Sight, allowed: np.ndarray, personas: Mapping[str, tuple[str, ...]], k: int = 50
) -> dict[str, np.ndarray]:
    """Return each baseline's list of places for one person, best first, ties newest first.

    EASE is left out where the catalogue is too large for it.
    """
    stage = sight.stage
    found = {
        name: order[allowed[order]][:k] for name, order in zip(references(stage.half_lives), stage.orders, strict=True)
    }
    scores = {NEIGHBOURS: sight.neighbours, PERSONA: persona(sight, personas)}
    if stage.ease.nnz:
        scores[EASE] = sight.ease
    for name, score in scores.items():
        places = np.flatnonzero(allowed)
        best = np.lexsort((-stage.born[places], -score[places]))[:k]
        found[name] = places[best]
    return found


def persona(sight: Sight, personas: Mapping[str, tuple[str, ...]]) -> np.ndarray:
    """Return (items,) how many of DOMAIN's persona rules speak for each item.

    A condition on record asks for its topics; older people get articles, younger ones short videos.
    """
    stage: Stage = sight.stage
    catalogue, person = stage.catalogue, sight.person
    wanted = {topic for name in person.conditions for topic in personas.get(name, ())}
    score = np.zeros(len(catalogue))
    if wanted and catalogue.topic_names:
        score += 2 * (catalogue.topics @ np.array([float(name in wanted) for name in catalogue.topic_names]) > 0)
    if person.age is not None:
        form = "article" if person.age >= OLD else "short_video" if person.age < YOUNG else ""
        named = catalogue.facet_names["format"]
        if form in named:
            score += catalogue.facets["format"] == named.index(form)
    return score
