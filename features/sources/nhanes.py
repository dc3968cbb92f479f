"""NHANES 2017-2018: 8,366 people examined once, as a table of answers and as a lake.

The table that the self-test model is trained on comes from ``frame``; the same people as a lake
from the source. The files give no examination date: all facts stand at the end of the cycle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from features.errors import InputError
from features.instants import DAY, parse
from features.progress import track
from features.sources.draft import Draft, Tally

if TYPE_CHECKING:
    import pandas as pd

FOLDER = Path(__file__).parent / "data" / "nhanes"
FILE = "NHANES_data_2017-2018.tsv.gz"
NAME = "NHANES 2017-2018"
EXAMINED = "2018-12-31"

_HEALTH = {"Excellent": 0.0, "Very good": 1.0, "Good": 2.0, "Fair or": 3.0, "Poor?": 4.0}
_NUMBERS = {
    "age": "AgeInYearsAtScreening",
    "height_cm": "StandingHeightCm",
    "weight_kg": "WeightKg",
    "bmi": "BodyMassIndexKgm2",
    "waist_cm": "WaistCircumferenceCm",
    "pulse": "60SecPulse30SecPulse2",
    "hba1c": "Glycohemoglobin",
    "total_cholesterol": "TotalCholesterolMgdl",
    "hdl": "DirectHdlcholesterolMgdl",
    "income_to_poverty": "RatioOfFamilyIncomeToPoverty",
}
_ANSWERS = {
    "told_prediabetes": "EverToldYouHavePrediabetes",
    "told_risk": "EverToldHaveHealthRiskForDiabetes",
    "told_heart_attack": "EverToldYouHadHeartAttack",
    "told_stroke": "EverToldYouHadAStroke",
    "smoked": "SmokedAtLeast100CigarettesInLife",
}
_MEASURED = (
    ("hba1c", "4548-4", "%", "HbA1c", "laboratory"),
    ("total_cholesterol", "2093-3", "mg/dL", "total cholesterol", "laboratory"),
    ("hdl", "2085-9", "mg/dL", "HDL cholesterol", "laboratory"),
    ("systolic", "8480-6", "mmHg", "systolic blood pressure", "clinic"),
    ("diastolic", "8462-4", "mmHg", "diastolic blood pressure", "clinic"),
    ("pulse", "8867-4", "/min", "pulse", "clinic"),
    ("height_cm", "8302-2", "cm", "height", "clinic"),
    ("weight_kg", "29463-7", "kg", "weight", "clinic"),
    ("bmi", "39156-5", "kg/m2", "body mass index", "clinic"),
    ("waist_cm", "8280-0", "cm", "waist", "clinic"),
)
_TINY = 1e-70
"""The files write 0 as 5.4e-79."""


def frame(folder: Path = FOLDER) -> pd.DataFrame:
    """Return one row per person, typed, missing answers as NaN (or None for texts).

    Columns: ``seqn`` (survey number, str); ``age`` (years, 80 means 80 or more); ``male`` (1, 0);
    ``ethnicity`` (text); ``height_cm``, ``weight_kg``, ``bmi`` (kg/m2), ``waist_cm`` as measured;
    ``systolic``, ``diastolic`` (mmHg, mean of up to three readings, a reading of 0 left out);
    ``pulse`` (/min); ``family_diabetes`` (1 where a family history is named as a reason of risk,
    else 0); ``general_health`` (0 excellent to 4 poor); ``smoked`` (100 cigarettes in life),
    ``smokes_now``, ``active`` (moderate or vigorous leisure exercise), ``sedentary_minutes`` (a
    day); ``told_prediabetes``, ``told_risk``, ``told_heart_attack``, ``told_stroke`` (1, 0);
    ``income_to_poverty``; ``told_diabetes`` (text '0', '1', 'Borderline', None where not
    answered); ``total_cholesterol``, ``hdl`` (mg/dL) and ``hba1c`` (% NGSP), from the laboratory.

    Raises
    ------
    InputError
        The folder does not hold the data file, or it lacks a column.
    """
    import pandas as pd

    path = folder / FILE if folder.is_dir() else folder
    if not path.is_file():
        raise InputError(f"no file {FILE}", where=str(folder), remedy="leave the folder out to use the packaged table")
    raw = pd.read_csv(path, sep="\t", low_memory=False)
    try:
        return _clean(raw)
    except KeyError as error:
        raise InputError(f"column {error} is missing", where=path.name) from None


def manifest(folder: Path = FOLDER) -> dict[str, str]:
    """Return the data file and the SHA-256 of its bytes: what a run of ``frame`` was made of."""
    with (folder / FILE).open("rb") as stream:
        return {FILE: hashlib.file_digest(stream, "sha256").hexdigest()}


def undiagnosed(people: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Return those whom the self-test is about, and whether each has diabetes that nobody knew of.

    Age 20 or more, the answer '0' to having been told of diabetes, HbA1c measured; the outcome is
    HbA1c of 6.5 % or more (American Diabetes Association, Standards of Care, the diagnostic cut).
    """
    asked = (people["age"] >= 20) & (people["told_diabetes"] == "0") & people["hba1c"].notna()
    chosen = people[asked].reset_index(drop=True)
    return chosen, (chosen["hba1c"] >= 6.5).to_numpy(dtype=bool)


