"""python -m features profile and tags: what groups of patients are like, and the rules that say so."""

from __future__ import annotations

import csv
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class By(StrEnum):
    """What makes the groups."""

    region = "region"
    age_band = "age_band"
    sex = "sex"
    insurance = "insurance"


def profile(
    lake: Annotated[Path, typer.Option(help="Folder of the lake.")],
    at: Annotated[str, typer.Option(help="As of when: 2025-06-30, or a time with offset.")],
    out: Annotated[Path, typer.Option(help="CSV to write.")],
    by: Annotated[By, typer.Option(help="What makes the groups.")] = By.region,
    purpose: Annotated[str, typer.Option(help="Count only tags whose features may be used for it.")] = "",
) -> None:
    """Count tags and tiers by group; cells of fewer than ten patients, and what would reveal them, stay empty."""
    from features.errors import InputError
    from features.instants import parse
    from features.lake import Lake
    from features.params import general
    from features.tagging.crowd import Cell, crowd

    if purpose and purpose not in general().purposes:
        raise InputError("no such purpose", where="--purpose", given=purpose, known=general().purposes)
    cells = crowd(Lake(lake), parse(at), by.value, purpose or None)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Cell.__dataclass_fields__)
        for cell in cells:
            share = "" if cell.share is None else f"{cell.share:.4f}"
            writer.writerow((cell.group, cell.patients, cell.code, cell.zh, cell.en, cell.value, cell.n, share))
    hidden = sum(cell.n is None for cell in cells)
    typer.echo(f"{len(cells):,} cells, {hidden:,} of them kept back: {out}")


def tags() -> None:
    """Print every tag and tier with its rule, thresholds filled in from params.yaml."""
    from features.tagging.table import lines

    for line in lines():
        typer.echo(line)
