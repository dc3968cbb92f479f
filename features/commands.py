"""Commands of a package, each of which takes the hospital's own folder.

``typer.Typer(cls=Commands, ...)``: every command, those of its groups too, gains ``--hospital``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from features.hospital import VARIABLE, Hospital


class Commands(TyperGroup):
    """A group of commands; what ``--hospital`` names holds before anything of the command is read."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        _extend(self)


def _extend(group: TyperGroup) -> None:
    for command in group.commands.values():
        if isinstance(command, TyperGroup):
            _extend(command)
        elif all(each.name != "hospital" for each in command.params):
            command.params.append(_option())


def _chosen(folder: Path | None) -> None:
    if folder is not None:
        os.environ[VARIABLE] = str(Hospital(folder).path)


def _option() -> Any:
    """Return the option as typer makes it of a signature."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def asked(
        hospital: Annotated[
            Path | None,
            typer.Option(
                help=f"The hospital's own groups, tasks, codelists and params; else {VARIABLE}.",
                is_eager=True,
                expose_value=False,
                callback=_chosen,
            ),
        ] = None,
    ) -> None: ...

    return next(each for each in typer.main.get_command(app).params if each.name == "hospital")
