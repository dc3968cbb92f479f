"""What a vector holds: names, order, units, labels and the digest of every definition."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from features.errors import InputError

MEANING = 1
"""Raised when a reduction changes its meaning, so that old vectors and models do not pass as new ones."""


@dataclass(frozen=True)
class Feature:
    """One column of a vector.

    ``group`` is its clinical group, ``days`` its window (None: the whole history, or derived),
    ``definition`` all that decides its value, codelist digests and the inputs of a derived feature
    included.
    """

    name: str
    label_zh: str
    label_en: str
    unit: str
    group: str
    days: float | None
    purposes: tuple[str, ...]
    protected: bool
    actionable: bool
    definition: dict[str, Any]

    @property
    def window(self) -> str:
        """Its window in words: ``last 365 days``, ``next 90 days``, ``whole history``, ``ahead`` or ``derived``."""
        if "derived" in self.definition:
            return "derived"
        ahead = bool(self.definition.get("of", {}).get("ahead"))
        if self.days is None:
            return "ahead" if ahead else "whole history"
        return f"{'next' if ahead else 'last'} {self.days:g} days"


@dataclass(frozen=True)
class VectorSpec:
    """The columns of a vector, in order; ``hospital`` is the digest of the hospital's own folder, if there is one."""

    features: tuple[Feature, ...]
    hospital: str = ""

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @functools.cached_property
    def units(self) -> dict[str, str]:
        """Feature -> unit."""
        return {feature.name: feature.unit for feature in self.features}

    @functools.cached_property
    def labels(self) -> dict[str, dict[str, str]]:
        """Feature -> {zh, en}."""
        return {feature.name: {"zh": feature.label_zh, "en": feature.label_en} for feature in self.features}

    @functools.cached_property
    def groups(self) -> dict[str, str]:
        """Feature -> clinical group."""
        return {feature.name: feature.group for feature in self.features}

    @functools.cached_property
    def windows(self) -> dict[str, float | None]:
        """Feature -> days of its window; None for the whole history or a derived feature."""
        return {feature.name: feature.days for feature in self.features}

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 over names, order, units, every definition and the hospital's code, as canonical JSON.

        Labels stay out.
        """
        told: list[Any] = [MEANING, [[feature.name, feature.unit, feature.definition] for feature in self.features]]
        told += [self.hospital] if self.hospital else []
        return hashlib.sha256(_canonical(told).encode()).hexdigest()

    def __getitem__(self, name: str) -> Feature:
        if name not in self._by_name:
            raise InputError(f"no feature '{name}'", where="VectorSpec", given=name, known=self.names)
        return self._by_name[name]

    def subset(self, names: Iterable[str]) -> VectorSpec:
        """Return the spec of these features, in this order."""
        return VectorSpec(tuple(self[name] for name in names), self.hospital)

    def to_json(self) -> str:
        told = {"digest": self.digest, "features": [asdict(feature) for feature in self.features]}
        return _canonical(told | ({"hospital": self.hospital} if self.hospital else {}))

    @classmethod
    def from_json(cls, text: str) -> VectorSpec:
        """Read what to_json wrote.

        Raises
        ------
        InputError
            The text is not one, or its digest is not that of its definitions.
        """
        try:
            read = json.loads(text)
            features = tuple(Feature(**{**each, "purposes": tuple(each["purposes"])}) for each in read["features"])
            digest, hospital = read["digest"], str(read.get("hospital", ""))
        except (ValueError, TypeError, KeyError):
            raise InputError("cannot be read", where="VectorSpec", remedy="give what to_json wrote") from None
        spec = cls(features, hospital)
        if spec.digest != digest:
            raise InputError("its digest is not that of its definitions", where="VectorSpec")
        return spec

    @functools.cached_property
    def _by_name(self) -> dict[str, Feature]:
        return {feature.name: feature for feature in self.features}


def spec_of(file: Path) -> VectorSpec:
    """Read the VectorSpec of a file: what to_json wrote, or the vectors of a build.

    Raises
    ------
    InputError
        The file cannot be read, or holds none.
    """
    where = f"VectorSpec {file.name}"
    try:
        if file.suffix == ".parquet":
            import pyarrow.parquet as pq

            text = (pq.read_schema(file).metadata or {}).get(b"vector_spec_json", b"").decode()
        else:
            text = file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise InputError("cannot be read", where=where, remedy="vectors of a build, or a vector_spec.json") from None
    return VectorSpec.from_json(text)


def _canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
