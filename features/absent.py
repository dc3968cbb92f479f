"""Codes that a lake does not hold: features that rest on them are empty, and are named."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from features.derived import Derived
from features.history import Code, Reduction
from features.lake import Lake
from features.plan import Plan


def absent(lake: Lake, plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the features that are empty because no code that they ask for occurs in the lake.

    A count over codes that never occur is zero for everybody, which looks like an answer: so it is
    named too, and a derived feature with it where all that it reads is. A table that the lake lacks is
    no matter of codes.

    Returns
    -------
    dict
        Codelist (or plain code) -> features, in the order of the vector.
    """
    coded = {name: each for name, each in plan.reductions.items() if each.selection.codes}
    pairs = {name: _pairs(lake, name) for name in {each.selection.table for each in coded.values()} & set(lake.files)}
    judged: dict[tuple[str, tuple[Code, ...]], bool] = {}
    empty: dict[str, str] = {}
    for name, reduction in coded.items():
        if (missing := _missing(reduction, pairs, judged)) is not None:
            empty[name] = missing
    for _, feature, _ in plan.derived:
        if isinstance(feature, Derived) and all(each in empty for each in feature.inputs):
            empty[feature.name] = empty[feature.inputs[0]]
    found: dict[str, list[str]] = {}
    for name in plan.spec.names:
        if name in empty:
            found.setdefault(empty[name], []).append(name)
    return {code: tuple(names) for code, names in found.items()}


def _missing(
    reduction: Reduction,
    pairs: Mapping[str, set[tuple[str, str]]],
    judged: dict[tuple[str, tuple[Code, ...]], bool],
) -> str | None:
    """Return the name of a filter that no code of the table passes, or None."""
    table = reduction.selection.table
    if table not in pairs:
        return None
    for any_of in reduction.selection.codes:
        key = (table, any_of)
        if key not in judged:
            judged[key] = any(_passes(code, system, held) for code in any_of for system, held in pairs[table])
        if not judged[key]:
            return ", ".join(code if isinstance(code, str) else code.name for code in any_of)
    return None


def _passes(code: Code, system: str, held: str) -> bool:
    return code == held if isinstance(code, str) else code.matches(system, held)


def _pairs(lake: Lake, name: str) -> set[tuple[str, str]]:
    """Return every (code_system, code) of a table."""
    read = lake.read(name, ("code_system", "code"))
    plain = pa.table({each: read[each].cast(pa.string()) for each in ("code_system", "code")})
    told = plain.group_by(["code_system", "code"]).aggregate([]).to_pylist()
    return {(each["code_system"] or "", each["code"] or "") for each in told}
