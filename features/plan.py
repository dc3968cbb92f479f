"""Groups compiled into one plan: the same for training, a batch and one patient asked now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from features.canonical import canonical
from features.coverage import cover
from features.derived import Derived
from features.errors import InputError
from features.group import FeatureGroup
from features.history import Reduction
from features.hospital import hospital
from features.labels import labels, unit
from features.program import Program
from features.roster import Roster, texts
from features.rows import Rows, rows
from features.schema import EVENT_TABLES
from features.sweep import sweep
from features.vector import Feature, VectorSpec
from features.watch import OBSERVED, Watch, seen


class Ready(NamedTuple):
    """The rows of some patients, prepared for each table, and who watched them."""

    rows: Mapping[str, Rows]
    watch: Watch


@dataclass(frozen=True)
class Plan:
    """A compiled set of features.

    Attributes
    ----------
    spec
        The columns of its vectors.
    reductions
        Every feature that is read off events, those that only feed derived ones included.
    derived
        ``(place, feature, places of its inputs)`` in an order in which they can be computed.
    programs
        One for each table that is read.
    width
        Columns computed: those of the spec first, then those that only feed others.
    """

    spec: VectorSpec
    reductions: Mapping[str, Reduction]
    derived: tuple[tuple[int, Derived, tuple[int, ...]], ...]
    programs: tuple[Program, ...]
    width: int

    @cached_property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """Table -> columns that are read from it."""
        return {program.table: program.columns for program in self.programs}

    def vectors(self, tables: Mapping[str, pa.Table], patient_ids: Any, at: np.ndarray) -> np.ndarray:
        """Compute the vectors of some landmarks.

        Parameters
        ----------
        tables
            Canonical tables by name; ``observed`` among them where the lake has one. Any may be absent.
        patient_ids
            (n,) patient of each landmark: a sequence of strings or an Arrow array.
        at
            (n,) UTC microseconds.

        Returns
        -------
        np.ndarray
            (n, features) floats in the order of the spec; null is NaN.
        """
        ids = patient_ids if isinstance(patient_ids, pa.Array) else texts(patient_ids)
        coded = ids if isinstance(ids, pa.DictionaryArray) else ids.dictionary_encode()
        which = coded.indices.to_numpy().astype(np.int64)
        if len(at) != len(which):
            raise InputError("as many patients as instants are needed", where="Plan.vectors")
        return self.swept(self.ready(tables, coded.dictionary), which, at)

    def ready(self, tables: Mapping[str, pa.Table], patients: pa.Array) -> Ready:
        """Prepare the rows of some distinct patients, to be swept at any landmarks."""
        observed = tables.get("observed")
        if observed is not None:
            observed = canonical(observed, "observed", OBSERVED)
        roster = Roster(patients)
        found = {each.table: rows(tables.get(each.table), each, roster) for each in self.programs}
        return Ready(found, Watch(observed, roster))

    def swept(self, ready: Ready, which: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Compute vectors from rows made ready.

        Parameters
        ----------
        ready
            What ``ready`` returned.
        which
            (n,) place of each landmark's patient.
        at
            (n,) UTC microseconds.

        Returns
        -------
        np.ndarray
            (n, features) floats in the order of the spec; null is NaN.
        """
        at = np.ascontiguousarray(at, dtype=np.int64)
        out = np.full((len(at), self.width), np.nan)
        for program in self.programs:
            own = ready.rows[program.table]
            _run(program, own, which, at, _watched(own, program.table, ready.watch, which, at), out)
        for place, feature, inputs in self.derived:
            out[:, place] = feature.values(*(out[:, each].copy() for each in inputs))
        return out if self.width == len(self.spec.names) else np.ascontiguousarray(out[:, : len(self.spec.names)])


