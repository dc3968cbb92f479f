"""The catalogue in words: what each feature means, in which unit, over which window, from where, what for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from features.derived import Derived
from features.errors import InputError
from features.group import FeatureGroup
from features.plan import compile_plan
from features.vector import Feature


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


def _answers(each: FeatureGroup | Derived, name: str) -> bool:
    return each.name == name or (isinstance(each, FeatureGroup) and name in each.features)


def _lines(feature: Feature, origin: str, doc: str) -> Iterator[str]:
    unit = f" [{feature.unit}]" if feature.unit else ""
    yield f"    {feature.name}{unit}  {feature.label_en} / {feature.label_zh}; {origin}"
    if doc:
        yield f"        {doc}"
