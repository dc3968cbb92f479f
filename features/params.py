"""params.yaml: values, read once, each section owned by one frozen model.

Structure is Python, values are YAML: a section is a pydantic model with ``extra="forbid"`` that
lives beside the code that reads it.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from features.errors import InputError
from features.hospital import hospital

SECTIONS = (
    "general",
    "features",
    "split",
    "models",
    "evaluation",
    "diseases",
    "churn_interval",
    "affinity",
    "serving",
    "tags",
)
Section = TypeVar("Section", bound="Values")


class Values(BaseModel):
    """Base of every section: frozen, and unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class General(Values):
    """Closed lists and the zone that a bare date is read in."""

    timezone: str
    purposes: tuple[str, ...]
    channels: tuple[str, ...]
    identity_systems: tuple[str, ...]

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        ZoneInfo(name)
        return name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


def path() -> Path:
    """Where the values stand: CAREPATH_PARAMS, else params.yaml beside the packages."""
    return Path(os.environ.get("CAREPATH_PARAMS") or Path(__file__).resolve().parents[1] / "params.yaml")


def _files() -> tuple[Path, ...]:
    """Return what is read: the project's values, and a hospital's own laid over them."""
    found = hospital()
    return (path(), found.params) if found and found.params else (path(),)


@functools.cache
def _raw(files: tuple[Path, ...]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for file in files:
        try:
            read = _yaml(file.read_text(encoding="utf-8"), file.name) or {}
        except UnicodeDecodeError:
            raise InputError("is not UTF-8 text", where=file.name, remedy="save it as UTF-8") from None
        if not isinstance(read, dict):
            raise InputError("holds no sections", where=file.name, remedy="write section: and its values below it")
        read = {name: {} if entry is None else entry for name, entry in read.items()}
        diseases = {name: entry for name, entry in read.items() if isinstance(entry, dict) and "codelist" in entry}
        if diseases:  # an entry that names a codelist is a disease, also where it stands alone
            read = {name: entry for name, entry in read.items() if name not in diseases}
            read["diseases"] = {**read.get("diseases", {}), **diseases}
        for name in read:
            if name not in SECTIONS:
                raise InputError(f"no section '{name}'", where=str(file.name), given=name, known=SECTIONS)
        whole = _over(whole, read)
    return whole


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Lay values over others: mappings are joined, everything else is replaced."""
    joined = dict(below)
    for key, value in above.items():
        under = joined.get(key)
        joined[key] = _over(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return joined


def section(name: str, model: type[Section], overrides: tuple[str, ...] = ()) -> Section:
    """Return one section as its model, read once for every params.yaml.

    Parameters
    ----------
    name
        Top-level key of params.yaml.
    overrides
        ``section.key.sub=value`` texts as given to ``--set``; the value is read as YAML. Those of
        other sections are ignored here.

    Raises
    ------
    InputError
        An unknown name, or a value of the wrong type.
    """
    found = _section(_files(), name, model, tuple(overrides))
    assert isinstance(found, model)
    return found


@functools.cache
def _section(files: tuple[Path, ...], name: str, model: type[Values], overrides: tuple[str, ...]) -> Values:
    values = yaml.safe_load(yaml.safe_dump(_raw(files).get(name, {})))
    for text in overrides:
        key, sign, value = text.partition("=")
        parts = key.strip().split(".")
        if not sign or parts[0] not in SECTIONS or len(parts) < 2:
            raise InputError(
                f"cannot read the override '{text}'",
                where="--set",
                given=parts[0],
                known=() if parts[0] in SECTIONS else SECTIONS,
                remedy="write section.name=value",
            )
        if parts[0] != name:
            continue
        place = values
        for part in parts[1:-1]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise InputError(f"'{part}' holds no values of its own", where=f"--set {key.strip()}")
        place[parts[-1]] = _yaml(value, f"--set {key.strip()}")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise mistake(error, model, f"params.yaml {name}") from None


def _yaml(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # a date that is none is a ValueError
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise InputError("is no YAML", where=f"{where}{line}", remedy="check brackets, quotes and indents") from None


def mistake(error: ValidationError, model: type[BaseModel], where: str) -> InputError:
    """Return what is wrong with values, and where, of the first mistake that a model found in them."""
    first = error.errors()[0]
    unknown = first["type"] == "extra_forbidden"
    cause = first.get("ctx", {}).get("error")
    told = str(cause) if isinstance(cause, InputError) else first["msg"].lower()
    return InputError(
        "there is no such value" if unknown else told,
        where=".".join([where, *(str(part) for part in first["loc"])]),
        given=str(first["loc"][-1]) if unknown else "",
        known=_beside(model, first["loc"]) if unknown else (),
    )


def origin(section: str, entry: str) -> str:
    """Return which file an entry of a section stands in: the hospital's own, or the project's."""
    found = hospital()
    own = found is not None and found.params is not None and entry in _raw((found.params,)).get(section, {})
    return f"hospital {path().name}" if own else path().name


def _beside(model: type[BaseModel], place: tuple[int | str, ...]) -> tuple[str, ...]:
    """Return the names that are valid where an unknown one stands; none inside a mapping."""
    for part in place[:-1]:
        field = model.model_fields.get(str(part))
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return ()
        model = field.annotation
    return tuple(model.model_fields)


def general() -> General:
    """Return the closed lists and the zone."""
    return section("general", General)
