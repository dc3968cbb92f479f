"""python -m features: ingest, build, refresh, describe, codes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from features import ingest
from features.commands import Commands
from features.engine import Engine
from features.identity import commands as identities
from features.tagging import commands as tagging

if TYPE_CHECKING:
    from features.asking import Asking

app = typer.Typer(cls=Commands, add_completion=False, no_args_is_help=True, help="Events in, patient vectors out.")
app.add_typer(ingest.app, name="ingest")
app.command()(ingest.codes)
app.add_typer(identities.app, name="identities")
app.command()(tagging.profile)
app.command()(tagging.tags)
Groups = Annotated[
    list[str] | None,
    typer.Option(help="File of one's own groups, in place of the catalogue; may be repeated; 'catalogue' adds it."),
]
LakeFolder = Annotated[Path, typer.Option(help="Folder of the lake.")]
At = Annotated[str, typer.Option(help="One landmark for every patient: 2025-06-30, or a time with offset.")]
Landmarks = Annotated[
    Path | None, typer.Option(help="Parquet or CSV with patient_id, at: one row out per row in, in its order.")
]


@app.command()
def build(
    lake: LakeFolder,
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    at: At = "",
    landmarks: Landmarks = None,
    groups: Groups = None,
    engine: Annotated[Engine, typer.Option(help="local, or the same kernel under Spark.")] = Engine.local,
) -> None:
    """Build the vectors of a lake; a build that was interrupted goes on where it was."""
    from features.asking import Asking

    asking = Asking.of(lake, tuple(groups or ("catalogue",)), at, landmarks)
    _said(asking, asking.build(out, spark=engine is Engine.spark), out)


@app.command()
def refresh(
    lake: LakeFolder,
    out: Annotated[Path, typer.Option(help="Vectors as they were; written anew.")],
    at: At = "",
    landmarks: Landmarks = None,
    groups: Groups = None,
) -> None:
    """Compute anew what changed in the lake since; the landmarks and groups are the file's, unless others are given."""
    from features.asking import Asking

    asking = Asking.again(lake, out, tuple(groups or ()), at, landmarks)
    done = asking.refresh(out)
    typer.echo(f"computed {done.computed:,} landmarks, copied {done.copied:,}")
    _said(asking, done.empty, out)


@app.command()
def describe(
    name: Annotated[str, typer.Argument(help="A feature or a group; absent: all.")] = "",
    groups: Groups = None,
    profile: Annotated[
        Path | None, typer.Option(help="Vectors of a build: missing share and quantiles of each feature.")
    ] = None,
    diff: Annotated[
        tuple[Path, Path] | None,
        typer.Option(help="Two VectorSpecs (vectors of a build, or a vector_spec.json): what differs."),
    ] = None,
    markdown: Annotated[bool, typer.Option(help="The catalogue as docs/catalogue.md has it.")] = False,
) -> None:
    """Say what features mean: name, meaning, unit, window, source, purpose."""
    from features.describe import described, differing, page, profiled
    from features.own import declared
    from features.vector import spec_of

    chosen = () if diff else declared(tuple(groups or ("catalogue",)))
    if diff is not None:
        lines = differing(spec_of(diff[0]), spec_of(diff[1]))
    elif profile is not None:
        lines = profiled(profile, chosen, name)
    else:
        lines = page(chosen) if markdown else described(chosen, name)
    for line in lines:
        typer.echo(line)


def _said(asking: Asking, empty: list[str], out: Path) -> None:
    """Say what was built, and which features are empty, and why where the codes tell."""
    from features.absent import absent

    typer.echo(f"{len(asking.at):,} landmarks x {len(asking.plan.spec.names)} features: {out}")
    codeless = absent(asking.lake, asking.plan)
    for code, names in codeless.items():
        typer.echo(f"no code of {code} occurs, so empty: {', '.join(names)}")
    named = {name for names in codeless.values() for name in names}
    if left := [name for name in empty if name not in named]:
        typer.echo(f"null for every landmark ({len(left)}): {', '.join(left)}")
    if codeless:
        typer.echo("local codes? python -m features codes --unmapped --out to_map.csv lists what is not mapped")


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
