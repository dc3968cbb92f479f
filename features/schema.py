"""Canonical tables: what a lake may hold, column by column.

A lake is a folder with one folder of Parquet files per table. Every table is optional, and so is
every column that is not required; unknown columns are kept. Ids are strings, instants are UTC
microseconds. ``time`` is when a fact happened, ``known_at`` when the hospital could see it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from features.errors import InputError

Kind = Literal["string", "float", "int", "bool", "instant", "strings"]

ARROW: dict[str, pa.DataType] = {
    "string": pa.string(),
    "float": pa.float64(),
    "int": pa.int64(),
    "bool": pa.bool_(),
    "instant": pa.timestamp("us", tz="UTC"),
    "strings": pa.list_(pa.string()),
}


@dataclass(frozen=True)
class Column:
    """One column: its kind, its unit where it has one, and what it means.

    ``of`` names the column that it is made of when a table is read, where no file holds it.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    required: bool = False
    of: str = ""


@dataclass(frozen=True)
class Table:
    """One canonical table. ``per_patient`` tables carry ``patient_id`` on every row.

    ``further`` columns are read where they are there: most are made of others (``features.made``).
    """

    name: str
    meaning: str
    own: tuple[Column, ...]
    clinical: bool = False
    per_patient: bool = True
    further: tuple[Column, ...] = ()

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns: the event columns, the code columns of a clinical table, its own."""
        if not self.per_patient:
            return self.own
        return EVENT + (CODE if self.clinical else ()) + self.own

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def readable(self) -> tuple[Column, ...]:
        """All columns that may be read: those of the table, and the further ones."""
        return self.columns + self.further

    def column(self, name: str) -> Column:
        """Return the column of that name, a further one too, or raise InputError naming the nearest."""
        for column in self.readable:
            if column.name == name:
                return column
        known = tuple(column.name for column in self.readable)
        raise InputError(f"no column '{name}'", where=f"table {self.name}", given=name, known=known)

    def arrow(self) -> pa.Schema:
        return pa.schema([(column.name, ARROW[column.kind]) for column in self.columns])


EVENT = (
    Column("patient_id", "string", "surrogate of the patient", required=True),
    Column("time", "instant", "when it happened", required=True),
    Column("known_at", "instant", "when the hospital could see it; absent: the time itself"),
    Column("source", "string", "which system said so"),
    Column("event_id", "string", "names the event across its versions; absent: a digest of the row"),
    Column("version", "int", "higher replaces lower from its known_at on; absent: 1"),
    Column("void", "bool", "true retracts the event from its known_at on; absent: false"),
)
CODE = (
    Column("code_system", "string", "ICD-10, ICD-10-CM, ICD-9-CM, SNOMED CT, LOINC, ATC, RxNorm or a local name"),
    Column("code", "string", "the code in that system"),
    Column("display", "string", "the name that came with the code"),
)

_TABLES = (
    Table(
        "patients",
        "one person, one record",
        (
            Column("birth_date", "instant", "date of birth"),
            Column("sex", "string", "female, male, other or unknown"),
            Column("region_code", "string", "GB/T 2260 code of the home county"),
            Column("insurance", "string", "kind of insurance"),
            Column("registered_at", "instant", "first registration at the hospital"),
            Column("deceased_at", "instant", "death, where it is known"),
        ),
        further=(Column("region_kind", "string", "district, county or city of county rank", of="region_code"),),
    ),
    Table(
        "family_history",
        "a relative's disease",
        (Column("relation", "string", "father, mother, sibling, child, other"),),
        clinical=True,
    ),
    Table(
        "encounters",
        "visits: booked, happened, missed or cancelled",
        (
            Column("kind", "string", "outpatient, emergency, inpatient, online, pharmacy, follow_up, check_up, home"),
            Column("department", "string", "department visited"),
            Column("end", "instant", "end of the visit or stay"),
            Column("status", "string", "planned, in_progress, finished, cancelled, no_show"),
            Column("fee", "float", "what was charged", unit="CNY"),
        ),
    ),
    Table("diagnoses", "a diagnosis; time is its stated onset where there is one", (), clinical=True),
    Table(
        "observations",
        "laboratory results, vital signs, device readings, answers",
        (
            Column("value", "float", "the number in the codelist's unit"),
            Column("unit", "string", "unit of the value"),
            Column("text", "string", "the answer, where it is not a number"),
            Column("context", "string", "circumstance of the measurement: fasting, 2h, resting ..."),
            Column("origin", "string", "laboratory, clinic, device or patient"),
        ),
        clinical=True,
    ),
    Table(
        "prescriptions",
        "a medicine prescribed or dispensed",
        (
            Column("days_supply", "float", "days the quantity lasts", unit="d"),
            Column("quantity", "float", "units dispensed"),
        ),
        clinical=True,
    ),
    Table(
        "care_plans",
        "an agreed plan of follow-up",
        (
            Column("kind", "string", "what the plan is for"),
            Column("start", "instant", "first day of the plan"),
            Column("end", "instant", "last day of the plan"),
            Column("next_due", "instant", "when its next step falls due"),
        ),
    ),
    Table(
        "status_changes",
        "the patient's standing with the hospital",
        (Column("kind", "string", "transferred, moved, opted_out, back"),),
    ),
    Table(
        "interactions",
        "what a patient did on line",
        (
            Column("channel", "string", "app, mini_program, wechat, sms, phone, web, in_person"),
            Column("action", "string", "login, view, like, comment, bookmark, follow, share, finish, search, check_in"),
            Column("content_id", "string", "the item, where there is one"),
            Column("dwell_s", "float", "time spent", unit="s"),
            Column("completed", "bool", "read or watched to the end"),
            Column("rating", "float", "what the patient gave the item, on any scale"),
            Column("list_id", "string", "the list it was chosen from"),
        ),
        further=(
            Column("local_hour", "int", "hour of the day in the hospital's zone, 0 to 23", of="time"),
            Column("content_topics", "strings", "topics of the item, as its row stood then", of="content_id"),
            Column("content_layer", "string", "layer of the item, as its row stood then", of="content_id"),
            Column("content_format", "string", "format of the item, as its row stood then", of="content_id"),
        ),
    ),
    Table(
        "impressions",
        "an item shown in a list",
        (
            Column("list_id", "string", "the list"),
            Column("content_id", "string", "the item"),
            Column("slot", "int", "place in the list, from 1"),
            Column("policy_version", "string", "what ordered the list"),
            Column("propensity", "float", "probability of this item in this slot, given what it was drawn from"),
            Column("sampled", "strings", "items that the slot was drawn from, where one was drawn"),
            Column("clicked", "bool", "whether it was opened"),
        ),
    ),
    Table(
        "feedback",
        "a rating given by the patient",
        (
            Column("rating", "float", "0 to 10"),
            Column("dimension", "string", "what was rated: nps, doctor, waiting, content ..."),
        ),
    ),
    Table(
        "contacts",
        "an outreach to the patient; each change of status is a new version",
        (
            Column("contact_id", "string", "names the contact"),
            Column("decision_id", "string", "the decision behind it"),
            Column("list_id", "string", "the list that was sent"),
            Column("campaign", "string", "the campaign it belongs to"),
            Column("channel", "string", "by which channel"),
            Column("arm", "string", "experiment arm"),
            Column("propensity", "float", "probability of that arm"),
            Column("status", "string", "queued, sent, delivered, read, replied, failed, refused"),
        ),
    ),
    Table(
        "consents",
        "a consent given, and perhaps withdrawn in a later version",
        (
            Column("purpose", "string", "one of the closed list of purposes"),
            Column("basis", "string", "consent, or a rule id approved by compliance"),
            Column("categories", "strings", "kinds of data it covers"),
            Column("granted_at", "instant", "when it was given"),
            Column("withdrawn_at", "instant", "when it was withdrawn"),
            Column("method", "string", "how it was given"),
            Column("evidence_ref", "string", "the document that proves it"),
            Column("notice_version", "string", "notice the patient was shown"),
            Column("notice_hash", "string", "its digest"),
            Column("separate", "bool", "asked for on its own, not bundled"),
            Column("guardian", "bool", "given by a guardian"),
            Column("automated_decision", "string", "allowed or objected"),
        ),
    ),
    Table(
        "contents",
        "articles, videos and other items",
        (
            Column("content_id", "string", "the item", required=True),
            Column("title", "string", "its title"),
            Column("topics", "strings", "what it is about"),
            Column("layer", "string", "basic, advanced or interactive"),
            Column("format", "string", "article, short_video, livestream, comic, h5"),
            Column("language", "string", "language it is written or spoken in"),
            Column("department", "string", "department behind it"),
            Column("author", "string", "staff surrogate of the author"),
            Column("published_at", "instant", "when it was published"),
            Column("expires_at", "instant", "when its review lapses"),
            Column("reviewers", "strings", "staff surrogates of the doctors who reviewed it"),
            Column("contraindications", "strings", "codelists and life stages that must not see it"),
            Column("min_age", "float", "youngest age", unit="a"),
            Column("sensitive", "bool", "needs consent for that purpose"),
        ),
        further=(Column("known_at", "instant", "since when this row holds; absent: published_at, else always"),),
        per_patient=False,
    ),
    Table(
        "observed",
        "when a source really watched a patient's table",
        (
            Column("patient_id", "string", "the patient", required=True),
            Column("table", "string", "the canonical table watched", required=True),
            Column("start", "instant", "from"),
            Column("end", "instant", "until; absent: still watching"),
        ),
        per_patient=False,
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _TABLES}
EVENT_TABLES: tuple[str, ...] = tuple(table.name for table in _TABLES if table.per_patient)


def table(name: str) -> Table:
    """Return the canonical table of that name, or raise InputError naming the nearest."""
    if name not in TABLES:
        raise InputError(f"no table '{name}'", where="features.schema", given=name, known=tuple(TABLES))
    return TABLES[name]
