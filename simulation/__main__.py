"""``python -m simulation OUT``: write a sample hospital."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder for lake/ and truth/.")],
    patients: Annotated[int, typer.Option(help="Number of patients.")] = 20_000,
    years: Annotated[float, typer.Option(help="Years of records.")] = 3,
    seed: Annotated[int, typer.Option(help="The same seed gives the same hospital.")] = 7,
    end: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day; default: yesterday.")] = None,
) -> None:
    """Write a sample hospital with known truth: OUT/lake for the house, OUT/truth for its judges."""
    from features.errors import InputError
    from simulation.write import hospital

    try:
        lake = hospital(out, patients, years, seed, end.date() if end else None)
    except InputError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    typer.echo(f"{lake}: {patients} patients, {years:g} years")


if __name__ == "__main__":
    typer.run(simulate)
