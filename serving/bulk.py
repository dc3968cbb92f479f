"""Scores of a whole lake: in buckets of patients, every decision on record, taken up again where it was stopped.

Vectors and explanations are computed for many rows at once; consent is judged row by row, from the
lake and from what the service has stored since, and again where it changed before the record.
"""

from __future__ import annotations

import functools
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.engine import Engine
from features.errors import InputError
from features.lake import Lake
from features.params import general
from features.progress import track
from features.schema import table as named
from features.watch import OBSERVED
from serving import production
from serving.access import Principal
from serving.appender import TURNS, Appender, Overtaken
from serving.clock import Clock
from serving.consent import latest, plain, standing
from serving.decide import unfit
from serving.draft import Draft
from serving.freshness import Freshness
from serving.ledger import Ledger
from serving.models import Models, Served, declared
from serving.question import Question
from serving.scores import SCHEMA, rows
from serving.scoring import told
from serving.settings import serving
from serving.sheet import Format, table, write
from serving.stores import event_store

CHUNK = 500
"""Patients whose decisions are recorded in one transaction and written into one part."""
_ASIDE = {name: tuple(column.name for column in named(name).columns) for name in ("consents", "patients")}
"""What consent is judged by."""
_FORMATS: Mapping[str, Format] = {".parquet": "parquet", ".csv": "csv", ".ndjson": "ndjson"}


@dataclass(frozen=True)
class Counts:
    """What became of the rows; ``refused`` by code."""

    scored: int
    refused: Mapping[str, int]


