"""Sources: one class per origin, which turns raw files into drafts of canonical rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import pyarrow as pa

from features.errors import InputError
from features.hospital import hospital
from features.identity.person import Person
from features.sources.cdnow import Cdnow
from features.sources.deskdrop import Deskdrop
from features.sources.draft import Draft, Period, Tally
from features.sources.fhir import Fhir
from features.sources.meds import Meds
from features.sources.nhanes import Nhanes
from features.sources.omop import Omop
from features.sources.tabular import Tabular


class Source(Protocol):
    """One reading of one folder: events first, then the persons."""

    @property
    def name(self) -> str: ...

    @property
    def births(self) -> Mapping[str, int | None]:
        """Birth date (the end of its day) of every person, once the events have been read."""
        ...

    @property
    def tables(self) -> tuple[str, ...]:
        """Event tables that the files watched, once the events have been read."""
        ...

    def events(self) -> Iterator[Draft]:
        """Yield the rows of all event tables but patients and family_history."""
        ...

    def persons(self, first_contact: Mapping[str, int]) -> Iterator[Draft]:
        """Yield patients and family_history, given when the hospital first knew anything of a patient."""
        ...


@runtime_checkable
class Catalogued(Protocol):
    """A source that also brings contents."""

    def contents(self) -> pa.Table:
        """Return the canonical table ``contents``."""
        ...


@runtime_checkable
class Identified(Protocol):
    """A source whose ids are those of an identity system, and that may say more of the persons."""

    @property
    def system(self) -> str:
        """Identity system of the ids; empty where they stay as they are."""
        ...

    def identities(self) -> Iterator[Person]:
        """Yield what is said of every person, once the events have been read."""
        ...


@runtime_checkable
class Watching(Protocol):
    """A source that says itself from when to when each patient was watched."""

    def periods(self) -> Iterator[Period] | None:
        """Yield the periods; None where this folder does not say."""
        ...


class Opens(Protocol):
    """Opens a folder as a Source; ``options`` are those of the source's own command."""

    name: ClassVar[str]

    def __call__(self, folder: Path, tally: Tally, **options: Any) -> Source: ...


SOURCES: tuple[Any, ...] = (Fhir, Omop, Meds, Tabular, Nhanes, Cdnow, Deskdrop)


def source(name: str) -> Opens:
    """Return the source of that name, the hospital's own among them, or raise InputError naming the nearest.

    A hospital's source is a class in its ``sources.py`` with a ``name`` and the methods of Source.
    """
    known: dict[str, Opens] = {each.name: each for each in SOURCES}
    if (folder := hospital()) is not None:
        classes = folder.declared("sources", type)
        known |= {each.name: each for each in classes if hasattr(each, "events") and hasattr(each, "name")}
    if name not in known:
        raise InputError(f"no source '{name}'", where="features.sources", given=name, known=tuple(known))
    return known[name]
