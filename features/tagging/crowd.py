"""Tags and tiers of many patients at once, counted by group, with small cells kept back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.lake import Lake
from features.progress import track
from features.roster import texts
from features.tags import UNDETERMINED, Tags, tags
from features.watch import OBSERVED

BY = ("region", "age_band", "sex", "insurance")
_MORE = {"patients": ("region_code",), "interactions": ("action", "content_id", "content_topics", "content_format")}
_NONE = ""


@dataclass(frozen=True)
class Cell:
    """One line of a group profile. ``n`` and ``share`` are None where they are kept back."""

    group: str
    patients: int | None
    code: str
    zh: str
    en: str
    value: str
    n: int | None
    share: float | None


def crowd(lake: Lake, at: int, by: str, purpose: str | None = None, rules: Tags | None = None) -> list[Cell]:
    """Count every tag and tier in each group of a lake's patients.

    Parameters
    ----------
    at
        UTC microseconds: one landmark for all.
    by
        Tag whose values are the groups: region, age_band, sex or insurance.
    purpose
        Rules that read what may not be used for it are left out; None: none is.

    Returns
    -------
    list of Cell
        One a group, tag and value, groups by name; a group of too few patients has one line
        without figures.
    """
    chosen = rules or tags()
    patient_groups, held = _judged(lake, at, by, purpose, chosen)
    least = chosen.values.smallest_cell
    groups, of = np.unique(patient_groups, return_inverse=True)
    sizes = np.bincount(of, minlength=len(groups))
    open_ = ~_kept_back(sizes[:, None], least)[:, 0]
    found = [Cell(str(groups[place]), None, "", "", "", "", None, None) for place in np.flatnonzero(~open_)]
    for code, values in sorted(held.items()):
        words, which = np.unique(values, return_inverse=True)
        counts = np.zeros((len(groups), len(words)), np.int64)
        np.add.at(counts, (of, which), 1)
        counts = counts[open_]
        hidden = _kept_back(counts, least)
        zh, en = _names(chosen, code)
        for row, group in enumerate(np.flatnonzero(open_)):
            for column, word in enumerate(words):
                if word == _NONE:
                    continue
                n = None if hidden[row, column] else int(counts[row, column])
                share = None if n is None else n / int(sizes[group])
                found.append(Cell(str(groups[group]), int(sizes[group]), code, zh, en, str(word), n, share))
    return sorted(found, key=lambda cell: (cell.group, cell.code, cell.value))


def _kept_back(counts: np.ndarray, least: int) -> np.ndarray:
    """Return which cells of a table with known margins are kept back.

    Every cell below ``least``, zero among them. Then, in each row and column that keeps back only
    one cell, or cells of fewer than ``least`` patients together, the smallest other cell too, until
    nothing more can be found by subtraction from a margin.
    """
    hidden: np.ndarray = counts < least
    while True:
        before = hidden.copy()
        for lines, own in ((counts, hidden), (counts.T, hidden.T)):
            for line, kept in zip(lines, own):
                alone = kept.sum() == 1 or (kept.any() and line[kept].sum() < least)
                if alone and not kept.all():
                    kept[np.flatnonzero(~kept)[np.argmin(line[~kept])]] = True
        if (hidden == before).all():
            return hidden


def _judged(
    lake: Lake, at: int, by: str, purpose: str | None, chosen: Tags
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the group of each patient, and of each tag its (n,) values as words, empty where it does not hold."""
    rules, patients = chosen.rules, lake.patients()
    names = rules.names(purpose)
    columns = {
        name: tuple(dict.fromkeys((*wanted, *_MORE.get(name, ())))) for name, wanted in rules.plan.columns.items()
    }
    contents = lake.read("contents")
    groups = np.full(len(patients), _NONE, dtype=object)
    held: dict[str, np.ndarray] = {}
    columns = {**columns, "observed": OBSERVED}
    parts = lake.parts(columns, len(patients), len(patients) * len(rules.plan.spec.names))
    buckets = lake.buckets(columns, texts(patients), parts)
    for _, places, tables in track(buckets, "profile", total=parts):
        if not len(places):
            continue
        ready, facts = rules.ready(tables, texts(patients[places]), contents)
        when = np.full(len(places), at, np.int64)
        read = rules.columns(ready, facts, np.arange(len(places)), when)
        group = rules.judged(read, rules.names(None), len(places))[by]
        groups[places] = [_NONE if each is None else str(each) for each in group]
        for code, values in rules.judged(read, names, len(places)).items():
            words = held.setdefault(code, np.full(len(patients), _NONE, dtype=object))
            words[places] = [_NONE if each is None else str(each).lower() for each in values]
    held.pop("registered_since", None)
    held.pop(by, None)
    groups[groups == _NONE] = "unknown"
    return groups, held


def _names(chosen: Tags, code: str) -> tuple[str, str]:
    if code == "activity":
        return "活跃分层", "activity tier"
    return next(((tag.zh, tag.en) for tag in chosen.rules.every if tag.code == code), UNDETERMINED)
