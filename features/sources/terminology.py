"""Names of code systems: as sources write them, and as a lake does."""

from __future__ import annotations

import re

PREFERRED = ("ICD-10", "ICD-10-CM", "ICD-10-CN", "ICD-9-CM", "LOINC", "ATC", "RxNorm", "SNOMED CT", "NDC")
"""Of several codings of one fact the first of these is taken, unless a codelist knows only another."""

SMOKING = {
    "266919005": "never",
    "8517006": "former",
    "449868002": "current",
    "77176002": "current",
    "428041000124106": "current",
    "428071000124103": "current",
    "428061000124105": "current",
}
"""SNOMED CT answers to the tobacco smoking status (LOINC 72166-2) as one word."""

_KNOWN = {
    "ICD10": "ICD-10",
    "ICD10CM": "ICD-10-CM",
    "ICD10CN": "ICD-10-CN",
    "ICD10WHO": "ICD-10",
    "ICD9": "ICD-9-CM",
    "ICD9CM": "ICD-9-CM",
    "SNOMED": "SNOMED CT",
    "SNOMEDCT": "SNOMED CT",
    "LOINC": "LOINC",
    "LNC": "LOINC",
    "ATC": "ATC",
    "RXNORM": "RxNorm",
    "RXNORMEXTENSION": "RxNorm Extension",
    "NDC": "NDC",
    "CVX": "CVX",
}


def system(name: str) -> str:
    """Return a vocabulary's name as a lake writes it: ``ICD10CM`` is ICD-10-CM; one not known stays."""
    return _KNOWN.get(re.sub(r"[\s\-_]", "", name).upper(), name)


def known(name: str) -> bool:
    """Return whether this is one of the code systems that codelists may hold."""
    return system(name) in PREFERRED or system(name) == "CVX"


def rank(name: str | None) -> int:
    """Return how far from the front of PREFERRED a system stands; one that is not there is last."""
    return PREFERRED.index(name) if name in PREFERRED else len(PREFERRED)


def tidy(code: str) -> str:
    """Take off what an export adds to a code: blanks, and the ``.0`` of a whole number kept as a decimal."""
    text = code.strip()
    return text[:-2] if re.fullmatch(r"\d{5,}\.0", text) else text