def _clean(raw: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    people = pd.DataFrame({"seqn": raw["SEQN"].astype(int).astype(str)})
    for name, column in _NUMBERS.items():
        people[name] = _number(raw[column])
    for name, column in _ANSWERS.items():
        people[name] = raw[column].where(raw[column].isin([0.0, 1.0]))
    people["male"] = raw["Gender"].map({"Male": 1.0, "Female": 0.0})
    people["ethnicity"] = raw["RacehispanicOriginWNhAsian"]
    for name in ("Systolic", "Diastolic"):
        readings = [_number(raw[f"{name}BloodPres{n}RdgMmHg"]) for n in ("1St", "2Nd", "3Rd")]
        together = pd.concat(readings, axis=1)
        people[name.lower()] = together.where(together > 0).mean(axis=1)
    people["family_diabetes"] = (raw["FamilyHistory"] == "Family history").astype(float)
    people["general_health"] = raw["GeneralHealthCondition"].map(_HEALTH)
    smokes = raw["DoYouNowSmokeCigarettes"].map({"Every day": 1.0, "Some days": 1.0, "Not at all": 0.0})
    people["smokes_now"] = smokes.where(people["smoked"] != 0, 0.0)
    leisure = raw[["VigorousRecreationalActivities", "ModerateRecreationalActivities"]]
    people["active"] = leisure.max(axis=1)
    minutes = _number(raw["MinutesSedentaryActivity"])
    people["sedentary_minutes"] = minutes.where(minutes <= 24 * 60)
    told = raw["DoctorToldYouHaveDiabetes"]
    people["told_diabetes"] = told.where(told.isin(["0", "1", "Borderline"]))
    return people


def _number(column: pd.Series) -> pd.Series:
    number = column.astype(float)
    return number.where(number.abs() > _TINY, number * 0)


class Nhanes:
    """The people as canonical rows: a patient, measurements, the smoking answer, family history.

    Parameters
    ----------
    folder
        Where the data file is.
    tally
        Gathers what was read.
    """

    name: ClassVar[str] = "nhanes"
    tables: tuple[str, ...] = ("observations", "family_history")

    def __init__(self, folder: Path, tally: Tally) -> None:
        self.people = frame(folder)
        self.time = parse(EXAMINED)
        tally.read["person"] = len(self.people)

    @property
    def births(self) -> dict[str, int | None]:
        """Birth dates, as far as an age in whole years tells."""
        ages = self.people["age"] * 365.25 * DAY
        return {f"nhanes-{n}": self.time - round(age) for n, age in zip(self.people["seqn"], ages)}

    def events(self) -> Iterator[Draft]:
        """Yield measurements and the answer on smoking."""
        rows = self._rows()
        for row, person in enumerate(track(rows, "reading NHANES", total=len(rows)), 2):
            for name, code, unit, display, origin in _MEASURED:
                if not np.isnan(person[name]):
                    yield self._observed(person, row, code, display, origin, value=person[name], unit=unit)
            if not np.isnan(person["smokes_now"]):
                answer = "current" if person["smokes_now"] else "former" if person["smoked"] else "never"
                yield self._observed(person, row, "72166-2", "tobacco smoking status", "patient", text=answer)

    def persons(self, first_contact: Mapping[str, int]) -> Iterator[Draft]:
        """Yield one patient per person, and the family history."""
        births = self.births
        for row, person in enumerate(self._rows(), 2):
            birth = births[f"nhanes-{person['seqn']}"]
            values = {"birth_date": birth, "sex": "male" if person["male"] else "female"}
            yield self._draft("patients", person, row, "patient", values)
            if person["family_diabetes"]:
                values = {"code_system": "ICD-10", "code": "E14", "display": "diabetes", "relation": "other"}
                yield self._draft("family_history", person, row, "family", values)

    def _rows(self) -> list[dict[str, Any]]:
        return cast("list[dict[str, Any]]", self.people.to_dict("records"))

    def _observed(self, person: dict[str, Any], row: int, code: str, display: str, origin: str, **more: Any) -> Draft:
        coded = {"code_system": "LOINC", "code": code, "display": display, "origin": origin}
        return self._draft("observations", person, row, code, {**coded, **more})

    def _draft(self, table: str, person: dict[str, Any], row: int, what: str, values: dict[str, Any]) -> Draft:
        name = f"nhanes-{person['seqn']}"
        common = {"patient_id": name, "time": self.time, "known_at": self.time, "event_id": f"{name}/{what}"}
        return Draft(table, {**common, **values}, FILE, row)
