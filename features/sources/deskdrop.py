"""Deskdrop, and any portal that exports its reading the same way: who did what with which article, and when.

``users_interactions.csv`` has the columns timestamp (seconds since 1970), eventType, contentId and
personId. ``shared_articles.csv`` beside it is optional (title, lang, authorPersonId, contentType and
the timestamp of sharing); without it an item is known by its id alone and has no publication time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa

from features.errors import InputError
from features.progress import track
from features.schema import ARROW
from features.schema import table as canonical_table
from features.sources.draft import Draft, Refusal, Tally

if TYPE_CHECKING:
    import pandas as pd

SECOND = 1_000_000
EVENTS, ARTICLES = "users_interactions", "shared_articles"
ACTIONS = {
    "VIEW": "view",
    "LIKE": "like",
    "BOOKMARK": "bookmark",
    "COMMENT CREATED": "comment",
    "FOLLOW": "follow",
}
FORMATS = {"HTML": "article", "VIDEO": "short_video", "RICH": "h5"}


class Deskdrop:
    """Readers as patients, articles as contents, what they did as interactions.

    Parameters
    ----------
    folder
        Holds users_interactions.csv and perhaps shared_articles.csv, plain, .gz or .zip.
    tally
        Gathers what was read and what was refused.
    """

    name: ClassVar[str] = "deskdrop"
    tables: tuple[str, ...] = ("interactions",)

    def __init__(self, folder: Path, tally: Tally) -> None:
        self.tally = tally
        self.file, self.rows = _read(folder, EVENTS, ("timestamp", "eventType", "contentId", "personId"))
        articles = _found(folder, ARTICLES)
        self.articles = None if articles is None else _read(folder, ARTICLES, ("timestamp", "eventType", "contentId"))
        tally.read["interaction"] = len(self.rows)

    @property
    def births(self) -> dict[str, int | None]:
        """Every reader; nobody's birth is known."""
        return dict.fromkeys(self.rows["personId"].dropna().unique().tolist())

    def events(self) -> Iterator[Draft]:
        """Yield one interaction a line; a line said twice is one, of an unknown kind none."""
        seen: set[str] = set()
        columns = (self.rows[name].tolist() for name in ("timestamp", "eventType", "contentId", "personId"))
        lines = zip(*columns, strict=True)
        for row, (stamp, kind, content, person) in enumerate(
            track(lines, "reading interactions", total=len(self.rows)), 2
        ):
            action, time = ACTIONS.get(str(kind)), _micros(stamp)
            if action is None or time is None or not isinstance(content, str):
                self.tally.refused.append(Refusal("interactions", "malformed_resource", self.file, row))
                continue
            event = f"{person}/{time // SECOND}/{action}/{content}"
            if event in seen:
                self.tally.unread["interaction said twice"] += 1
                continue
            seen.add(event)
            values = {"patient_id": person, "time": time, "known_at": time, "event_id": event, "channel": "web"}
            yield Draft("interactions", {**values, "action": action, "content_id": content}, self.file, row)

    def persons(self, first_contact: Mapping[str, int]) -> Iterator[Draft]:
        """Yield one patient a reader, registered with the first interaction."""
        for row, person in enumerate(sorted(self.births), 2):
            if person in first_contact:
                time = first_contact[person]
                values = {"patient_id": person, "time": time, "known_at": time, "event_id": f"{person}/patient"}
                yield Draft("patients", {**values, "registered_at": time}, self.file, row)

    def contents(self) -> pa.Table:
        """Return the table contents: every item shared or touched, each fact only where it is known."""
        known = self._shared()
        ids = sorted({*self.rows["contentId"].dropna().tolist(), *known})
        rows = [{"content_id": name, **known.get(name, {})} for name in ids]
        fields = [(each.name, ARROW[each.kind]) for each in canonical_table("contents").columns]
        instants = {name for name, kind in fields if pa.types.is_timestamp(kind)}
        columns = {}
        for name, kind in fields:
            values = [row.get(name) for row in rows]
            columns[name] = pa.array(values, pa.int64()).cast(kind) if name in instants else pa.array(values, kind)
        return pa.table(columns)

    def _shared(self) -> dict[str, dict[str, object]]:
        """Return what the articles' file says of each item: its first sharing, and its last wording."""
        if self.articles is None:
            return {}
        known: dict[str, dict[str, object]] = {}
        file, articles = self.articles
        self.tally.read["article"] = len(articles)
        for row, line in enumerate(articles.to_dict("records"), 2):
            time, content = _micros(line["timestamp"]), line["contentId"]
            if time is None or not isinstance(content, str):
                self.tally.refused.append(Refusal("", "malformed_resource", file, row))
                continue
            if line["eventType"] != "CONTENT SHARED":
                self.tally.unread["article removed"] += 1
                continue
            item = known.setdefault(content, {"published_at": time})
            item["published_at"] = min(int(str(item["published_at"])), time)
            said = {
                "title": line.get("title"),
                "author": line.get("authorPersonId"),
                "language": line.get("lang"),
                "format": FORMATS.get(str(line.get("contentType")), line.get("contentType")),
                "topics": [each for each in str(line.get("topics") or "").split("|") if each and each != "nan"] or None,
            }
            item |= {name: value for name, value in said.items() if isinstance(value, str | list)}
        return known


def _found(folder: Path, stem: str) -> Path | None:
    if folder.is_file():
        return folder if folder.name.startswith(stem) else None
    found = [folder / f"{stem}.csv{ending}" for ending in ("", ".gz", ".zip")]
    return next((path for path in found if path.is_file()), None)


def _read(folder: Path, stem: str, needed: tuple[str, ...]) -> tuple[str, pd.DataFrame]:
    import pandas as pd

    path = _found(folder, stem)
    if path is None:
        raise InputError(f"no file {stem}.csv, plain, .gz or .zip", where=str(folder))
    try:
        rows = pd.read_csv(path, dtype=str)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"cannot be read as CSV: {type(error).__name__}", where=path.name) from None
    for name in needed:
        if name not in rows.columns:
            raise InputError(f"column {name} is missing", where=path.name, given=name, known=tuple(rows.columns))
    return path.name, rows


def _micros(stamp: object) -> int | None:
    try:
        return int(float(str(stamp)) * SECOND)
    except (ValueError, OverflowError):
        return None
