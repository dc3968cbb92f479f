"""Which clinical groups are named as the reasons of a score."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

from features.errors import InputError


class Choice(NamedTuple):
    """A clinical group, which way it moved the score, and whether nothing was known of it."""

    group: str
    direction: Literal["raises", "lowers"]
    missing: bool


def choose(
    group_contributions: Mapping[str, float], used: Collection[str], missing: Collection[str] = (), most: int = 4
) -> list[Choice]:
    """Return one to `most` groups, the greatest contribution first.

    The group that raised the score most is never left out: where it is not among the greatest, it
    takes the place of the last of them. Equal contributions stand in the order of their names.

    Parameters
    ----------
    group_contributions
        Clinical group -> exact Shapley value, in calibrated log-odds.
    used
        Groups that the model splits on or weighs; no other is ever named.
    missing
        Groups of which nothing was known.
    most
        How many are named at most.

    Raises
    ------
    InputError
        The model used none of the groups.
    """
    ranked = sorted(
        (group for group in group_contributions if group in used),
        key=lambda group: (-abs(group_contributions[group]), group),
    )
    if not ranked:
        raise InputError("the model used none of the groups", where="serving.reasons")
    moving = [group for group in ranked if group_contributions[group] != 0.0]
    named = moving[:most] or ranked[:1]
    adverse = next((group for group in moving if group_contributions[group] > 0.0), None)
    if adverse is not None and adverse not in named:
        named[-1] = adverse
    return [
        Choice(group, "raises" if group_contributions[group] > 0.0 else "lowers", group in missing) for group in named
    ]