class Bulk:
    """One run over a lake.

    Parameters
    ----------
    home
        State folder: the approved models, the ledger and its keys, and consents stored since.
    lake
        What is scored.
    tasks
        Tasks, by name.
    clock
        What tells now; a pinned one is the landmark of every row.
    purpose
        What for; None for the first purpose that all the tasks serve.
    identity
        Whose name the decisions carry.
    engine
        What computes the vectors: this process, or Spark. Scores are made and recorded here.

    Raises
    ------
    InputError
        A task without an approved model, or a purpose that a task does not serve.
    """

    def __init__(
        self,
        home: Path,
        lake: Lake,
        tasks: Sequence[str],
        clock: Clock,
        purpose: str | None,
        identity: str,
        engine: Engine = Engine.local,
    ) -> None:
        self._engine = engine
        self._lake, self._clock, self._rules = lake, clock, serving()
        self._at = clock.now()
        self._ledger, self._store = Ledger(home / "ledger.db"), event_store(home)
        everything = production.standing(self._ledger)
        for name in tasks:
            if name not in everything:
                raise InputError(f"no approved model for '{name}'", where="score", given=name, known=tuple(everything))
        self._models = Models.approved(home, {name: everything[name] for name in tasks})
        wrong = [name for name in tasks if name not in self._models.scored]
        if wrong:
            raise InputError("its model cannot be used here", where=f"task {wrong[0]}", remedy="approve another one")
        self._served = {name: self._models.scored[name] for name in tasks}
        self._purpose = purpose or self._common()
        for served in self._served.values():
            if self._purpose not in served.task.purposes:
                raise InputError(
                    f"it does not serve '{self._purpose}'",
                    where=f"task {served.task.name}",
                    given=self._purpose,
                    known=served.task.purposes,
                )
        self._asker = Principal(identity, "outreach", frozenset({"score"}), frozenset({self._purpose}))
        self.freshness = Freshness(self._models.plan.columns, self._rules, self._last_known)

    def close(self) -> None:
        self._ledger.close()
        self._store.close()

    def write(self, out: Path) -> Counts:
        """Score every patient of the lake into one file; a run that was stopped goes on where it stood.

        Raises
        ------
        InputError
            The file's ending is not one we write, or parts of another run stand beside it.
        """
        if out.suffix not in _FORMATS:
            raise InputError(f"cannot write '{out.suffix}'", where="--out", known=tuple(_FORMATS), given=out.suffix)
        patients = pa.array(self._lake.patients(), pa.string())
        parts = out.with_name(out.name + ".parts")
        self._at = _begun(parts, self._same(), self._at)
        swept = self._spread(patients) if self._engine is Engine.spark else None
        read = self._models.plan.columns if swept is None else {}
        columns = {**read, "observed": OBSERVED, **_ASIDE}
        number = self._lake.parts(columns, len(patients), len(patients) * len(self._models.plan.spec.names))
        done = {bucket for bucket in range(number) if (parts / f"{bucket:05d}.done").is_file()}
        left = self._lake.buckets(columns, patients, number, done)
        for bucket, places, tables in track(left, "scores", total=number - len(done)):
            own = patients.take(pa.array(places))
            if swept is None:
                vectors = self._models.plan.vectors(tables, own, np.full(len(own), self._at))
            else:
                vectors = swept[0][places][:, swept[1]]
            aside = {name: _ByPatient(tables[name], own) for name in _ASIDE if name in tables}
            for start in range(0, len(own), CHUNK):
                chunk = _Chunk(own[start : start + CHUNK].to_pylist(), vectors[start : start + CHUNK], aside, start)
                self._chunk(chunk, parts / f"{bucket:05d}-{start:09d}.parquet")
            (parts / f"{bucket:05d}.done").touch()
        files = sorted(parts.glob("*.parquet"))
        write(map(pq.read_table, files), SCHEMA, out, _FORMATS[out.suffix])
        counts = _counted(files)
        shutil.rmtree(parts)
        return counts

    def _spread(self, patients: pa.Array) -> tuple[np.ndarray, list[int]]:
        """Have Spark compute every patient's vector; return them, on disk, and the places of the plan's columns."""
        from features.kept import Kept
        from features.plan import compile_plan
        from features.spark import spread

        groups = declared(tuple(served.task for served in self._served.values()))
        spec, at = compile_plan(groups).spec, np.full(len(patients), self._at)
        names = patients.to_numpy(zero_copy_only=False)
        kept = Kept(self._lake, spec, names, at)
        if not kept.whole:
            spread(kept, self._lake, groups, names, at)
        return np.load(kept.file, mmap_mode="r"), [spec.names.index(name) for name in self._models.plan.spec.names]

    def _chunk(self, chunk: _Chunk, file: Path) -> None:
        """Judge and record some patients, and write their rows: the part is there once they are on record."""
        fresh = file.with_suffix(".new")
        if file.is_file():
            return
        if fresh.is_file() and self._recorded(fresh):
            fresh.replace(file)
            return
        for _ in range(TURNS):
            drafts = self._drafts(chunk)

            def work(appender: Appender, drafts: list[tuple[str, list[Draft]]] = drafts) -> None:
                for _, each in drafts:
                    for draft in each:
                        draft.record(appender)
                answers = [{"patient_id": who, "decisions": [draft.answer for draft in each]} for who, each in drafts]
                pq.write_table(table(rows(answers, self._specs, self._at), SCHEMA), fresh)

            try:
                self._ledger.hand(work).result()
            except Overtaken:
                continue
            fresh.replace(file)
            return
        raise InputError("consents change too fast", where="score", remedy="run the command again: it goes on")

    def _drafts(self, chunk: _Chunk) -> list[tuple[str, list[Draft]]]:
        now = self._clock.now()
        stale, too_old = self.freshness.judge(self._at)
        found = []
        asked: dict[str, list[tuple[int, Draft]]] = {name: [] for name in self._served}
        for place, patient in enumerate(chunk.patients):
            epoch, sealed = self._ledger.epoch(patient), self._ledger.keys.tombstone(patient) is not None
            said = {} if sealed else self._said(chunk, place, patient)
            consents = latest(said.get("consents", ()), now)
            births = (row.get("birth_date") for row in latest(said.get("patients", ()), now))
            consent = standing(
                consents, self._purpose, now, next((b for b in births if b is not None), None), self._rules
            )
            question = Question(patient, tuple(self._served), self._purpose, self._at, now, self._asker)
            drafts = [Draft(question, served, consent, None, epoch) for served in self._served.values()]
            found.append((patient, drafts))
            ill = self._purpose in self._rules.withheld_when_acute and self._models.acute(chunk.vectors[place])
            for name, draft in zip(self._served, drafts, strict=True):
                draft.header["lake"] = self._lake.digest
                if sealed or consent.refusal:
                    draft.refuse("sealed" if sealed else consent.refusal or "")
                elif ill:
                    draft.refuse("acute_flag")
                elif self._served[name].exploratory:
                    draft.refuse("exploratory_model")
                else:
                    asked[name].append((place, draft))
        for name, some in asked.items():
            self._score(self._served[name], some, chunk.vectors, stale, too_old)
        return found

    def _score(
        self,
        served: Served,
        asked: list[tuple[int, Draft]],
        vectors: np.ndarray,
        stale: list[dict[str, Any]],
        too_old: bool,
    ) -> None:
        """Score the rows of one task that nothing forbids: explained all at once."""
        fits: list[tuple[int, Draft]] = []
        for place, draft in asked:
            failed = unfit(served.task, self._models.columns(vectors[place], served.task.cohort.needs))
            if failed:
                draft.refuse(*failed)
            elif too_old:
                draft.refuse("stale")
            else:
                fits.append((place, draft))
        if not fits:
            return
        inputs = self._models.inputs(vectors[[place for place, _ in fits]], served.task.name)
        explained = served.scorer.explain(inputs)
        for number, (_, draft) in enumerate(fits):
            draft.score(told(served, explained, number, inputs[number], {}), stale)

    def _said(self, chunk: _Chunk, place: int, patient: str) -> dict[str, list[dict[str, Any]]]:
        """Return what the lake and the store say of a patient's consents and birth."""
        found = {name: plain(held.of(chunk.first + place)) for name, held in chunk.aside.items()}
        for name, stored in self._store.tables(patient, tuple(_ASIDE)).items():
            found[name] = [*found.get(name, ()), *plain(stored)]
        return found

    def _recorded(self, fresh: Path) -> bool:
        """Say whether the decisions of a part that was not put into place are on record."""
        try:
            first = pq.read_table(fresh, columns=["decision_id"])["decision_id"][0].as_py()
        except (pa.ArrowInvalid, OSError, IndexError):
            return False
        return self._ledger.entry("decision", first) is not None

    @functools.cached_property
    def _specs(self) -> dict[str, str]:
        return {name: served.scorer.spec.digest for name, served in self._served.items()}

    def _common(self) -> str:
        shared = [set(served.task.purposes) for served in self._served.values()]
        found = [purpose for purpose in general().purposes if all(purpose in each for each in shared)]
        if not found:
            raise InputError("these tasks share no purpose", where="--tasks", remedy="score them one by one")
        return found[0]

    def _last_known(self) -> dict[str, int]:
        return self._lasts

    @functools.cached_property
    def _lasts(self) -> dict[str, int]:
        """Return for each event table the latest known_at of the lake."""
        found: dict[str, int] = {}
        for name in self._models.plan.columns:
            for file in self._lake.files.get(name, ()):
                for batch in self._lake.batches(name, file, ("known_at",)):
                    last = pc.max(batch["known_at"]).value
                    if last is not None:
                        found[name] = max(found.get(name, last), last)
        return found

    def _same(self) -> dict[str, Any]:
        """Return what must be the same for a run to be taken up again."""
        models = {name: served.digest for name, served in self._served.items()}
        told = {"lake": self._lake.digest, "models": models, "purpose": self._purpose, "pinned": self._clock.pinned}
        return {**told, "engine": self._engine}


