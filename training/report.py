"""One self-contained page a run: zh and en headings, plots inside, nothing asked of the network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.gates import Gate, parts_of

SECTIONS = ("fairness", "shuffled", "tested", "stability", "intervals", "ranking")
"""Sections of an assessment that the page shows where a kind of task has them."""
TEMPLATE = Path(__file__).with_name("report.html.j2")


def report(
    card: Mapping[str, Any],
    trust: Mapping[str, Any],
    gates: Sequence[Gate],
    figures: Mapping[str, float],
    version: str,
    plots: Mapping[str, str],
) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    card
        The card of the version.
    trust
        Sections of the assessment; empty for a kind of task that has none.
    gates
        As ``propose`` will apply them.
    figures
        ``test_auroc`` and so on; those of groups stand in the table of groups.
    plots
        As ``training.plots`` draws them.
    """
    from jinja2 import Environment, StrictUndefined

    from training.plots import SMALL

    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(TEMPLATE.read_text(encoding="utf-8"))
    rows = [
        (name.removeprefix("test_"), value, figures.get(f"{name}_lo"), figures.get(f"{name}_hi"))
        for name, value in figures.items()
        if not name.endswith(("_lo", "_hi")) and not _of_group(name, trust)
    ]
    return page.render(
        card=card,
        trust={**dict.fromkeys(SECTIONS), **trust},
        gates=gates,
        figures=rows,
        plots=list(plots.values()),
        version=version,
        shown=_shown,
        counts=("events",),
        small=SMALL,
        parts_of=parts_of,
    )


def _shown(figure: Mapping[str, float], digits: int = 2) -> str:
    """Return a figure with its interval; a dash where it cannot be reckoned."""
    if math.isnan(figure["value"]):
        return "–"
    value, lo, hi = (f"{figure[name]:.{digits}f}" for name in ("value", "lo", "hi"))
    return f"{value} [{lo}, {hi}]"


def _of_group(name: str, trust: Mapping[str, Any]) -> bool:
    axes = {each["axis"].replace(" ", "_") for each in trust.get("fairness", ())}
    return any(name.startswith(f"test_auroc_{axis}_") for axis in axes)
