"""The desk: all that a worker holds, and the one thread on which its longer work is done.

Stores and models are used by that thread, or, while it has nothing to do, by the event loop itself,
for a single score costs less than handing it over: never by both, so nothing needs a lock. Probes
are answered between, and entries are appended in the order asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from features.errors import InputError
from features.store import EventStore
from serving import metrics, production
from serving.access import Keys
from serving.appender import TURNS, Answered, Overtaken
from serving.catalogue import Catalogue
from serving.clock import Clock
from serving.freshness import Freshness
from serving.front import ready
from serving.identities import Identities
from serving.jobs import Jobs
from serving.journal import log, where
from serving.ledger import Handed, Ledger, LedgerUnavailable, Work
from serving.models import Models
from serving.problem import Problem
from serving.sealing import restore
from serving.sessions import Sessions
from serving.settings import serving
from serving.shelf import Shelf
from serving.stores import event_store
from serving.watchman import Exceeded, Watchman
from training.affinity.item import Item

Given = ParamSpec("Given")
Found = TypeVar("Found")


class Desk:
    """State of one worker.

    Parameters
    ----------
    home
        State folder: events.db, ledger.db, models/, keys.json.
    clock
        What tells now.

    Notes
    -----
    `open` does what needs the disk. A part that cannot be opened leaves the worker alive and not
    ready: `faults` names it, and every route that needs it answers 503.
    """

    def __init__(self, home: Path, clock: Clock) -> None:
        self.home, self.clock, self.settings = home, clock, serving()
        self.identities = Identities(home)
        self.keys, self.sessions = Keys(home), Sessions(home, self.settings.session_minutes)
        self.faults: dict[str, str] = {}
        self.opened = False
        self.waiting, self._stamped, self._mark = 0, 0, 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="desk")
        self._handed, self._counting = 0, threading.Lock()
        self._on_loop, self._held = False, list[Handed[Any]]()

    store: EventStore
    shelf: Shelf
    ledger: Ledger
    watchman: Watchman
    models: Models
    freshness: Freshness
    catalogue: Catalogue
    jobs: Jobs
    _beside: list[asyncio.Task[None]]

    async def open(self) -> None:
        """Open store, ledger and models on the desk's thread, and watch from then on what is in production."""
        await self._aside(self._open)
        self.jobs = Jobs(self)
        self._beside = [asyncio.create_task(each) for each in (self._watch(), self.jobs.work())]

    def _open(self) -> None:
        def store() -> None:
            self.store = event_store(self.home)
            self.shelf = Shelf(self.home, self.settings.shelf)
            self.catalogue = Catalogue(self.store)

        def ledger() -> None:
            self.ledger = Ledger(self.home / "ledger.db")
            self.watchman = Watchman(self.ledger, self.settings.watch)
            restore(self.home, self.ledger, self.store, self.clock.now())

        def models() -> None:
            self._mark = production.mark(self.ledger)
            found = Models.approved(self.home, production.standing(self.ledger))
            if not found.served:
                raise InputError("no approved model", where="models", remedy="run python -m serving approve")
            self._take(found)

        for part, opens in (("store", store), ("ledger", ledger), ("models", models)):
            if self.opened and part not in self.faults:
                continue
            try:
                opens()
            except Exception as fault:
                if part not in self.faults:
                    log().error("not opened", part=part, **where(fault))
                self.faults[part] = type(fault).__name__
            else:
                self.faults.pop(part, None)
        self.opened = True

    async def _watch(self) -> None:
        """Look every now and then; whatever goes wrong is logged and tried again."""
        while True:
            await asyncio.sleep(self.settings.look_seconds)
            try:
                await self.look()
            except Exception as fault:
                log().error("not renewed", **where(fault))

    async def look(self) -> None:
        """Take up what was approved or rolled back since, and open what could not be opened.

        New models are built on a thread of their own while the old ones score, and what a new recommender
        shows is read there too; then one reference is swapped, on the desk's thread, between two questions.
        """
        loop = asyncio.get_running_loop()
        if self.faults:
            await self._aside(self._open)
            return
        wanted = await self._aside(self._wanted)
        if wanted is not None:
            mark, standing = wanted
            items = await self._aside(lambda: self.catalogue.items)
            built = await loop.run_in_executor(None, self._built, standing, items)
            await self._aside(lambda: self._take(built))
            self._mark = mark

    def _wanted(self) -> tuple[int, Mapping[str, production.Standing]] | None:
        mark = production.mark(self.ledger)
        if mark == self._mark and not self.models.touched(self.home):
            return None
        return mark, production.standing(self.ledger)

    def _built(self, standing: Mapping[str, production.Standing], items: tuple[Item, ...]) -> Models:
        """Return models that are ready to answer; a new recommender's front is read over a connection of its own."""
        built = Models.approved(self.home, standing, self.models)
        recommender = built.recommender
        if recommender is not None and recommender is not self.models.recommender:
            with contextlib.closing(event_store(self.home)) as store:
                ready(recommender, store, items, self.clock.now())
        return built

    def _take(self, built: Models) -> None:
        for task in built.served:
            metrics.FAULTS.labels(task)
        self.freshness = Freshness(built.plan.columns, self.settings, self.store.last_known)
        self.models = built

    def stamp(self) -> int:
        """Return the known_at of what is delivered now: the clock's instant, never an earlier one than before."""
        self._stamped = max(self._stamped, self.clock.now())
        return self._stamped

    async def close(self) -> None:
        def closing() -> None:
            for part in ("store", "shelf", "ledger"):
                with contextlib.suppress(AttributeError):
                    getattr(self, part).close()

        for each in self._beside:
            each.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        await self._aside(closing)
        self._thread.shutdown()

    async def run(
        self, work: Callable[Given, Found | Future[Found]], *args: Given.args, **kwargs: Given.kwargs
    ) -> Found:
        """Run work on the desk's thread; where it hands something to the ledger, wait until that is durable.

        Work whose judgement was overtaken by a change of consent is run again; where the same request
        was answered meanwhile, under its idempotency key, that answer is given.

        Raises
        ------
        Problem
            429 where too many wait already, 503 where a part is not open or nothing can be recorded.
        """
        return await self._run(self._aside, lambda: work(*args, **kwargs))

    async def score(
        self, work: Callable[Given, Found | Future[Found]], *args: Given.args, **kwargs: Given.kwargs
    ) -> Found:
        """Run work that takes some milliseconds and writes nothing itself, as `run` does.

        It is done on the event loop where the desk's thread is idle and no store lies behind a network.
        """
        return await self._run(self._here, lambda: work(*args, **kwargs))

    async def _run(
        self,
        turn: Callable[[Callable[[], Found | Future[Found]]], Awaitable[Found | Future[Found]]],
        work: Callable[[], Found | Future[Found]],
    ) -> Found:
        if self.faults:
            raise Problem(503, f"not ready: {', '.join(self.faults)}", code="not_ready")
        if self.waiting >= self.settings.waiting_limit:
            raise Problem(429, "too many requests wait; send this one again later")
        self.waiting += 1
        try:
            for _ in range(TURNS):
                found = await turn(work)
                if not isinstance(found, Future):
                    return found
                with contextlib.suppress(Overtaken):
                    return await self._recorded(found)
            raise Problem(503, "consents change too fast; send this request again later")
        except Answered as again:
            return again.body  # type: ignore[return-value]  # whatever keeps an answer returns one
        except Exceeded as over:
            principal, why = over.principal, over.why
            await self._aside(lambda: self.watchman.freeze(principal, why))
            raise Problem(429, f"{why}: this key is frozen", code="quota_exceeded") from None
        except LedgerUnavailable:
            raise Problem(503, "the decision cannot be recorded, so it is not answered", code="no_ledger") from None
        finally:
            self.waiting -= 1

    async def _aside(self, work: Callable[[], Found]) -> Found:
        """Run work on the desk's thread."""
        with self._counting:
            self._handed += 1
        handed = self._thread.submit(work)
        handed.add_done_callback(self._done)
        return await asyncio.wrap_future(handed)

    def _done(self, _handed: Future[Any]) -> None:
        with self._counting:
            self._handed -= 1

    async def _here(self, work: Callable[[], Found]) -> Found:
        """Run work at once where the desk's thread is idle, else on that thread."""
        if self._handed or not self.near:
            return await self._aside(work)
        self._on_loop = True
        try:
            return work()
        finally:
            self._on_loop = False

    def hand(self, work: Work[Found]) -> Future[Found]:
        """Have work appended to the ledger, as `Ledger.hand`; from the event loop `_recorded` sees to it."""
        if not self._on_loop:
            return self.ledger.hand(work)
        self._held.append(Handed(work))
        return self._held[-1]

    async def _recorded(self, handed: Future[Found]) -> Found:
        """Wait until what was handed in is durable.

        From the event loop everybody else who is asking is heard first, on the loop's next turn, and judged on
        the one after: then all are recorded here in one transaction, for two threads would wait for each
        other's turn to run. While another process appends, the clerk waits for it.
        """
        if handed in self._held:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        if handed in self._held:
            held, self._held = self._held, []
            self.ledger.now(held)
        return handed.result() if handed.done() else await asyncio.wrap_future(handed)

    async def readiness(self) -> tuple[str, ...]:
        """Return what keeps the worker from answering, by name; empty when all stands."""
        if self.faults:
            return tuple(self.faults)
        return await self._aside(self._unsound)

    @property
    def near(self) -> bool:
        """Say whether events and ledger are files of this machine."""
        return self.ledger.near and self.store.near

    def _unsound(self) -> tuple[str, ...]:
        wrong = list(self.models.unsound())
        try:
            with self.ledger.writing():
                pass
        except LedgerUnavailable:
            wrong.append("ledger")
        try:
            self.store.last_seq()
        except Exception:  # whatever the database's driver raises
            wrong.append("store")
        return tuple(wrong)
