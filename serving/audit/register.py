"""The record of processing: what is read, for which purpose, why, how long it is kept, and who receives it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import features
from features.group import FeatureGroup
from features.schema import TABLES
from serving.access import KEYS, Keys
from serving.settings import serving

COLUMNS = ("table", "group", "clinical_group", "purpose", "necessity", "sensitive", "retention", "recipients")


def register(home: Path) -> Iterator[dict[str, str]]:
    """Yield one row for each feature group and purpose.

    Parameters
    ----------
    home
        The state folder; its keys say who receives scores for a purpose.
    """
    principals = Keys(home).principals if (home / KEYS).is_file() else ()
    rules = serving().retention
    kept = f"events until erasure; decisions {rules.decisions_days} days; logs {rules.security_log_days} days"
    for group in features.catalogue():
        if not isinstance(group, FeatureGroup):
            continue
        table = TABLES.get(group.source)
        for purpose in group.purposes:
            recipients = sorted(each.name for each in principals if purpose in each.purposes and each.may("score"))
            yield {
                "table": group.source,
                "group": group.name,
                "clinical_group": group.clinical_group,
                "purpose": purpose,
                "necessity": group.why,
                "sensitive": "yes" if group.protected or (table is not None and table.clinical) else "no",
                "retention": kept,
                "recipients": ", ".join(recipients) or "none",
            }
