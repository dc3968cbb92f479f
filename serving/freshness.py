"""Freshness: whether the tables that the models read still grow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from features import instants
from features.instants import DAY
from serving.settings import Serving


class Freshness:
    """When each table last grew, against the limits of params.yaml.

    Parameters
    ----------
    tables
        Tables that the served models read.
    last_known
        Tells for each table that has rows the latest known_at of any patient.
    """

    def __init__(self, tables: Iterable[str], rules: Serving, last_known: Callable[[], Mapping[str, int]]) -> None:
        self._tables, self._rules, self._last_known = tuple(tables), rules, last_known

    def judge(self, at: int) -> tuple[list[dict[str, Any]], bool]:
        """Return what is stale at an instant, and whether it is too stale to score.

        A table that never held a row is not stale: what it lacks is told as missing.
        """
        last, found, refuses = self._last_known(), [], False
        for name in self._tables:
            limit = self._rules.stale_after_days.get(name)
            if limit is None or name not in last:
                continue
            days = (at - last[name]) / DAY
            if days > limit:
                found.append({"source": name, "last_seen": instants.iso(last[name]), "limit_days": limit})
            refuses = refuses or days > self._rules.refuse_after_days.get(name, float("inf"))
        return found, refuses
