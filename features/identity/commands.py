"""python -m features identities: match who is who, and write a lake with surrogates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from features.errors import InputError

if TYPE_CHECKING:
    from features.identity.person import Person

app = typer.Typer(no_args_is_help=True, help="One person, one record: the encrypted map of a hospital's own ids.")
NAME = "identities.db"
COLUMNS: dict[str, tuple[str, ...]] = {
    "system": ("system", "系统"),
    "value": ("value", "id", "patient_id", "病历号", "患者编号", "患者ID", "用户ID"),
    "name": ("name", "姓名", "患者姓名"),
    "identity_number": ("identity_number", "id_number", "身份证号", "身份证", "证件号", "证件号码"),
    "phone": ("phone", "手机号", "手机", "电话", "联系电话"),
}
Home = Annotated[Path, typer.Option(help="State folder: the map lies in it.", envvar="CAREPATH_HOME")]
Key = Annotated[Path | None, typer.Option(help="Key file; else identities.key in CAREPATH_KEYS.")]
DEFAULT = Path("var")


@app.command(name="match")
def match_files(
    files: Annotated[
        list[Path], typer.Argument(help="CSV, Parquet or Excel: system, value, name, identity_number, phone.")
    ],
    review: Annotated[Path, typer.Option(help="CSV of what a person must look at; for its owner alone.")],
    system: Annotated[str, typer.Option(help="The system of every row, where no column says it.")] = "",
    home: Home = DEFAULT,
    key: Key = None,
) -> None:
    """Match persons across systems and keep who is who; what nearly agrees goes to the review list."""
    from features.identity.keyfile import IdentityKeyFile
    from features.identity.surrogates import write_review
    from features.identity.vault import Vault

    persons = [person for file in files for person in _persons(file, system)]
    vault = Vault(home / NAME, IdentityKeyFile(key, create=not (home / NAME).exists()))
    learnt = vault.learn(persons)
    vault.close()
    write_review(review, learnt.matched.near)
    typer.echo(f"{learnt.entries:,} entries are {learnt.people:,} people: {learnt.new:,} new, {learnt.merged:,} merged")
    typer.echo(f"to review: {len(learnt.matched.near):,} ({review})")


@app.command()
def replace(
    lake: Annotated[Path, typer.Option(help="Lake whose patients are one system's ids.")],
    system: Annotated[str, typer.Option(help="That system.")],
    out: Annotated[Path, typer.Option(help="The lake to write, with surrogates; remove the first afterwards.")],
    home: Home = DEFAULT,
    key: Key = None,
) -> None:
    """Write a lake anew with surrogates in place of a system's ids."""
    from features.identity.keyfile import IdentityKeyFile
    from features.identity.replace import replace as replaced
    from features.identity.vault import Vault
    from features.lake import Lake

    known_system(system, "--system")
    vault = Vault(home / NAME, IdentityKeyFile(key, create=not (home / NAME).exists()))
    ids, people = replaced(Lake(lake), out, vault, system)
    vault.close()
    typer.echo(f"{ids:,} ids are {people:,} people: {out}")


@app.command()
def readmit(
    value: Annotated[str, typer.Argument(help="The id, as that system has it.")],
    system: Annotated[str, typer.Option(help="That system.")],
    home: Home = DEFAULT,
    key: Key = None,
) -> None:
    """Let a person who was erased, and asks for it, be a patient again: the next ingest gives a fresh surrogate."""
    from features.identity.keyfile import IdentityKeyFile
    from features.identity.vault import Vault

    known_system(system, "--system")
    vault = Vault(home / NAME, IdentityKeyFile(key))
    known = vault.readmit(system, value)
    vault.close()
    typer.echo("may be ingested again" if known else "that id was not erased")


def _persons(file: Path, system: str) -> Iterator[Person]:
    from features.identity.person import Person
    from features.sources.sheet import Sheet

    sheet = Sheet(file, f"identities {file.name}")
    found = {
        name: next((each for each in sheet.columns if each and each.strip() in known), None)
        for name, known in COLUMNS.items()
    }
    if found["value"] is None or (found["system"] is None and not system):
        lacking = "value" if found["value"] is None else "system"
        known = COLUMNS[lacking]
        raise InputError(f"has no column '{lacking}'", where=f"identities {file.name}", known=known)
    for row, cells in sheet.rows([found[name] for name in COLUMNS]):
        own, value, name, number, phone = (None if cell is None else str(cell) for cell in cells)
        if value is None:
            raise InputError("says no id", where=f"identities {file.name} row {row}")
        chosen = own or system
        known_system(chosen, f"identities {file.name} row {row}")
        yield Person.of(chosen, value, name, number, phone)


def known_system(system: str, where: str) -> None:
    """Refuse a system that params.yaml does not list."""
    from features.params import general

    if system not in general().identity_systems:
        raise InputError("no such identity system", where=where, given=system, known=general().identity_systems)
