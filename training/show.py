"""A run and a proposal as tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from training.evaluate import Figure
    from training.outcomes import Added
    from training.proposal import Proposal
    from training.public.judged import Judged
    from training.run import Trained


_GROUPS = tuple(f"test_auroc_{axis}_" for axis in ("age", "sex", "region", "insurance", "department"))
"""Figures of groups stand in the report."""


def show_attrition(rows: list[dict[str, Any]]) -> None:
    """Print who was left out, at which step, and which rule let the others in."""
    table = Table(
        "step", "rows out", "patients out", "rows left", "patients left", title="Attrition", title_justify="left"
    )
    for row in rows:
        rules = row.get("let_in_by") or {}
        step = row["step"] + (f" ({', '.join(f'{name} {count:,}' for name, count in rules.items())})" if rules else "")
        step += f" ({row['weightless']:,} rows)" if row.get("weightless") else ""
        counts = (row["rows_out"], row["patients_out"], row["rows_left"], row["patients_left"])
        table.add_row(step, *(f"{count:,}" for count in counts))
    Console().print(table)


def show_figures(figures: Mapping[str, float], title: str) -> None:
    """Print figures with their 95 % intervals."""
    table = Table("figure", "value", "95 % interval", title=title, title_justify="left")
    for name, value in figures.items():
        if name.endswith(("_lo", "_hi")) or name.startswith(_GROUPS):
            continue
        interval = f"{figures[f'{name}_lo']:.3f} to {figures[f'{name}_hi']:.3f}" if f"{name}_lo" in figures else ""
        table.add_row(name, f"{value:.3f}", interval)
    Console().print(table)


def show(trained: Trained) -> None:
    """Print what came of a run."""
    if trained.attrition:
        show_attrition(trained.attrition)
    show_figures(trained.figures, f"{trained.task} version {trained.version}")
    for line in trained.notes:
        Console().print(line, highlight=False)


def show_judged(judged: Judged) -> None:
    """Print what came of a public set."""
    title = f"{judged.name}: {judged.question}; {judged.rows:,} rows, {judged.events:,} events; {judged.design}"
    table = Table("figure", "value", "95 % interval", title=title, title_justify="left")
    for name, figure in judged.figures.items():
        table.add_row(name, f"{figure.value:.3f}", f"{figure.lo:.3f} to {figure.hi:.3f}")
    Console().print(table)
    for line in (judged.winner, f"published: {judged.published}", judged.note):
        if line:
            Console().print(line, highlight=False)


def show_proposal(made: Proposal, file: Path) -> None:
    """Print a proposal's gates and where it was written."""
    table = Table("gate", "verdict", "why", title=f"{made.task} version {made.version}", title_justify="left")
    for gate in made.gates:
        table.add_row(gate.name, gate.verdict, gate.text)
    Console().print(table)
    Console().print(f"wrote {file}", highlight=False)


def show_outcomes(added: Added) -> None:
    """Print the figures of scores by task and month, and how many scores have no patient in the lake."""
    table = Table("task", "month", "scores", "closed", "events", "AUROC", "slope", "O:E", title_justify="left")
    for each in added.months:
        shown = (_interval(each.figures.get(name)) for name in ("auroc", "slope", "oe"))
        table.add_row(each.task, each.month, f"{each.scores:,}", f"{each.closed:,}", f"{each.events:,}", *shown)
    Console(width=None if Console().is_terminal else 140).print(table)
    if added.unknown:
        told = f"{added.unknown:,} scores are of patients whom the lake does not know: no label and no weight"
        Console().print(told, highlight=False)


def show_backtest(metrics: Mapping[str, Any]) -> None:
    """Print what was learnt and found at every date, and over all, and what the model gains over what is simpler."""
    table = Table("date", "learnt from", "events", "model", "scored", "closed", "AUROC", "slope", "O:E")
    for each in (*metrics["by_date"], {"at": "all", **metrics["overall"]}):
        told = [f"{each[name]:,}" if name in each else "" for name in ("trained_rows", "trained_events")]
        kind = each.get("note") or each.get("kind", "")
        counts = [f"{each[name]:,}" if name in each else "" for name in ("scored", "closed")]
        shown = (each["figures"].get(name) for name in ("auroc", "slope", "oe"))
        table.add_row(each["at"][:10], *told, kind, *counts, *("-" if not f else _ends(f) for f in shown))
    console = Console(width=None if Console().is_terminal else 150)
    console.print(table)
    found, named = metrics["overall"]["figures"], "auroc_"
    names = [name.removeprefix(named) for name in found if name.startswith(named)]
    if names:
        beside = Table("beside it, on the same rows", "AUROC", "the model's gain, paired", title_justify="left")
        for name in names:
            gain = found.get(f"gain_{name}")
            beside.add_row(name, _ends(found[named + name]), _ends(gain) if gain else "chosen as the model")
        console.print(beside)


def _ends(ends: list[float | None]) -> str:
    value, lo, hi = (float("nan") if end is None else end for end in ends)
    return f"{value:.3f} [{lo:.3f}, {hi:.3f}]"


def _interval(figure: Figure | None) -> str:
    return f"{figure.value:.3f} [{figure.lo:.3f}, {figure.hi:.3f}]" if figure else "-"
