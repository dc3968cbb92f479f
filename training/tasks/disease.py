"""Incident disease, one task for every horizon of every entry of params.yaml."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, ValidationError, field_validator

from features.codes import codelist
from features.errors import InputError
from features.group import FeatureGroup
from features.groups.eligibility import PURPOSES, WHY
from features.history import Reduction, Selection
from features.params import Values, mistake, origin
from training.cohort import Cohort
from training.outcome import FirstDiagnosis
from training.task import Direction, Inputs, Task, TimeAtRisk
from training.tasks.criteria import ALIVE, SEEN, SEXED, STAYED, aged, free_of, known_for

GROUPS = (
    "age",
    "sex",
    "visits",
    "comorbidity",
    "glucose",
    "blood_pressure",
    "lipids",
    "kidney",
    "body_weight",
    "lung",
    "smoking",
    "medication",
    "family_history",
)
CORE = (
    "age_years",
    "bmi",
    "systolic_mean_12m",
    "sex_male",
    "smokes_now",
    "chronic_code_distinct",
    "visit_count_365d",
    "hdl_last_24m",
    "triglycerides_last_24m",
    "egfr_last_24m",
)
PROTECTED = {
    "age": "the incidence of chronic disease rises with age, and screening guidelines start from it",
    "sex": "incidence and the weight of other risk factors differ between the sexes",
}


class DiseaseValues(Values):
    """An entry of section ``diseases``.

    ``exclude_labs`` gives laboratory values (codelist: cut) from which the disease counts as
    present, whenever they were measured; ``exclude_above`` and ``exclude_below`` cuts of features of
    the catalogue (from it upward, or under it). ``core`` names the features of the logistic
    candidate, most important first; ``scores`` the published scores beside it.
    """

    codelist: str
    ages: tuple[float, float]
    lookback_days: int = Field(ge=365)
    washout_days: int = Field(ge=0)
    horizons_months: tuple[int, ...] = Field(min_length=1)
    exclude_drugs: tuple[str, ...] = ()
    exclude_labs: dict[str, float] = Field(default_factory=dict)
    exclude_above: dict[str, float] = Field(default_factory=dict)
    exclude_below: dict[str, float] = Field(default_factory=dict)
    monotone: dict[str, Direction] = Field(default_factory=dict)
    core: tuple[str, ...] = CORE
    scores: tuple[str, ...] = ()
    crosses: tuple[tuple[str, str], ...] = ()

    @field_validator("ages")
    @classmethod
    def _rising(cls, ages: tuple[float, float]) -> tuple[float, float]:
        if not ages[0] < ages[1]:
            raise ValueError("the youngest is not younger than the oldest")
        return ages

    @field_validator("codelist")
    @classmethod
    def _known(cls, name: str) -> str:
        return codelist(name).name

    @field_validator("exclude_drugs", "exclude_labs")
    @classmethod
    def _all_known(cls, names: Any) -> Any:
        for name in names:
            codelist(name)
        return names


class DiseasesValues(Values):
    """Section ``diseases`` of params.yaml: entries by name, each read when its tasks are made."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Any]

    def entries(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__)


def entry_tasks(name: str, entry: Any) -> tuple[Task, ...]:
    """Return the tasks of one entry as it stands in params.yaml.

    Raises
    ------
    InputError
        It cannot be read; the file, the entry and the value are named.
    """
    where = f"{origin('diseases', name)} diseases.{name}"
    try:
        values = DiseaseValues.model_validate(entry)
    except ValidationError as error:
        raise mistake(error, DiseaseValues, where) from None
    try:
        return disease_tasks(name, values)
    except InputError as error:
        raise InputError(str(error), where=where) from None


def disease_tasks(name: str, entry: DiseaseValues) -> tuple[Task, ...]:
    """Return the tasks of one entry: ``<name>_12m`` and so on."""
    disease = codelist(entry.codelist)
    indicators, cuts, own = _history(name, entry)
    cohort = Cohort(
        (
            aged(*entry.ages),
            SEXED,
            ALIVE,
            STAYED,
            SEEN,
            known_for(entry.lookback_days),
            free_of(disease.zh, disease.en, indicators, cuts | entry.exclude_above, entry.exclude_below),
        )
    )
    return tuple(
        Task(
            name=f"{name}_{months}m",
            kind="incident",
            zh=f"未来{months}个月新发{disease.zh}（风险，不是诊断）",
            en=f"new {disease.en} within {months} months (a risk, not a diagnosis)",
            purposes=("screening_invitation", "care_followup"),
            time=TimeAtRisk(_days(months), entry.washout_days, entry.lookback_days),
            cohort=cohort,
            outcome=FirstDiagnosis(entry.codelist),
            inputs=Inputs(
                clinical_groups=GROUPS,
                core=entry.core,
                crosses=entry.crosses,
                monotone=entry.monotone,
                protected=PROTECTED,
                baselines={"age": ("age_years", "up")},
                scores=entry.scores,
            ),
            own=own,
        )
        for months in entry.horizons_months
    )


def _days(months: int) -> int:
    """12 months are 365 days; others in proportion, rounded."""
    return round(months * 365 / 12)


def _history(name: str, entry: DiseaseValues) -> tuple[tuple[str, ...], dict[str, float], tuple[FeatureGroup, ...]]:
    """Return the features that show the disease already present, by code, drug and laboratory value."""
    disease = codelist(entry.codelist)
    declared: dict[str, dict[str, Reduction]] = {
        "diagnoses": {f"{name}_dx_ever": Selection("diagnoses").coded(disease).exists()}
    }
    if entry.exclude_drugs:
        drugs = Selection("prescriptions").coded(*(codelist(each) for each in entry.exclude_drugs))
        label = {"label_zh": f"曾用{disease.zh}药物", "label_en": f"ever on medicines for {disease.en}"}
        declared["prescriptions"] = {f"{name}_drug_ever": drugs.exists().labelled(**label)}
    cuts = {f"{name}_{lab}_max_ever": cut for lab, cut in entry.exclude_labs.items()}
    if cuts:
        labs = zip(cuts, entry.exclude_labs)
        declared["observations"] = {
            feature: Selection("observations").coded(codelist(lab)).max("value") for feature, lab in labs
        }
    own = tuple(
        FeatureGroup(
            name=f"{name}_history_{table}",
            source=table,
            purposes=PURPOSES,
            why=WHY,
            clinical_group="eligibility",
            features=features,
            doc=f"Whether {disease.en} is on record already.",
        )
        for table, features in declared.items()
    )
    indicators = tuple(feature for group in own for feature in group.features if feature not in cuts)
    return indicators, cuts, own
