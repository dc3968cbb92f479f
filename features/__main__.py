"""python -m features: ingest, build, describe, codes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from features import ingest
from features.commands import Commands

if TYPE_CHECKING:
    import pandas as pd

    from features.lake import Lake

app = typer.Typer(cls=Commands, add_completion=False, no_args_is_help=True, help="Events in, patient vectors out.")
app.add_typer(ingest.app, name="ingest")
app.command()(ingest.codes)
Groups = Annotated[
    list[str] | None, typer.Option(help="File of one's own groups, in place of the catalogue; may be repeated.")
]


@app.command()
def build(
    lake: Annotated[Path, typer.Option(help="Folder of the lake.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    at: Annotated[str, typer.Option(help="One landmark for every patient: 2025-06-30, or a time with offset.")] = "",
    landmarks: Annotated[
        Path | None, typer.Option(help="Parquet or CSV with patient_id, at: one row out per row in.")
    ] = None,
    groups: Groups = None,
) -> None:
    """Build the vectors of a lake."""
    from features.build import build as vectors
    from features.build import write
    from features.lake import Lake
    from features.own import declared
    from features.plan import compile_plan

    chosen = declared(tuple(groups or ("catalogue",)))
    opened = Lake(lake)
    frame = vectors(opened, _landmarks(opened, at, landmarks), chosen)
    plan = compile_plan(chosen)
    write(frame, plan, out)
    empty = [name for name in plan.spec.names if frame[name].isna().all()]
    typer.echo(f"{len(frame):,} landmarks x {len(plan.spec.names)} features: {out}")
    if empty:
        typer.echo(f"null for every landmark ({len(empty)}): {', '.join(empty)}")


@app.command()
def describe(
    name: Annotated[str, typer.Argument(help="A feature or a group; absent: all.")] = "", groups: Groups = None
) -> None:
    """Say what features mean: name, meaning, unit, window, source, purpose."""
    from features.describe import described
    from features.own import declared

    for line in described(declared(tuple(groups or ("catalogue",))), name):
        typer.echo(line)


def _landmarks(lake: Lake, at: str, file: Path | None) -> pd.DataFrame:
    import pandas as pd

    from features.errors import InputError
    from features.instants import parse

    if bool(at) == (file is not None):
        raise InputError("give either --at or --landmarks", where="build")
    if file is None:
        return pd.DataFrame({"patient_id": lake.patients(), "at": pd.Timestamp(parse(at), unit="us", tz="UTC")})
    try:
        read = pd.read_csv(file, dtype={"patient_id": str}) if file.suffix == ".csv" else pd.read_parquet(file)
    except (OSError, ValueError):
        raise InputError("cannot be read", where=f"--landmarks {file.name}", remedy="Parquet, or .csv") from None
    if "at" in read and pd.api.types.is_string_dtype(read["at"]):
        read["at"] = pd.to_datetime([parse(text) for text in read["at"]], unit="us", utc=True)
    return read


def main() -> None:
    """Run a command; a mistake in what was given is one line, not a traceback."""
    from features.errors import InputError

    try:
        app()
    except InputError as error:
        typer.echo(str(error), err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
