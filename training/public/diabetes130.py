"""Diabetes 130: back in hospital within 30 days, stays of 130 US hospitals (Strack 2014)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from training.public.judged import Judged, Table, cross_validated, data_file

if TYPE_CHECKING:
    import pandas as pd

DIED_OR_HOSPICE = (11, 13, 14, 19, 20, 21)
_NUMBERS = (
    "time_in_hospital",
    "num_lab_procedures",
    "num_procedures",
    "num_medications",
    "number_outpatient",
    "number_emergency",
    "number_inpatient",
    "number_diagnoses",
)
_CHAPTERS = {
    "circulatory": ((390, 460), (785, 786)),
    "respiratory": ((460, 520), (786, 787)),
    "digestive": ((520, 580), (787, 788)),
    "diabetes": ((250, 251),),
    "injury": ((800, 1000),),
    "musculoskeletal": ((710, 740),),
    "genitourinary": ((580, 630), (788, 789)),
    "neoplasms": ((140, 240),),
    "heart_failure": ((428, 429),),
    "kidney": ((584, 587),),
    "mental": ((290, 320),),
    "blood": ((280, 290),),
}
"""Groups of ICD-9 (Strack 2014, table 2), and four of them taken apart."""


def readmission() -> Judged:
    """Judge readmission within 30 days, stays that ended in death or a hospice left out, folds of patients."""
    import pandas as pd

    read = pd.read_csv(data_file("diabetes130", "diabetic_data.csv.gz"), na_values="?", low_memory=False)
    read = read[~read["discharge_disposition_id"].isin(DIED_OR_HOSPICE)].reset_index(drop=True)
    made = inputs(read)
    core = (
        "number_inpatient",
        "time_in_hospital",
        "number_diagnoses",
        "num_medications",
        "age",
        "number_emergency",
        "discharge_3",
        "discharge_22",
        "discharge_6",
        "discharge_5",
        "discharge_2",
        "number_outpatient",
        "diabetesMed",
        "insulin_none",
        "diag_1_heart_failure",
        "diag_1_respiratory",
        "num_procedures",
        "num_lab_procedures",
        "any_kidney",
        "any_blood",
        "any_neoplasms",
        "a1c_measured",
        "specialty_known",
    )
    return cross_validated(
        Table(
            tuple(made.columns),
            made.to_numpy(dtype=float),
            (read["readmitted"] == "<30").to_numpy(dtype=float),
            read["patient_nbr"].to_numpy(dtype=str),
            core,
            {"stays_before": made["number_inpatient"].to_numpy(dtype=float)},
            {"number_inpatient": "up"},
        ),
        "diabetes130",
        "back in hospital within 30 days, death and hospice left out",
        "this set's page: logistic .660, LightGBM .674, folds of patients; honest figures in print .64 to .69",
        "Figures of .9 and more in print come of oversampling before the split.",
    )


def inputs(read: pd.DataFrame) -> pd.DataFrame:
    """Return the numeric inputs of the stays: no race, no payer."""
    import pandas as pd

    made = {name: read[name].astype(float) for name in _NUMBERS}
    made["age"] = read["age"].str.extract(r"\[(\d+)-")[0].astype(float) + 5
    made["male"] = read["gender"].map({"Male": 1.0, "Female": 0.0})
    for column, short, kinds in (
        ("discharge_disposition_id", "discharge", (1, 2, 3, 4, 5, 6, 7, 15, 18, 22, 23, 25, 28)),
        ("admission_source_id", "source", (1, 4, 6, 7, 17, 20)),
        ("admission_type_id", "admission", (1, 2, 3, 5, 6)),
    ):
        made |= {f"{short}_{kind}": (read[column] == kind).astype(float) for kind in kinds}
    for name in ("diag_1", "diag_2", "diag_3"):
        made |= {f"{name}_{chapter}": held for chapter, held in _chapters(read[name]).items()}
    for chapter in _CHAPTERS:
        each = pd.concat([made[f"diag_{place}_{chapter}"] for place in (1, 2, 3)], axis=1)
        made[f"any_{chapter}"] = each.max(axis=1)
    made["a1c_measured"] = read["A1Cresult"].notna().astype(float)
    made["a1c_high"] = read["A1Cresult"].isin([">7", ">8"]).astype(float)
    made["glucose_measured"] = read["max_glu_serum"].notna().astype(float)
    made["glucose_high"] = read["max_glu_serum"].isin([">200", ">300"]).astype(float)
    for kind, short in (("No", "none"), ("Steady", "steady"), ("Up", "up"), ("Down", "down")):
        made[f"insulin_{short}"] = (read["insulin"] == kind).astype(float)
    for drug in ("metformin", "glipizide", "glyburide", "glimepiride", "pioglitazone", "rosiglitazone", "repaglinide"):
        made[drug] = (read[drug] != "No").astype(float)
    made["changed"] = (read["change"] == "Ch").astype(float)
    made["diabetesMed"] = (read["diabetesMed"] == "Yes").astype(float)
    made["specialty_known"] = read["medical_specialty"].notna().astype(float)
    common = read["medical_specialty"].value_counts().index[:12]
    for number, name in enumerate(sorted(common)):
        made[f"specialty_{number}"] = (read["medical_specialty"] == name).astype(float)
    return pd.DataFrame(made)


def _chapters(codes: pd.Series) -> dict[str, pd.Series]:
    import pandas as pd

    number = pd.to_numeric(codes, errors="coerce")
    found = {}
    for chapter, spans in _CHAPTERS.items():
        inside = np.zeros(len(codes), dtype=bool)
        for start, end in spans:
            inside |= ((number >= start) & (number < end)).to_numpy(dtype=bool)
        found[chapter] = pd.Series(inside.astype(float), index=codes.index)
    return found
