"""The same 100 patients through FHIR and OMOP: equal vectors where both carry the facts, and the causes where not."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import features
from features.codes import codelist
from features.ingest import ingest
from features.lake import Lake

pytestmark = [pytest.mark.data, pytest.mark.slow]

SAME = (
    "sex_male",
    "deceased_ever",
    "chronic_ever",
    "cardiovascular_on_record",
    *(
        f"diagnosis_{name}"
        for name in (
            "diabetes",
            "hypertension",
            "coronary_heart_disease",
            "stroke",
            "heart_failure",
            "atrial_fibrillation",
            "chronic_kidney_disease",
            "copd",
            "asthma",
            "osteoporosis",
            "gout",
            "obesity",
            "depression",
            "cancer",
            "dementia",
        )
    ),
    "antidiabetics_365d",
    "metformin_365d",
    "insulin_365d",
    "antihypertensives_365d",
    "statins_365d",
    "antiplatelets_365d",
    "inhalers_365d",
)
FEWER = ("prediabetes", "dyslipidaemia")
"""Diseases of which some patient has a code in FHIR alone: from the emergency module, which the OMOP tables lack,
or one that OMOP keeps in another domain's table, which is not in the folder."""


@pytest.fixture(scope="module")
def both(public_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Lakes of both, the patients' ids in both, and vectors two days after the last discharge.

    ``observed`` is taken out: OMOP says period by period when somebody watched, FHIR not at all.
    """
    folder = tmp_path_factory.mktemp("parity")
    ingest("fhir", public_data / "mimic4demo_fhir", folder / "fhir")
    ingest("omop", public_data / "mimic4demo_omop", folder / "omop", zone="America/New_York")
    raw = public_data / "mimic4demo_fhir" / "fhir"
    patients = {_identifier(each): each["id"] for each in _resources(raw / "MimicPatient.ndjson.gz")}
    with gzip.open(public_data / "mimic4demo_omop" / "person.csv.gz", "rt") as file:
        persons = {row["person_source_value"]: row["person_id"] for row in csv.DictReader(file)}
    last: dict[str, datetime] = {}
    for each in _resources(raw / "MimicEncounter.ndjson.gz"):
        name, end = each["subject"]["reference"].split("/")[1], datetime.fromisoformat(each["period"]["end"])
        last[name] = max(last.get(name, end), end)
    names = sorted(patients.keys() & persons.keys())
    at = [pd.Timestamp(last[patients[name]]).tz_convert("UTC") + pd.Timedelta(days=2) for name in names]
    told: dict[str, Any] = {"names": names, "raw": raw, "patients": patients}
    told |= {"omop_raw": public_data / "mimic4demo_omop", "sources": {key: name for name, key in persons.items()}}
    for source, ids in (("fhir", patients), ("omop", persons)):
        shutil.rmtree(folder / source / "observed")
        landmarks = pd.DataFrame({"patient_id": [ids[name] for name in names], "at": at})
        told[source] = features.build(Lake(folder / source), landmarks)
        told[f"{source}_lake"] = folder / source
    return told


def test_gender_diagnoses_and_medicines_agree(both: dict[str, Any]) -> None:
    assert len(both["names"]) == 100
    for name in SAME:
        left, right = both["fhir"][name].to_numpy(), both["omop"][name].to_numpy()
        assert np.array_equal(left, right, equal_nan=True), name
    informative = [name for name in SAME if both["fhir"][name].nunique() > 1]
    assert len(informative) >= 20, informative


@pytest.mark.parametrize("disease", FEWER)
def test_a_diagnosis_that_differs_is_absent_from_the_omop_table(both: dict[str, Any], disease: str) -> None:
    name, found = f"diagnosis_{disease}", codelist(disease)
    left, right = both["fhir"][name].to_numpy(), both["omop"][name].to_numpy()
    differing = {both["names"][row] for row in np.flatnonzero(left != right)}
    names = {surrogate: name for name, surrogate in both["patients"].items()}
    in_fhir = set()
    for module in ("MimicCondition", "MimicConditionED"):
        for each in _resources(both["raw"] / f"{module}.ndjson.gz"):
            coding = each["code"]["coding"][0]
            system = "ICD-9-CM" if coding["system"].endswith("icd9") else "ICD-10-CM"
            if found.matches(system, coding["code"]):
                in_fhir.add(names[each["subject"]["reference"].split("/")[1]])
    in_omop = set()
    with gzip.open(both["omop_raw"] / "condition_occurrence.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            code = row["condition_source_value"].strip()
            if found.matches("ICD-9-CM" if code[0].isdigit() else "ICD-10-CM", code):
                in_omop.add(both["sources"][row["person_id"]])
    assert differing == in_fhir - in_omop != set()


def test_every_hospital_stay_of_omop_ends_as_one_of_fhir(both: dict[str, Any]) -> None:
    ends = {}
    for source in ("fhir", "omop"):
        visits = pq.read_table(both[f"{source}_lake"] / "encounters").to_pandas()
        visits = visits[visits["end"].notna()]
        if source == "omop":
            visits = visits[visits["kind"].isin(["inpatient", "emergency"])]
        ends[source] = visits["end"].dt.floor("min").tolist()
    assert len(ends["omop"]) == 270 and set(ends["omop"]) <= set(ends["fhir"])


def _resources(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path) as file:
        return [json.loads(line) for line in file]


def _identifier(patient: dict[str, Any]) -> str:
    return str(next(each["value"] for each in patient["identifier"] if each["system"].endswith("/patient")))
