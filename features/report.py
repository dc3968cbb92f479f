"""What an ingest did, in counts: read, written, set aside by reason, not mapped, not read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from features.coding import Unmapped
from features.quality import meaning


@dataclass
class Report:
    """Counts of one ingest; the same input gives the same report.

    ``drafted`` and ``written`` count rows by table (a visit that was booked, began and ended is three
    versions of one event, so three rows), ``voided`` those that retract an event; ``quarantined``
    counts rows and unreadable records by (table, reason); ``years`` the rows written by (table, year of
    their time in UTC); ``codemap`` is the SHA-256 of the lake's code map.
    """

    source: str
    name: str
    read: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    codemap: str | None = None
    drafted: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    voided: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[tuple[str, str]] = field(default_factory=Counter)
    unmapped: Unmapped = field(default_factory=Counter)
    years: Counter[tuple[str, int]] = field(default_factory=Counter)
    identities: str = ""
    """What the matching of persons came to, in one line; empty where ids stay as they are."""

    def document(self) -> dict[str, Any]:
        """Return the report as JSON: report.json."""
        reasons: dict[str, dict[str, int]] = {}
        for (table, reason), count in sorted(self.quarantined.items()):
            reasons.setdefault(table or "unknown", {})[reason] = count
        return {
            "source": self.source,
            "name": self.name,
            "codemap": self.codemap,
            "records_read": dict(sorted(self.read.items())),
            "records_not_read": dict(sorted(self.unread.items())),
            "tables": {
                table: {
                    "rows_drafted": self.drafted[table],
                    "rows_written": self.written[table],
                    "of_them_void": self.voided[table],
                    "rows_quarantined": sum(n for (at, _), n in self.quarantined.items() if at == table),
                }
                for table in sorted(self.drafted)
            },
            "quarantined": reasons,
            "unmapped": {
                table: {"codes": len({key[1:3] for key in keys}), "rows": sum(self.unmapped[key] for key in keys)}
                for table in sorted({key[0] for key in self.unmapped})
                if (keys := [key for key in self.unmapped if key[0] == table])
            },
        }

    def lines(self) -> list[str]:
        """Return the report as plain lines of a page."""
        told = self.document()
        lines = [f"{'record':<34}{'read':>10}"]
        lines += [f"{name:<34}{count:>10,}" for name, count in told["records_read"].items()]
        if told["records_not_read"]:
            lines += ["", f"{'not read (no canonical table)':<44}{'records':>10}"]
            lines += [f"{name:<44}{count:>10,}" for name, count in told["records_not_read"].items()]
        lines += [
            "",
            f"{'table':<18}{'rows':>10}{'written':>10}{'void':>8}{'quarantined':>13}{'unmapped codes':>16}{'rows':>10}",
        ]
        for table, each in told["tables"].items():
            codes = told["unmapped"].get(table, {"codes": 0, "rows": 0})
            lines.append(
                f"{table:<18}{each['rows_drafted']:>10,}{each['rows_written']:>10,}{each['of_them_void']:>8,}"
                f"{each['rows_quarantined']:>13,}{codes['codes']:>16,}{codes['rows']:>10,}"
            )
        if told["quarantined"]:
            lines += ["", f"{'quarantined':<18}{'reason':<28}{'rows':>8}  meaning"]
            for table, reasons in told["quarantined"].items():
                lines += [f"{table:<18}{reason:<28}{count:>8,}  {meaning(reason)}" for reason, count in reasons.items()]
        if self.identities:
            lines += ["", self.identities]
        return lines
