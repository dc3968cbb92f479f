"""Who the patient is: age, sex, insurance, region, how long known to the hospital."""

from __future__ import annotations

import numpy as np

from features import derived, feature_group
from features.history import Reduction, Selection


@feature_group(
    source="patients",
    purposes=("care_followup", "screening_invitation", "health_education", "self_test"),
    why="risk of most diseases rises with age, and screening is offered by age",
    clinical_group="age",
    protected=True,
)
def age(history: Selection) -> dict[str, Reduction]:
    """Time since birth. Unit: d."""
    return {"age_days": history.days_since("birth_date").labelled(label_zh="出生至今天数", label_en="days since birth")}


@derived
def age_years(age_days: np.ndarray) -> np.ndarray:
    """Age. Unit: a.

    label_zh: 年龄
    label_en: age
    """
    return age_days / 365.25


@feature_group(
    source="patients",
    purposes=("care_followup", "screening_invitation", "health_education", "self_test"),
    why="several diseases and their screening differ between the sexes",
    clinical_group="sex",
    protected=True,
)
def sex(history: Selection) -> dict[str, Reduction]:
    """1 for male, 0 for female, null where the record says neither."""
    known = history.where(sex=("female", "male"))
    return {"sex_male": known.share(sex="male").labelled(label_zh="男性", label_en="male")}


@feature_group(
    source="patients",
    purposes=("care_followup", "service_marketing"),
    why="shows whether scores differ between kinds of insurance; no model is given it without a written reason",
    clinical_group="insurance",
    protected=True,
)
def insurance(history: Selection) -> dict[str, Reduction]:
    """Kind of insurance, as the record says it."""
    return {
        "insurance_employee": history.share(insurance=("employee", "urban_employee", "职工医保")).labelled(
            label_zh="职工医保", label_en="employee insurance"
        ),
        "insurance_resident": history.share(insurance=("resident", "urban_rural_resident", "居民医保")).labelled(
            label_zh="居民医保", label_en="resident insurance"
        ),
        "insurance_corporate": history.share(insurance=("corporate", "企业", "企业团体", "商业团体")).labelled(
            label_zh="企业客户", label_en="paid by an employer"
        ),
        "insurance_self_pay": history.share(insurance=("self_pay", "自费")).labelled(
            label_zh="自费", label_en="pays without insurance"
        ),
    }


@feature_group(
    source="patients",
    purposes=("care_followup", "screening_invitation"),
    why="shows whether scores differ between town and country; no model is given it without a written reason",
    clinical_group="region",
    protected=True,
)
def region(history: Selection) -> dict[str, Reduction]:
    """Kind of the home county by its GB/T 2260 code; null where the code names none. Unit: 1."""
    known = history.where(region_kind=("district", "county", "city"))
    return {
        "region_district": known.share(region_kind="district").labelled(
            label_zh="居住地为市辖区", label_en="lives in a city's district"
        ),
        "region_county": known.share(region_kind="county").labelled(
            label_zh="居住地为县", label_en="lives in a county"
        ),
        "region_city": known.share(region_kind="city").labelled(
            label_zh="居住地为县级市", label_en="lives in a city of county rank"
        ),
    }


@feature_group(
    source="patients",
    purposes=("care_followup", "service_marketing"),
    why="a patient known for long is lost less often than one who came once",
    clinical_group="tenure",
)
def tenure(history: Selection) -> dict[str, Reduction]:
    """Time since the first registration. Unit: d."""
    return {
        "tenure_days": history.days_since("registered_at").labelled(
            label_zh="首次登记至今天数", label_en="days since first registration"
        )
    }
