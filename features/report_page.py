"""The report of an ingest as a page: counts, and plots of when rows lie, what was set aside, what is not mapped."""

from __future__ import annotations

from collections import Counter
from html import escape

from features.quality import meaning
from features.report import Report

_WIDTH, _BAR, _LABEL = 520, 16, 310
_STYLE = """
body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;color:#1c2733}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}
th,td{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #dde3ea}
th:first-child,td:first-child{text-align:left}
svg text{font:12px system-ui,sans-serif;fill:#1c2733}h2{margin-top:2rem}
"""


def page(report: Report) -> str:
    """Return the report as one HTML document without script and without outside requests.

    It holds counts, codes and names of codes, and no value of any patient.
    """
    told = report.document()
    aside = {f"{table or 'unknown'}: {reason}": n for (table, reason), n in report.quarantined.most_common(30)}
    unmapped: Counter[str] = Counter()
    for (table, system, code, display), rows in report.unmapped.items():
        unmapped[f"{table}: {system or '-'} {code or '-'} {display or ''}"] += rows
    parts = [
        f"<h1>Ingest {escape(report.name)}</h1><p>Source {escape(report.source)}; "
        f"code map {escape(report.codemap or 'none')}.</p>",
        _table(("table", "drafted", "written", "void", "set aside"), _rows(told["tables"])),
        "<h2>Set aside, by reason</h2>" + (_bars(aside) if aside else "<p>Nothing.</p>"),
        _table(
            ("reason", "rows", "meaning"),
            [
                (f"{table or 'unknown'}: {reason}", f"{rows:,}", meaning(reason))
                for (table, reason), rows in sorted(report.quarantined.items())
            ],
        ),
        "<h2>When the rows written lie</h2>",
        *(_timeline(table, years) for table, years in sorted(_by_table(report.years).items())),
        "<h2>Codes that no codelist holds, the most frequent</h2>",
        _bars(dict(unmapped.most_common(20))) if unmapped else "<p>None.</p>",
        "<h2>Read and not read</h2>",
        _table(("record", "read"), [(name, f"{n:,}") for name, n in told["records_read"].items()]),
        _table(("not read", "records"), [(name, f"{n:,}") for name, n in told["records_not_read"].items()]),
    ]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Ingest {escape(report.name)}</title>"
        f"<style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def _rows(tables: dict[str, dict[str, int]]) -> list[tuple[str, ...]]:
    keys = ("rows_drafted", "rows_written", "of_them_void", "rows_quarantined")
    return [(name, *(f"{each[key]:,}" for key in keys)) for name, each in tables.items()]


def _by_table(years: Counter[tuple[str, int]]) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = {}
    for (table, year), rows in sorted(years.items()):
        found.setdefault(table, {})[year] = rows
    return found


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(each)}</th>" for each in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _bars(values: dict[str, int]) -> str:
    """Return a bar for each value, drawn to the greatest."""
    greatest = max(values.values())
    lines = []
    for place, (name, value) in enumerate(values.items()):
        y, width = place * (_BAR + 6), max(1, round(_WIDTH * value / greatest))
        shown = name if len(name) <= 40 else name[:39] + "…"
        lines.append(
            f'<text x="{_LABEL - 8}" y="{y + 13}" text-anchor="end">{escape(shown)}</text>'
            f'<rect x="{_LABEL}" y="{y}" width="{width}" height="{_BAR}" fill="#3b6ea5"/>'
            f'<text x="{_LABEL + width + 6}" y="{y + 13}">{value:,}</text>'
        )
    height = len(values) * (_BAR + 6)
    return f'<svg role="img" width="{_LABEL + _WIDTH + 90}" height="{height}">{"".join(lines)}</svg>'


def _timeline(table: str, years: dict[int, int]) -> str:
    """Return one column a year, from the first to the last."""
    first, last = min(years), max(years)
    span, greatest, height = last - first + 1, max(years.values()), 80
    step = max(2.0, min(40.0, 760 / span))
    columns = "".join(
        f'<rect x="{(year - first) * step:.1f}" y="{height - max(1, height * rows / greatest):.1f}" '
        f'width="{step * 0.85:.1f}" height="{max(1, height * rows / greatest):.1f}" fill="#3b6ea5"/>'
        for year, rows in years.items()
    )
    return (
        f"<p>{escape(table)}: {sum(years.values()):,} rows, {first} to {last}, at most {greatest:,} a year</p>"
        f'<svg role="img" width="{span * step + 60:.0f}" height="{height + 18}">{columns}'
        f'<text x="0" y="{height + 14}">{first}</text>'
        f'<text x="{span * step:.0f}" y="{height + 14}" text-anchor="end">{last}</text></svg>'
    )
