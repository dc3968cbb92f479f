"""CDNOW: purchases of 23,570 customers, as visits with a fee, for churn from behaviour alone.

``customer_id date number_of_cds dollar_value`` in columns apart by blanks; the date is a day without
an hour, so the end of that day in ``general.timezone`` of params.yaml. Each purchase is a finished
visit of the kind ``outpatient``, which every churn task takes for a qualifying contact; its fee is
in dollars, and the number of discs is left out. The 1/10 sample, whose first column is the
customer's number in the whole, is read where the whole is absent.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from features.errors import InputError
from features.params import general
from features.progress import track
from features.sources.dates import written
from features.sources.draft import Draft, Refusal, Tally

WHOLE, SAMPLE = "CDNOW_master.txt", "CDNOW_sample.txt"


class Cdnow:
    """The purchases as encounters, the customers as patients of whom nothing else is known.

    Parameters
    ----------
    folder
        Holds the file, plain or gzipped; or the file itself.
    tally
        Gathers what was read and what was refused.

    Raises
    ------
    InputError
        There is no such file.
    """

    name: ClassVar[str] = "cdnow"
    tables: tuple[str, ...] = ("encounters",)

    def __init__(self, folder: Path, tally: Tally) -> None:
        self.tally = tally
        names = [f"{name}{ending}" for name in (WHOLE, SAMPLE) for ending in ("", ".gz")]
        found = [folder] if folder.is_file() else [folder / name for name in names if (folder / name).is_file()]
        if not found:
            raise InputError("no file of purchases", where=str(folder), remedy=f"expected {' or '.join(names)}")
        self.path = found[0]
        self.customers: dict[str, int] = {}

    @property
    def births(self) -> dict[str, int | None]:
        """Every customer; nobody's birth is known."""
        return dict.fromkeys(self.customers)

    def events(self) -> Iterator[Draft]:
        """Yield one visit a purchase."""
        lines = self._lines()
        zone = general().zone
        for row, line in enumerate(track(lines, "reading CDNOW", total=len(lines)), 1):
            cells = line.split()
            if not cells or (row == 1 and not cells[0].isdigit()):
                continue
            try:
                customer, day, fee = cells[0], cells[-3], float(cells[-1])
                when = written(day, zone)
            except (IndexError, ValueError):
                self.tally.refused.append(Refusal("encounters", "malformed_resource", self.path.name, row))
                continue
            self.customers.setdefault(customer, row)
            self.tally.read["purchase"] += 1
            at = when.last if when else None
            values: dict[str, Any] = {
                "patient_id": customer,
                "event_id": f"purchase/{row}",
                "time": at,
                "known_at": at,
                "end": at,
            }
            values |= {"kind": "outpatient", "status": "finished", "fee": fee}
            yield Draft("encounters", values, self.path.name, row)

    def persons(self, first_contact: Mapping[str, int]) -> Iterator[Draft]:
        """Yield one patient a customer, registered with the first purchase."""
        for customer, row in self.customers.items():
            at = first_contact.get(customer)
            values = {"patient_id": customer, "event_id": f"customer/{customer}", "registered_at": at}
            yield Draft("patients", {**values, "time": at, "known_at": at}, self.path.name, row)

    def _lines(self) -> list[str]:
        try:
            raw = self.path.read_bytes()
            return (gzip.decompress(raw) if self.path.suffix == ".gz" else raw).decode("ascii").splitlines()
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise InputError(
                "the file cannot be read to its end", where=self.path.name, remedy="copy it again; nothing was written"
            ) from error
