"""When a fact is taken to be known where the source does not say: the ``features`` section of params.yaml."""

from __future__ import annotations

import functools

from pydantic import NonNegativeFloat, field_validator

from features.errors import InputError
from features.instants import DAY
from features.params import Values, section
from features.schema import EVENT_TABLES


class Timing(Values):
    """Declared lags and plausible ranges of an ingest.

    Parameters
    ----------
    latest_update_days
        A last-updated stamp further than this after the fact tells of an edit or an export, not of
        when a result came to be known.
    lag_days
        By source and table: days from the fact to its being known, where nothing else says so.
    plausible
        By codelist, in its unit: least and greatest value that is believed.
    """

    latest_update_days: NonNegativeFloat
    lag_days: dict[str, dict[str, NonNegativeFloat]]
    plausible: dict[str, tuple[float, float]]

    @field_validator("lag_days")
    @classmethod
    def _known_tables(cls, lags: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for source, tables in lags.items():
            for name in tables:
                if name not in EVENT_TABLES:
                    raise ValueError(f"no event table '{name}' (source {source})")
        return lags

    def lag(self, source: str, table: str) -> int:
        """Return the declared lag in microseconds.

        Raises
        ------
        InputError
            None is declared.
        """
        declared = self.lag_days.get(source, {})
        if table not in declared:
            raise InputError(
                f"no lag declared for table '{table}'",
                where=f"params.yaml features.lag_days.{source}",
                remedy=f"add '{table}: days'",
            )
        return round(declared[table] * DAY)


@functools.cache
def timing() -> Timing:
    """Return the section, read once."""
    return section("features", Timing)
