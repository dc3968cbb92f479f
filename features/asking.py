"""What a command asks of a lake: which features, at which landmarks."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from features.build import keep, landmarks_of, written
from features.derived import Derived
from features.errors import InputError
from features.group import FeatureGroup
from features.instants import parse
from features.kept import Kept, room
from features.lake import Lake
from features.own import declared
from features.plan import Plan, compile_plan
from features.refresh import Refreshed, groups_of, landmarks_in, record, refresh, told_of

_NAIVE = re.compile(r"\d{4}-\d{2}-\d{2}[ T][\d:.]+")


@dataclass(frozen=True)
class Asking:
    """A lake, groups and landmarks.

    Attributes
    ----------
    files
        Groups as they were given: file names, or ``catalogue``.
    instant
        The one instant asked of everybody, as it was written; empty where landmarks were given.
    patients, at
        (n,) ids as strings, and UTC microseconds.
    """

    lake: Lake
    files: tuple[str, ...]
    groups: tuple[FeatureGroup | Derived, ...]
    instant: str
    patients: np.ndarray
    at: np.ndarray

    @classmethod
    def of(cls, lake: Path, files: tuple[str, ...], instant: str, landmarks: Path | None) -> Asking:
        """Read what ``build`` was given.

        Raises
        ------
        InputError
            Both or neither of instant and landmarks; a lake without a table; a file that cannot be read.
        """
        if bool(instant) == (landmarks is not None):
            raise InputError("give either --at or --landmarks", where="build")
        opened = _opened(lake)
        marks = _everybody(opened, instant) if landmarks is None else landmarks_of(_read(landmarks))
        return cls(opened, files, declared(files), instant, *marks)

    @classmethod
    def again(cls, lake: Path, out: Path, files: tuple[str, ...], instant: str, landmarks: Path | None) -> Asking:
        """Read what ``refresh`` was given; what is not given is what the vectors were built for.

        Raises
        ------
        InputError
            There are no such vectors and nothing says which to build.
        """
        if not out.is_file():
            return cls.of(lake, files or ("catalogue",), instant, landmarks)
        told = told_of(out)
        files = files or groups_of(told)
        if instant or landmarks is not None:
            return cls.of(lake, files, instant, landmarks)
        if told.get("instant"):
            return cls.of(lake, files, told["instant"], None)
        return cls(_opened(lake), files, declared(files), "", *landmarks_in(out))

    @cached_property
    def plan(self) -> Plan:
        return compile_plan(self.groups)

    @room()
    def build(self, out: Path, spark: bool = False) -> list[str]:
        """Write the vectors; return the features that are null for every landmark."""
        kept = Kept(self.lake, self.plan.spec, self.patients, self.at)
        if not kept.whole and spark:
            from features.spark import spread

            spread(kept, self.lake, self.groups, self.patients, self.at)
        elif not kept.whole:
            keep(kept, self.lake, self.plan, self.patients, self.at)
        told = {**self._told, "lake": self.lake.digest}
        empty = written(kept.chunks(), self.plan.spec, self.patients, self.at, out, told)
        record(self.lake)
        return empty

    @room()
    def refresh(self, out: Path) -> Refreshed:
        """Write the vectors, copying from the file what the lake's changes leave as it is."""
        return refresh(self.lake, self.plan, self.patients, self.at, out, self._told)

    @property
    def _told(self) -> dict[str, str]:
        return {"instant": self.instant, "groups": json.dumps(self.files)}


def _opened(folder: Path) -> Lake:
    lake = Lake(folder)
    if not lake.tables():
        inside = [each for each in sorted(folder.iterdir()) if each.is_dir() and Lake(each).tables()]
        remedy = f"there is one in {inside[0]}" if inside else "a lake has one folder of Parquet files per table"
        raise InputError("holds no canonical table", where=f"lake {folder.name}", remedy=remedy)
    return lake


def _everybody(lake: Lake, instant: str) -> tuple[np.ndarray, np.ndarray]:
    patients = lake.patients()
    return patients, np.full(len(patients), parse(instant), np.int64)


def _read(file: Path) -> pd.DataFrame:
    where = f"--landmarks {file.name}"
    try:
        read = pd.read_csv(file, dtype=str) if file.suffix.lower() in (".csv", ".txt") else pd.read_parquet(file)
    except (OSError, ValueError):
        raise InputError("cannot be read", where=where, remedy="Parquet, or .csv") from None
    if "at" in read and not pd.api.types.is_datetime64_any_dtype(read["at"]) and not read["at"].isna().any():
        places, texts = pd.factorize(read["at"].astype(str).str.strip())
        read["at"] = pd.to_datetime(np.array([_instant(text) for text in texts], np.int64)[places], unit="us", utc=True)
    return read


def _instant(text: str) -> int:
    """Read an instant; a date is the end of that day, a time without an offset is UTC, as in a lake."""
    return parse(f"{text}+00:00" if _NAIVE.fullmatch(text) else text)
