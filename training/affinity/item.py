"""Item: one piece of content, as ranking and safety read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from features.instants import micros


@dataclass(frozen=True)
class Item:
    """One item. Instants are UTC microseconds; None or empty where the catalogue does not say."""

    content_id: str
    title: str = ""
    topics: frozenset[str] = frozenset()
    format: str = ""
    published_at: int | None = None
    expires_at: int | None = None
    reviewers: frozenset[str] = frozenset()
    contraindications: frozenset[str] = frozenset()
    min_age: float | None = None
    sensitive: bool | None = None
    layer: str = ""
    department: str = ""
    author: str = ""
    language: str = ""

    @staticmethod
    def of(row: Mapping[str, Any]) -> Item:
        """Read a row of the canonical table ``contents``."""

        def instant(name: str) -> int | None:
            value = row.get(name)
            return value if value is None or isinstance(value, int) else micros(value)

        texts = {name: str(row.get(name) or "") for name in ("layer", "department", "author", "language")}
        return Item(
            content_id=row["content_id"],
            title=row.get("title") or "",
            topics=frozenset(row.get("topics") or ()),
            format=row.get("format") or "",
            published_at=instant("published_at"),
            expires_at=instant("expires_at"),
            reviewers=frozenset(row.get("reviewers") or ()),
            contraindications=frozenset(row.get("contraindications") or ()),
            min_age=row.get("min_age"),
            sensitive=row.get("sensitive"),
            **texts,
        )


def items(contents: pa.Table) -> tuple[Item, ...]:
    """Return the items of the canonical table ``contents``, in its order."""
    return tuple(Item.of(row) for row in contents.to_pylist())