@dataclass(frozen=True)
class _Chunk:
    """Some patients of a bucket, from its ``first`` on: their vectors, and the bucket's tables by patient."""

    patients: list[str]
    vectors: np.ndarray
    aside: Mapping[str, _ByPatient]
    first: int


class _ByPatient:
    """A table whose rows are found by the place of their patient."""

    def __init__(self, rows: pa.Table, patients: pa.Array) -> None:
        whose = pc.index_in(rows["patient_id"].cast(pa.string()), value_set=patients).fill_null(-1).to_numpy()
        order = np.argsort(whose, kind="stable")
        self._rows = rows.take(pa.array(order))
        self._edges = np.searchsorted(whose[order], np.arange(len(patients) + 1))

    def of(self, place: int) -> pa.Table:
        return self._rows.slice(self._edges[place], self._edges[place + 1] - self._edges[place])


def _begun(parts: Path, same: Mapping[str, Any], at: int) -> int:
    """Return the landmark of the run whose parts are there, else begin one at ``at``.

    Raises
    ------
    InputError
        The parts are another run's.
    """
    file, digest = parts / "run.json", hashlib.sha256(orjson.dumps(same, option=orjson.OPT_SORT_KEYS)).hexdigest()
    if file.is_file():
        begun = orjson.loads(file.read_bytes())
        if begun["run"] != digest:
            remedy = f"remove {parts.name}, or name another file"
            raise InputError("parts of another run stand beside it", where="--out", remedy=remedy)
        return int(begun["at"])
    parts.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_bytes(orjson.dumps({"run": digest, "at": at}))
    fresh.replace(file)
    return at


def _counted(files: Sequence[Path]) -> Counts:
    scored, refused = 0, dict[str, int]()
    for file in files:
        for code in pq.read_table(file, columns=["refused"])["refused"].to_pylist():
            if code is None:
                scored += 1
            else:
                refused[code] = refused.get(code, 0) + 1
    return Counts(scored, dict(sorted(refused.items())))
