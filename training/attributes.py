"""What is asked about a model by name: HTI-1's 31 source attributes and the 52 items of TRIPOD+AI, none left empty.

HTI-1: 45 CFR 170.315(b)(11)(iv)(B). TRIPOD+AI: Collins et al., BMJ 2024;385:e078378, table 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training import attributes_of_lists as lists
from training import attributes_of_self_tests as self_tests
from training.task import Task

DEVELOPER = "the data science team of the hospital that trains it; the author is named in the proposal"
NONE = "none: "
UNKNOWN = "unknown: "


@dataclass(frozen=True)
class Facts:
    """What a run knows about its model.

    Parameters
    ----------
    population, model, figures, provenance, attrition
        As in the card.
    trust
        What the assessment found, by section; empty where none was made.
    """

    task: Task
    inputs: tuple[str, ...]
    population: Mapping[str, Any]
    model: Mapping[str, Any]
    figures: Mapping[str, float]
    provenance: Mapping[str, str]
    attrition: tuple[Mapping[str, object], ...]
    exploratory: bool
    trust: Mapping[str, Any]

    def figure(self, name: str) -> str:
        """Return ``name value [lo, hi]``, or that it was not measured."""
        value = self.figures.get(f"test_{name}")
        if value is None or math.isnan(value):
            return f"{name} not measured for this kind of task"
        lo, hi = self.figures.get(f"test_{name}_lo"), self.figures.get(f"test_{name}_hi")
        return f"{name} {value:.3f}" + (f" [{lo:.3f}, {hi:.3f}]" if lo is not None and hi is not None else "")

    @property
    def refused(self) -> str:
        """Who is refused, and why nothing else is."""
        named = [each.name for each in self.task.cohort.criteria]
        return f"whoever is not: {', '.join(named)}; stale sources" if named else "stale sources"

    @property
    def parts(self) -> str:
        """How many rows are learnt from and tested on."""
        found = self.population.get("parts")
        told = ", ".join(f"{part} {rows:,} rows" for part, rows in found.items()) if found else ""
        return told or str(self.population.get("split", ""))

    @property
    def size(self) -> str:
        """Of how many patients, and of how many with an event."""
        if self.task.kind == "affinity":
            return lists.size(self.population)
        people, events = (self.population.get(name, 0) for name in ("patients", "patients_with_event"))
        return f"{people} patients, {events} with an event"

    @property
    def calibration(self) -> str:
        """The line that makes a margin a risk."""
        line = self.model.get("calibration")
        return "affine in log-odds" + (f": {line['a']:.4f} x margin {line['b']:+.4f}" if line else "")

    @property
    def validity(self) -> str:
        """Discrimination and calibration of the test part."""
        names = ("ndcg10", "recall20") if self.task.kind == "affinity" else ("auroc", "auprc", "brier")
        return "; ".join(self.figure(name) for name in (*names, "slope", "oe"))

    @property
    def fairness(self) -> str:
        """How many groups were judged and which gates they met; of lists, the parts that are judged apart."""
        if self.task.kind == "affinity":
            return lists.judged(self.trust)
        found = self.trust.get("fairness") or []
        if not found:
            return "no subgroup figures: this kind of task has no protected columns on its rows"
        judged = [each for each in found if each["verdict"] not in ("insufficient", "hidden")]
        bad = [f"{each['axis']} {each['group']}" for each in judged if each["verdict"] != "pass"]
        few = len(found) - len(judged)
        return f"{len(judged)} groups judged, {few} too small to judge; not passed: {', '.join(bad) or 'none'}"

    @property
    def population_text(self) -> str:
        """Whom it may be asked about: everybody but those whom a criterion leaves out."""
        out = "; ".join(each.en for each in self.task.cohort.criteria)
        who = "people who answer the questionnaire" if self.task.kind == "prevalent" else "patients of the hospital"
        return f"{who}, but for: {out}" if out else who

    @property
    def protected(self) -> str:
        """Protected inputs and the reason for each."""
        told = "; ".join(f"{group}: {why}" for group, why in self.task.inputs.protected.items())
        return told or "no protected attribute is an input"

    @property
    def axes(self) -> str:
        """By what groups are told apart."""
        return "age and sex" if self.task.kind == "prevalent" else "age, sex, region, insurance and department"

    @property
    def when(self) -> str:
        """When the outcome counts."""
        return f"within {self.task.horizon_days} days" if self.task.horizon_days else "at the examination"

    @property
    def left_out(self) -> str:
        """Every step at which rows were left out."""
        told = [f"{each['step']} ({each['rows_out']} rows)" for each in self.attrition if each.get("rows_out")]
        return "; ".join(told) or f"as the source says: {self.population.get('source', self.population.get('split'))}"


def hti1(facts: Facts) -> dict[str, str]:
    """Return attribute -> text, in the order of the rule."""
    task = facts.task
    criteria = facts.population_text
    output = (
        f"probability of: {task.en}; beside it a band, at most four reasons and what is missing"
        if task.kind != "affinity"
        else "probability that a patient opens an item, and the order of items by it"
    )
    named = f"{facts.axes} of {facts.size}; see section fairness"
    local = "the service reports calibration, discrimination and drift by month with `training outcomes`"
    outside = "not done: the model was trained and tested on one hospital's records"
    told = {
        "1.i developer": DEVELOPER,
        "1.ii funding": UNKNOWN + "the hospital states it in the impact assessment",
        "1.iii output": output,
        "1.iv type of output": "recommendation" if task.kind == "affinity" else "prediction",
        "2.i intended use": f"{task.en}, for the purposes {', '.join(task.purposes)}",
        "2.ii intended population": criteria,
        "2.iii intended users": "outreach staff of the hospital; a clinician for follow-up decisions",
        "2.iv role in decisions": "informs; a person decides, and nothing is sent without consent",
        "3.i out of scope": "diagnosis, price, refusal of service, medical priority, patients outside the population",
        "3.ii known risks": "a record that is thin or late makes a score less certain; reasons are not causes; "
        + ("exploratory: too few patients for a stable model" if facts.exploratory else "past outreach changes labels"),
        "4.i criteria of the training set": facts.left_out,
        "4.ii demographic inputs": facts.protected,
        "4.iii representativeness": named,
        "4.iv relevance to the setting": "trained on records of the hospital that uses it, by time and patient apart",
        "5.i approach to fairness": "groups are judged at the operating point; a gate blocks where the whole "
        "interval of a true-positive-rate gap is past .10, of O:E past .8 to 1.25 or of the slope past .8 to 1.2",
        "5.ii approach to bias": "spend never enters; protected attributes enter disease risk alone, with a written "
        "clinical reason; no resampling or class weights; censoring by inverse probability weights",
        "6.i external data": NONE + outside,
        "6.ii external party": NONE + outside,
        "6.iii external representativeness": NONE + outside,
        "6.iv external process": NONE + outside + "; at least 100 events are asked for when it is",
        "7.i validity, same source": facts.validity,
        "7.ii fairness, same source": facts.fairness,
        "7.iii validity, other source": NONE + outside,
        "7.iv fairness, other source": NONE + outside,
        "7.v evaluation of use on outcomes": NONE + "no trial of its use has been done",
        "8.i monitoring of validity": f"monthly; {local}",
        "8.ii validity in local data": facts.validity,
        "8.iii monitoring of fairness": "at every proposal, on the newest labelled landmarks, by the same gates",
        "8.iv fairness in local data": facts.fairness,
        "9.i updates": "retrained when monitoring shows drift, at least yearly; each version needs a new approval",
        "9.ii correction": "an alarm of monitoring is handled within a month: recalibrate, retrain or roll back",
    }
    if task.kind == "affinity":
        told |= lists.HTI1 | {"4.iii representativeness": facts.size}
    if task.kind == "prevalent":
        told |= self_tests.HTI1
    return _filled(told)


def tripod_ai(facts: Facts) -> dict[str, str]:
    """Return item -> text, in the order of the checklist."""
    task, population, model = facts.task, facts.population, facts.model
    size = str(population.get("sample_size", "not counted"))
    criteria = facts.population_text
    groups = ", ".join(task.inputs.clinical_groups) or "of the questionnaire"
    people = facts.size
    told = {
        "1 title": f"{task.name}: {task.en}",
        "2 abstract": f"{task.en}; {model.get('kind')}; {size}; {facts.validity}",
        "3a context": "hospitals lose patients from follow-up and find disease late; outreach capacity is small",
        "3b population and purpose": f"{criteria}; purposes {', '.join(task.purposes)}",
        "3c health inequalities": f"judged by {facts.axes}: {facts.fairness}",
        "4 objectives": "develop, calibrate and evaluate one model version for use in the same hospital",
        "5a data": str(population.get("source", f"lake {facts.provenance.get('lake_manifest', '')[:12]}")),
        "5b dates": str(population.get("dates", population.get("split", "see the split"))),
        "6a setting": "one hospital's records: visits, diagnoses, laboratory, prescriptions, follow-up, online use",
        "6b eligibility": criteria,
        "6c treatments": "treatments are inputs where the catalogue has them; none is assigned by the model",
        "7 preparation": "plausibility, units and codes at ingest, the same for all; values clipped before training",
        "8a outcome": f"{task.outcome.text}, {facts.when}",
        "8b outcome assessors": "from routine records; nobody assessed it for this study",
        "8c blinding": "the outcome was recorded without knowledge of any score",
        "9a choice of predictors": f"clinical groups {groups}",
        "9b definition of predictors": f"{len(facts.inputs)} inputs, defined by VectorSpec "
        f"{facts.provenance.get('vector_spec', '')[:12]}; each is known at the landmark",
        "9c predictor assessors": "routine records; see the source of each group",
        "10 sample size": size if task.kind == "affinity" else f"Riley et al. 2020: {size}",
        "11 missing data": "a null is an input (trees) or its indicator beside the median (logistic); none is imputed",
        "12a use of the data": facts.parts,
        "12b predictors in the analysis": "clipped at percentiles; splines on the first of the logistic candidate",
        "12c model and building": str(model.get("choice", model.get("kind", ""))),
        "12d heterogeneity": "by month in `training backtest`, by department in section fairness",
        "12e performance measures": "AUROC, AUPRC, Brier, slope, intercept, O:E, ICI, net benefit, lift; bootstrap "
        "over patients",
        "12f model updating": facts.calibration,
        "12g model output": "probability = 1 / (1 + exp(-(A x margin + B)))",
        "13 class imbalance": "no resampling and no class weights",
        "14 fairness": "gates on true-positive-rate gap, O:E and slope by group",
        "15 output": "a probability, its band and its reasons; outside the population it refuses by name",
        "16 training against evaluation": str(population.get("split", "")),
        "17 ethics": UNKNOWN + "the hospital's committee; the impact assessment's id stands in the proposal",
        "18a funding": UNKNOWN + "stated by the hospital",
        "18b conflicts of interest": UNKNOWN + "stated by the author of the proposal",
        "18c protocol": "the task's declaration and params.yaml at the code version",
        "18d registration": NONE + "not registered",
        "18e data sharing": NONE + "patient records do not leave the hospital",
        "18f code sharing": f"code version {facts.provenance.get('code_version', 'unknown')}",
        "19 patient involvement": NONE + "patients were not involved in development",
        "20a participants": facts.left_out,
        "20b characteristics": f"{people}; {population.get('rows', population.get('patients', 0))} rows",
        "20c development against evaluation": facts.parts,
        "21 numbers in development": f"{people}; {size}",
        "22 specification": f"model text and scorer.json under digest; {facts.calibration}",
        "23a performance": facts.validity,
        "23b heterogeneity": facts.fairness,
        "24 updating results": NONE + "a first fit; an update is a new version with its own card",
        "25 interpretation": "the risk orders people for a contact or an invitation; it does not say why",
        "26 limitations": "one hospital; routine records; past outreach changes labels"
        + ("; exploratory" if facts.exploratory else ""),
        "27a poor input": f"refused by name: {facts.refused}",
        "27b user interaction": "no expertise beyond reading a band and its reasons; a reviewer sees every value",
        "27c next steps": "external validation with at least 100 events; a trial of its use",
    }
    other = {"affinity": lists.TRIPOD_AI, "prevalent": self_tests.TRIPOD_AI}.get(task.kind, {})
    return _filled(told | other)


def _filled(told: dict[str, str]) -> dict[str, str]:
    return {name: text.strip() or UNKNOWN + "this kind of run does not record it" for name, text in told.items()}
