"""The catalogue in words: what each feature means, in which unit, over which window, from where, what for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from features.derived import Derived
from features.errors import InputError
from features.group import FeatureGroup
from features.plan import compile_plan
from features.vector import Feature, VectorSpec, spec_of

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def described(declared: Sequence[FeatureGroup | Derived], name: str = "") -> Iterator[str]:
    """Yield the lines that describe a feature or a group of that name; without a name, all.

    Raises
    ------
    InputError
        There is no such feature or group; the nearest is named.
    """
    spec = compile_plan(declared).spec
    found = [each for each in declared if not name or _answers(each, name)]
    if not found:
        known = [*(each.name for each in declared), *spec.names]
        raise InputError(f"no feature or group '{name}'", where="describe", given=name, known=known)
    for each in found:
        if isinstance(each, Derived):
            yield from _lines(spec[each.name], f"derived from {', '.join(each.inputs)}", " ".join(each.doc.split()))
            continue
        names = [name] if name in each.features else list(each.features)
        marks = [mark for mark, holds in (("protected", each.protected), ("actionable", each.actionable)) if holds]
        yield f"{each.name} ({each.source}; {', '.join([each.clinical_group, *marks])})"
        yield f"  {' '.join(each.doc.split())}"
        yield f"  why: {each.why}; purposes: {', '.join(each.purposes)}"
        for one in names:
            yield from _lines(spec[one], spec[one].window, "")
        yield ""


def profiled(vectors: Path, declared: Sequence[FeatureGroup | Derived], name: str = "") -> Iterator[str]:
    """Yield a line for each feature of a build: missing share, and quantiles of what is there.

    Parameters
    ----------
    vectors
        Parquet file of a build.
    declared
        What is declared, to find the features of a group by its name.
    name
        A feature or a group; empty for all.

    Raises
    ------
    InputError
        The file is not of a build, or has no such feature.
    """
    spec = spec_of(vectors)
    groups = {each.name: tuple(each.features) for each in declared if isinstance(each, FeatureGroup)}
    names = [each for each in spec.names if not name or each == name or each in groups.get(name, ())]
    if not names:
        known = [*groups, *spec.names]
        raise InputError(f"no feature or group '{name}'", where=f"vectors {vectors.name}", given=name, known=known)
    width = max(len(each) for each in names)
    yield f"{'feature':{width}}  {'missing':>8}" + "".join(f"{f'q{100 * at:g}':>12}" for at in QUANTILES) + "  unit"
    with pq.ParquetFile(vectors) as opened:
        for each in names:
            values = opened.read(columns=[each])[each].drop_null().to_numpy()
            rows = opened.metadata.num_rows
            missing = f"{1 - len(values) / rows:8.1%}" if rows else f"{'':8}"
            cuts = np.quantile(values, QUANTILES) if len(values) else ()
            told = "".join(f"{cut:12.5g}" for cut in cuts) if len(values) else f"{'':{12 * len(QUANTILES)}}"
            yield f"{each:{width}}  {missing}{told}  {spec[each].unit}"


def differing(one: VectorSpec, other: VectorSpec) -> Iterator[str]:
    """Yield what differs between two specs: features that went, came, moved, or mean something else."""
    yield f"{len(one.names)} features ({one.digest[:12]}) and {len(other.names)} ({other.digest[:12]})"
    for name in one.names:
        if name not in other.names:
            yield f"- {name}"
    for name in other.names:
        if name not in one.names:
            yield f"+ {name}  {other[name].label_en} / {other[name].label_zh}; {other[name].window}"
    both = [name for name in one.names if name in other.names]
    for name in both:
        was, now = asdict(one[name]), asdict(other[name])
        for key in was:
            if was[key] != now[key]:
                told = (json.dumps(each[key], ensure_ascii=False, sort_keys=True) for each in (was, now))
                yield f"~ {name}: {key} {' -> '.join(told)}"
    if both != [name for name in other.names if name in one.names]:
        yield "~ the order of the common features differs"
    if one.hospital != other.hospital:
        yield f"~ the hospital's own code differs: {one.hospital[:12] or 'none'} -> {other.hospital[:12] or 'none'}"
    if one.digest == other.digest:
        yield "the same vectors"


def page(declared: Sequence[FeatureGroup | Derived]) -> Iterator[str]:
    """Yield the lines of the generated part of docs/catalogue.md."""
    spec = compile_plan(declared).spec
    groups = [each for each in declared if isinstance(each, FeatureGroup)]
    yield f"{len(spec.names)} features in {len(groups)} groups, derived ones among them, over {_tables(groups)}."
    for each in groups:
        marks = [mark for mark, holds in (("protected", each.protected), ("actionable", each.actionable)) if holds]
        yield from ("", f"### {each.name}", "", " ".join(each.doc.split()), "")
        yield f"From `{each.source}`; clinical group {', '.join([each.clinical_group, *marks])}. Why: {each.why}."
        yield f"For {', '.join(each.purposes)}."
        yield from ("", "| feature | 中文 | English | unit | window |", "| --- | --- | --- | --- | --- |")
        for name in each.features:
            yield _row(spec[name], spec[name].window)
    yield from ("", "### Derived", "", "| feature | 中文 | English | unit | of |", "| --- | --- | --- | --- | --- |")
    for one in declared:
        if isinstance(one, Derived):
            yield _row(spec[one.name], ", ".join(one.inputs))


def _row(feature: Feature, last: str) -> str:
    return f"| `{feature.name}` | {feature.label_zh} | {feature.label_en} | {feature.unit} | {last} |"


def _tables(groups: Sequence[FeatureGroup]) -> str:
    return ", ".join(sorted({each.source for each in groups}))


def _answers(each: FeatureGroup | Derived, name: str) -> bool:
    return each.name == name or (isinstance(each, FeatureGroup) and name in each.features)


def _lines(feature: Feature, origin: str, doc: str) -> Iterator[str]:
    unit = f" [{feature.unit}]" if feature.unit else ""
    yield f"    {feature.name}{unit}  {feature.label_en} / {feature.label_zh}; {origin}"
    if doc:
        yield f"        {doc}"
