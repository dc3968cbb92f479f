"""Concepts of an OMOP CDM as codes: through CONCEPT where it comes along, else by the shape of the source value.

Only the concepts that the data name are held, and of CONCEPT_ANCESTOR and CONCEPT_RELATIONSHIP only
the ingredients of the drugs, so that a full vocabulary passes through bounded memory.
"""

from __future__ import annotations

import functools
import re
from typing import Any, NamedTuple

from features.coding import applied_locally, codelist_of
from features.progress import track
from features.sources.omop.files import Cdm, identity
from features.sources.terminology import known, rank, system, tidy

_ICD9_BLOCK = (44_819_000, 44_838_999)
"""OMOP concept ids of ICD-9-CM codes."""

_LOCAL = 2_000_000_000
"""From here on concept ids are a site's own: the shape of such a code says nothing."""

_ICD9 = re.compile(r"\d{3}(\.?\d{1,2})?|V\d{2}(\.?\d{1,2})?|E[89]\d{2}(\.?\d)?")
_ICD10 = re.compile(r"[A-Z]\d[0-9A-Z](\.?[0-9A-Z]{1,4})?")
_SNOMED = re.compile(r"\d{6,18}")
_LOINC = re.compile(r"\d{1,7}-\d")

_NAMED = {
    "condition_occurrence": ("condition_concept_id", "condition_source_concept_id"),
    "measurement": (
        "measurement_concept_id",
        "measurement_source_concept_id",
        "unit_concept_id",
        "value_as_concept_id",
    ),
    "observation": (
        "observation_concept_id",
        "observation_source_concept_id",
        "unit_concept_id",
        "value_as_concept_id",
    ),
    "drug_exposure": ("drug_concept_id", "drug_source_concept_id"),
    "payer_plan_period": ("payer_concept_id", "plan_concept_id"),
}


class Concept(NamedTuple):
    """One row of CONCEPT: the system as a lake writes it, the code and the name."""

    system: str
    code: str
    name: str | None
    kind: str | None


class Vocabulary:
    """What the concept ids of one CDM mean.

    Parameters
    ----------
    cdm
        Its tables.
    """

    def __init__(self, cdm: Cdm) -> None:
        named, drugs = self._named(cdm)
        self.parts = self._parts(cdm, drugs)
        wanted = named.union(*self.parts.values()) if self.parts else named
        self.concepts = self._concepts(cdm, wanted)

    @functools.lru_cache(maxsize=200_000)  # noqa: B019  one vocabulary lives as long as its ingest
    def coded(
        self, table: str, concept: str | None, source: str | None, value: str | None
    ) -> tuple[str | None, str | None, str | None]:
        """Return code_system, code and display of a row.

        The source's own concept comes before the standard one, and for a medicine its ingredients
        come after both; the first that a codelist knows is taken, else the one whose system
        codelists know best. Without any of them the source value speaks, by its shape.

        Parameters
        ----------
        table
            Table of the CDM.
        concept, source
            Standard and source concept id; None for 0.
        value
            The source value.
        """
        found = [each for each in (self.concepts.get(name or "") for name in (source, concept)) if each]
        local = any(applied_locally(each.name or "") for each in found)
        parts = (self.concepts.get(name) for name in sorted(self.parts.get(concept or "", ())) if not local)
        found += [each for each in parts if each and each.kind == "Ingredient"]
        shape = _by_shape(table, source, value)
        if shape is not None:
            found.append(Concept(*shape, None, None))
        if not found:
            if value:
                return (f"OMOP {table}", value, value)
            return ("OMOP", concept, None) if concept else (None, None, None)
        name = next((each.name for each in found if each.name), None)
        for each in found:
            if codelist_of(each.system, each.code) is not None:
                return each.system, each.code, each.name or name
        best = min(found, key=lambda each: rank(each.system))
        return best.system, best.code, best.name or name

    def name(self, concept: str | None) -> str | None:
        """Return the name of a concept, None where CONCEPT does not hold it."""
        held = self.concepts.get(concept or "")
        return held.name if held else None

    def code(self, concept: str | None) -> str | None:
        """Return the code of a concept (of a unit its UCUM spelling), None where CONCEPT does not hold it."""
        held = self.concepts.get(concept or "")
        return held.code if held else None

    def _named(self, cdm: Cdm) -> tuple[set[str], set[str]]:
        """Return the concept ids that the data name, and those of medicines among them."""
        every: set[Any] = set()
        drugs: set[Any] = set()
        if "concept" not in cdm:
            return set(), set()
        for table, columns in track(_NAMED.items(), "reading concepts", total=len(_NAMED)):
            for _, _, values in cdm.rows(table, columns):
                (drugs if table == "drug_exposure" else every).update(values)
        plain = {text for each in drugs if (text := identity(each))}
        return {text for each in every if (text := identity(each))} | plain, plain

    def _parts(self, cdm: Cdm, drugs: set[str]) -> dict[str, set[str]]:
        """Return what each medicine is made of: its ancestors, and what it ``RxNorm has ing``."""
        parts: dict[str, set[str]] = {}
        if not drugs:
            return parts
        for _, _, (child, parent) in cdm.rows(
            "concept_ancestor", ("descendant_concept_id", "ancestor_concept_id"), required=2
        ):
            if (name := identity(child)) in drugs and (part := identity(parent)):
                parts.setdefault(name or "", set()).add(part)
        columns = ("concept_id_1", "concept_id_2", "relationship_id")
        for _, _, (child, part_id, relation) in cdm.rows("concept_relationship", columns, required=3):
            if relation == "RxNorm has ing" and (name := identity(child)) in drugs and (part := identity(part_id)):
                parts.setdefault(name or "", set()).add(part)
        return parts

    def _concepts(self, cdm: Cdm, wanted: set[str]) -> dict[str, Concept]:
        columns = ("concept_id", "concept_code", "vocabulary_id", "concept_name", "concept_class_id")
        held: dict[str, Concept] = {}
        for _, _, (each, code, vocabulary, name, kind) in cdm.rows("concept", columns, required=3):
            if (text := identity(each)) in wanted and code is not None and vocabulary is not None:
                held[text or ""] = Concept(system(str(vocabulary)), tidy(str(code)), name, kind)
        return held


@functools.lru_cache(maxsize=100_000)
def _by_shape(table: str, source: str | None, value: str | None) -> tuple[str, str] | None:
    """Return system and code of a source value whose concept CONCEPT does not tell, as far as its shape does."""
    if not value or int(source or 0) >= _LOCAL:
        return None
    text = tidy(str(value))
    head, bar, tail = text.partition(":")
    if bar and known(head):
        return system(head), tail
    if table == "condition_occurrence":
        nine = bool(source) and _ICD9_BLOCK[0] <= int(source or 0) <= _ICD9_BLOCK[1]
        if _ICD9.fullmatch(text) and (nine or text[0] in "0123456789V" or text.startswith("E9")):
            return "ICD-9-CM", text
        if _ICD10.fullmatch(text):
            return "ICD-10-CM", text
    if table == "drug_exposure":
        if re.fullmatch(r"\d{11}", text):
            return "NDC", text
        return ("RxNorm", text) if re.fullmatch(r"\d{4,7}", text) else None
    if _LOINC.fullmatch(text):
        return "LOINC", text
    return ("SNOMED CT", text) if _SNOMED.fullmatch(text) else None