def compile_plan(groups: Iterable[FeatureGroup | Derived], names: Sequence[str] | None = None) -> Plan:
    """Compile groups and derived features.

    Parameters
    ----------
    groups
        What is declared; the order of the vector is theirs.
    names
        Features wanted, in the order wanted; None for all.

    Raises
    ------
    InputError
        Two features of one name, a name or a derived feature's input that is not declared, or
        derived features that need each other.
    """
    groups = tuple(groups)
    declared: dict[str, tuple[FeatureGroup, Reduction] | Derived] = {}
    for group in groups:
        items = group.features.items() if isinstance(group, FeatureGroup) else ((group.name, group),)
        for name, feature in items:
            if name in declared:
                raise InputError(f"two features are named '{name}'", where="plan", remedy="rename one of them")
            declared[name] = feature if isinstance(feature, Derived) else (group, feature)  # type: ignore[assignment]
    wanted = tuple(declared) if names is None else tuple(names)
    if len(set(wanted)) < len(wanted):
        raise InputError("a feature is asked for twice", where="plan")
    described: dict[str, Feature] = {}
    for name in wanted:
        _describe(name, declared, described, (), "plan")
    order = (*wanted, *(name for name in described if name not in set(wanted)))
    place = {name: at for at, name in enumerate(order)}
    reductions = {name: each[1] for name in order if not isinstance(each := declared[name], Derived)}
    derived = tuple(
        (place[name], each, tuple(place[one] for one in each.inputs))
        for name in described
        if isinstance(each := declared[name], Derived)
    )
    programs = tuple(
        Program(table, read)
        for table in EVENT_TABLES
        if (read := [(place[name], each) for name, each in reductions.items() if each.selection.table == table])
    )
    own = hospital()
    spec = VectorSpec(tuple(described[name] for name in wanted), own.digest if own else "")
    return Plan(spec, reductions, derived, programs, len(order))


def _describe(
    name: str,
    declared: Mapping[str, tuple[FeatureGroup, Reduction] | Derived],
    described: dict[str, Feature],
    above: tuple[str, ...],
    where: str,
) -> Feature:
    """Describe a feature, after those that it is derived from."""
    if name in described:
        return described[name]
    if name not in declared:
        raise InputError(f"no feature '{name}'", where=where, given=name, known=tuple(declared))
    if name in above:
        raise InputError("derived features need each other", where=f"derived feature {name}")
    each = declared[name]
    if isinstance(each, Derived):
        of = [_describe(one, declared, described, (*above, name), f"derived feature {name}") for one in each.inputs]
        described[name] = Feature(
            name=name,
            label_zh=each.label_zh,
            label_en=each.label_en,
            unit=each.unit,
            group=of[0].group,
            days=None,
            purposes=tuple(one for one in of[0].purposes if all(one in other.purposes for other in of)),
            protected=any(one.protected for one in of),
            actionable=all(one.actionable for one in of),
            definition={"derived": each.text, "of": {one.name: one.definition for one in of}},
        )
    else:
        group, reduction = each
        zh, en = labels(reduction)
        described[name] = Feature(
            name=name,
            label_zh=zh,
            label_en=en,
            unit=unit(reduction, group.unit),
            group=group.clinical_group,
            days=reduction.selection.days,
            purposes=tuple(group.purposes),
            protected=group.protected,
            actionable=group.actionable,
            definition=reduction.definition(),
        )
    return described[name]


def _watched(ready: Rows, table: str, watch: Watch, which: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Since when the table was watched; for ``patients`` a row that is visible is enough."""
    if table != "patients" or not watch.said:
        return watch.since(table, which, at)
    since = np.empty(len(at), np.int64)
    seen(ready.starts[which], ready.starts[which + 1], at, ready.time, ready.known, ready.until, since)
    return since


def _run(
    program: Program, ready: Rows, which: np.ndarray, at: np.ndarray, watched: np.ndarray, out: np.ndarray
) -> None:
    low, high = ready.starts[which], ready.starts[which + 1]
    events = (ready.time, ready.known, ready.until, ready.signature, ready.values)
    for walk in program.walks:
        whose, cells = np.nonzero(ready.passes[:, walk.selection])
        cells_from = np.searchsorted(whose, np.arange(len(ready.passes) + 1))
        stamps = ready.ids[walk.column]
        stamps_from = stamps.cumsum() - stamps
        sweep(
            *(low, high, at, watched),
            *events,
            *(cells_from.astype(np.int32), cells.astype(np.int32)),
            *(walk.keeps, walk.column, walk.reach, stamps_from, int(stamps.sum())),
            *(walk.edges, walk.features_from, walk.how, walk.cell, walk.part, walk.needs, walk.target),
            walk.forward,
            out,
        )
    if program.cover is not None:
        each = program.cover
        chosen = np.ascontiguousarray(ready.passes[:, each.selection].T)
        cover(*(low, high, at, watched), *events, chosen, each.column, each.supply, each.window, each.target, out)
