"""Fail when a test was skipped that skips.txt does not list with its reason.

Reads what ``pytest -rs`` printed. A line of skips.txt is ``text of the skip :: why it may be skipped``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

SKIPPED = re.compile(r"^SKIPPED \[\d+\] (?P<what>.+)$")


def unlisted(report: str, allowed: list[str]) -> list[str]:
    """Return the skips in a report that no allowed text occurs in."""
    skips = [match["what"] for line in report.splitlines() if (match := SKIPPED.match(line.strip()))]
    return [skip for skip in skips if not any(text in skip for text in allowed)]


def main() -> None:
    listed = (Path(__file__).parent / "skips.txt").read_text(encoding="utf-8").splitlines()
    allowed = [line.split(" :: ")[0].strip() for line in listed if line.strip() and not line.startswith("#")]
    found = unlisted(Path(sys.argv[1]).read_text(encoding="utf-8", errors="replace"), allowed)
    if found:
        sys.exit("skipped without leave:\n" + "\n".join(found))


if __name__ == "__main__":
    main()
