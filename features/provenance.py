"""Where a value comes from: the event behind each feature of one patient at one landmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from features.asked import Asked, Origin
from features.plan import Plan


def provenance(
    plan: Plan, tables: Mapping[str, pa.Table], patient_id: str, at: int, names: Sequence[str]
) -> dict[str, Origin]:
    """Return the event behind each value: see :meth:`features.asked.Asked.provenance`.

    Who wants the vector too asks ``Asked`` for both, and has the rows prepared once.
    """
    return Asked(plan, tables, patient_id).provenance(at, names)
