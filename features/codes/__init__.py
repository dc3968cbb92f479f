"""Codelists in several code systems, and the units their values are kept in."""

from features.codes.codelist import Codelist, all_codelists, codelist, normalise, read_codelists
from features.codes.units import convert, usual_unit

__all__ = ["Codelist", "all_codelists", "codelist", "convert", "normalise", "read_codelists", "usual_unit"]
