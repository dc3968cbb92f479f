"""Hard medical filters, before and after ranking, closed on doubt. Each exclusion has its reason."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from training.affinity.item import Item
from training.affinity.values import affinity_values

Reason = Literal["not_published", "not_reviewed", "expired", "wording", "age", "contraindicated", "sensitive"]


@dataclass(frozen=True)
class Reader:
    """What the filters must know of a person.

    Parameters
    ----------
    age
        Years, None where unknown (an item with a minimum age is then withheld).
    conditions
        Names of the codelists on record (diagnoses, medicines) and life stages (``pregnancy``).
    sensitive_consent
        True where a separate consent to sensitive topics stands.
    """

    age: float | None
    conditions: frozenset[str] = frozenset()
    sensitive_consent: bool = False


def unfit(item: Item, at: int) -> Reason | None:
    """Return why nobody may be shown an item at an instant, or None."""
    values = affinity_values()
    if item.published_at is None or item.published_at > at:
        return "not_published"
    if len(item.reviewers) < values.reviewers:
        return "not_reviewed"
    if item.expires_at is None or item.expires_at <= at:
        return "expired"
    if _claims(values.forbidden).search(item.title):
        return "wording"
    return None


def excluded(item: Item, reader: Reader, at: int) -> Reason | None:
    """Return why this person may not be shown an item at an instant, or None."""
    found = unfit(item, at)
    if found:
        return found
    if item.min_age and (reader.age is None or reader.age < item.min_age):
        return "age"
    if item.contraindications & reader.conditions:
        return "contraindicated"
    if item.sensitive is not False and not reader.sensitive_consent:
        return "sensitive"
    return None


def safe(items: Iterable[Item], reader: Reader, at: int) -> tuple[list[Item], dict[str, Reason]]:
    """Return the items that may be shown, in their order, and the reason of each other one."""
    kept, reasons = [], {}
    for item in items:
        why = excluded(item, reader, at)
        if why is None:
            kept.append(item)
        else:
            reasons[item.content_id] = why
    return kept, reasons


def for_everyone(items: Iterable[Item], at: int) -> list[Item]:
    """Return what nobody must be kept from, newest first: the list that needs no patient data."""
    open_to_all = [
        item
        for item in items
        if unfit(item, at) is None and not item.contraindications and not item.min_age and item.sensitive is False
    ]
    return sorted(open_to_all, key=lambda item: (-(item.published_at or 0), item.content_id))


@functools.cache
def _claims(forbidden: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{each})" for each in forbidden))
