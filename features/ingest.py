"""Ingest: raw files of one origin into a lake, with counts of all that was met.

``python -m features ingest fhir DIR --lake LAKE``; ``python -m features codes --unmapped``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.errors import InputError

if TYPE_CHECKING:
    from features.identity.surrogates import Surrogates
    from features.report import Report

app = typer.Typer(no_args_is_help=True, help="Raw files into a lake; what is not believed is set aside with a reason.")
Lake = Annotated[Path, typer.Option(help="Folder of the lake; made where it is missing.")]

System = Annotated[
    str,
    typer.Option(help="Identity system of the ids (his, say): surrogates stand for them, one person is one record."),
]
Zone = Annotated[
    str | None, typer.Option(help="Time zone of times without an offset: America/New_York, say; absent: params.yaml.")
]


def ingest(source: str, folder: Path, lake: Path, **options: Any) -> Report:
    """Read a folder into a lake.

    The same folder name ingested again replaces what it wrote before; other files of the lake stay.

    Parameters
    ----------
    source
        Name of a registered source.
    folder
        Its raw files.
    lake
        Folder of the lake.
    options
        Those of the source's own command: ``zone`` of omop, say. A source whose ids are those of an
        identity ``system`` gets surrogates from the identity map of the state folder.

    Raises
    ------
    InputError
        No such source, folder or identity system, a file that cannot be read to its end, no room on the disk. The
        lake stands as it was.
    """
    from features.intake import Intake
    from features.sources import Identified
    from features.sources import source as source_of
    from features.sources.draft import Tally

    folder, tally = folder.resolve(), Tally()
    label = re.sub(r"\W+", "_", folder.name.split(".")[0]).strip("_") or "files"
    opened, name = source_of(source)(folder, tally, **options), f"{source}-{label}"
    surrogates = _surrogates(opened.system, name) if isinstance(opened, Identified) and opened.system else None
    try:
        return Intake(opened, tally, name, lake, surrogates).run()
    except OSError as error:
        raise InputError(
            f"cannot write: {error.strerror}", where=str(lake), remedy="make room or choose another folder"
        ) from error


@app.command()
def fhir(
    folder: Annotated[Path, typer.Argument(help="FHIR R4: Bulk NDJSON or Bundles, plain or .gz.")],
    lake: Lake,
    system: System = "",
) -> None:
    """FHIR R4 resources."""
    _told("fhir", folder, lake, system=system)


@app.command()
def omop(
    folder: Annotated[Path, typer.Argument(help="OMOP CDM 5.3 or 5.4: CSV or Parquet tables, in any letter case.")],
    lake: Lake,
    zone: Zone = None,
) -> None:
    """OMOP CDM tables, with or without the vocabulary."""
    _told("omop", folder, lake, zone=zone)


@app.command()
def meds(
    folder: Annotated[Path, typer.Argument(help="MEDS 0.3 or 0.4: data/**/*.parquet.")], lake: Lake, zone: Zone = None
) -> None:
    """A MEDS dataset."""
    _told("meds", folder, lake, zone=zone)


@app.command()
def tabular(
    folder: Annotated[Path, typer.Argument(help="CSV, Parquet or Excel files, and mapping.yaml among them.")],
    lake: Lake,
    mapping: Annotated[Path | None, typer.Option(help="The mapping, where it is not in the folder.")] = None,
    system: System = "",
) -> None:
    """Any tables of HIS, EMR or LIS, read by a mapping."""
    _told("tabular", folder, lake, mapping=mapping, system=system)


@app.command()
def nhanes(
    lake: Lake,
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of the table; absent: the one that comes along.")
    ] = None,
) -> None:
    """NHANES 2017-2018: 8,366 people examined once."""
    from features.sources.nhanes import FOLDER

    _told("nhanes", folder or FOLDER, lake)


@app.command()
def cdnow(
    folder: Annotated[Path, typer.Argument(help="CDNOW_master.txt or CDNOW_sample.txt, plain or .gz.")], lake: Lake
) -> None:
    """CDNOW: purchases as visits with a fee."""
    _told("cdnow", folder, lake)


@app.command()
def deskdrop(
    folder: Annotated[Path, typer.Argument(help="users_interactions.csv, perhaps shared_articles.csv; plain or .gz.")],
    lake: Lake,
) -> None:
    """Deskdrop: who read which article of a portal."""
    _told("deskdrop", folder, lake)


@app.command()
def own(
    name: Annotated[str, typer.Argument(help="Name of a source of the hospital's folder (--hospital).")],
    folder: Annotated[Path, typer.Argument(help="Its raw files.")],
    lake: Lake,
) -> None:
    """A source that the hospital has written itself."""
    _told(name, folder, lake)


def codes(
    lake: Annotated[Path, typer.Option(help="Folder of the lake.")],
    out: Annotated[Path, typer.Option(help="CSV to fill in and pass back as the lake's codemap.csv.")],
    unmapped: Annotated[bool, typer.Option("--unmapped", help="Codes that no codelist holds.")] = False,
) -> None:
    """Write the codes that no codelist holds, most frequent first, with the three nearest by name."""
    from features.unmapped import write_unmapped

    if not unmapped:
        raise InputError("nothing was asked for", where="codes", remedy="add --unmapped")
    count, rows = write_unmapped(lake, out)
    typer.echo(f"{count:,} codes on {rows:,} rows are in no codelist: {out}")


def _surrogates(system: str, name: str) -> Surrogates:
    """Open the identity map of the state folder, made where there is none."""
    from features.identity.commands import DEFAULT, NAME, known_system
    from features.identity.keyfile import IdentityKeyFile
    from features.identity.surrogates import Surrogates
    from features.identity.vault import Vault

    known_system(system, f"ingest {name}")
    home = Path(os.environ.get("CAREPATH_HOME", DEFAULT))
    vault = Vault(home / NAME, IdentityKeyFile(create=not (home / NAME).exists()))
    return Surrogates(vault, system, home / f"to_review-{name}.csv")


def _told(source: str, folder: Path, lake: Path, **options: Any) -> None:
    report = ingest(source, folder, lake, **options)
    typer.echo("\n".join(report.lines()))
    typer.echo(f"\nlake: {lake}\nset aside and counts: {lake / '_quarantine' / report.name}")
