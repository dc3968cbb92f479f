"""The watchman: quotas as declared with a key, and freezing whoever's access is abnormal, on every worker at once.

All counts live in the ledger's database. Patients are counted in the transaction that records what
was done with them, so a principal cannot outrun the count by asking several workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from features import instants
from features.params import general
from serving.access import Principal
from serving.appender import Appender
from serving.ledger import Ledger, LedgerUnavailable
from serving.problem import Problem
from serving.settings import Watch

if TYPE_CHECKING:
    from serving.desk import Desk

WINDOW_S, DAY_S = 600, 86_400
DENIALS, MISSES = "denials", "misses"
_SPANS = (WINDOW_S, DAY_S)
_MET = "INSERT INTO met (principal, span, slot, subject) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_COUNT = (
    "INSERT INTO counts (principal, what, slot, n) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (principal, what, slot) DO UPDATE SET n = counts.n + excluded.n"
)
_READ = "SELECT n FROM counts WHERE principal = ? AND what = ? AND slot = ?"
_FREEZE = "INSERT INTO frozen (principal, at, why) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"


class Exceeded(Exception):
    """A principal met more patients than its key declares."""

    def __init__(self, principal: str, span: int, limit: int) -> None:
        super().__init__(principal)
        self.principal, self.span, self.limit = principal, span, limit

    @property
    def why(self) -> str:
        return f"more than {self.limit} patients in {'a day' if self.span == DAY_S else '10 minutes'}"


class Watchman:
    """Counts and freezes for one worker.

    Parameters
    ----------
    ledger
        Whose database holds the counts.
    rules
        Limits of denials and of ids that are not there.
    """

    def __init__(self, ledger: Ledger, rules: Watch) -> None:
        self._ledger, self._rules = ledger, rules
        self._seen: set[tuple[str, int, int, str]] = set()
        self._slots: dict[str, int] = {}
        self._used: dict[tuple[str, int, int], int] = {}

    def meet(self, appender: Appender, principal: Principal, subjects: Iterable[str]) -> None:
        """Count the patients that a principal deals with, in the transaction that records it.

        Raises
        ------
        Exceeded
            There are more than its key declares.
        """
        now, named = int(time.time()), tuple(subjects)
        self._prune(appender, principal.name, now)
        for span, limit in zip(_SPANS, (principal.patients_10min, principal.patients_day), strict=True):
            slot = now // span
            fresh = [each for each in named if (principal.name, span, slot, each) not in self._seen]
            if not fresh:
                continue
            added = appender.many(_MET, [(principal.name, span, slot, each) for each in fresh])
            if added:
                appender.run(_COUNT, (principal.name, f"patients {span}", slot, added))
            used = self._count(appender.rows(_READ, (principal.name, f"patients {span}", slot)))
            self._used[principal.name, span, slot] = used
            if used > limit:
                raise Exceeded(principal.name, span, limit)
            self._seen.update((principal.name, span, slot, each) for each in fresh)

    def _prune(self, appender: Appender, principal: str, now: int) -> None:
        slot = now // WINDOW_S
        if self._slots.get(principal) == slot:
            return
        self._slots[principal] = slot
        self._seen = {each for each in self._seen if each[0] != principal}
        self._used = {each: n for each, n in self._used.items() if each[0] != principal}
        for span in _SPANS:
            appender.run(
                "DELETE FROM met WHERE principal = ? AND span = ? AND slot < ?", (principal, span, now // span)
            )

    @staticmethod
    def _count(rows: list[tuple[Any, ...]]) -> int:
        return int(rows[0][0]) if rows else 0

    def frozen(self, principal: str) -> str | None:
        """Return why a principal is frozen, or None."""
        found = self._ledger.read("SELECT why FROM frozen WHERE principal = ?", (principal,))
        return str(found[0][0]) if found else None

    def freeze(self, principal: str, why: str, by: str = "watchman") -> None:
        """Freeze a principal: its next request is refused, whichever worker it reaches."""
        now = time.time_ns() // 1000
        with self._ledger.writing() as appender:
            if appender.run(_FREEZE, (principal, now, why)):
                header = {"principal": principal, "why": why, "by": by, "at": instants.iso(now)}
                appender.append("freeze", uuid.uuid4().hex, header, {})

    def unfreeze(self, principal: str, persons: tuple[str, str]) -> bool:
        """Let a principal in again; two persons decide it. Return whether it was frozen."""
        now = time.time_ns() // 1000
        with self._ledger.writing() as appender:
            gone = appender.run("DELETE FROM frozen WHERE principal = ?", (principal,))
            appender.run("DELETE FROM counts WHERE principal = ?", (principal,))
            appender.run("DELETE FROM met WHERE principal = ?", (principal,))
            if gone:
                header = {"principal": principal, "persons": list(persons), "at": instants.iso(now)}
                appender.append("unfreeze", uuid.uuid4().hex, header, {})
        return bool(gone)

    def refused(self, principal: Principal, route: str, code: str, status: int) -> None:
        """Record a denial, or count an id that is not there; freeze whoever collects too many."""
        now = int(time.time())
        denied = status == 403
        what, most = (DENIALS, self._rules.denials_10min) if denied else (MISSES, self._rules.misses_10min)
        with self._ledger.writing() as appender:
            appender.run(_COUNT, (principal.name, what, now // WINDOW_S, 1))
            count = self._count(appender.rows(_READ, (principal.name, what, now // WINDOW_S)))
            if denied:
                told = {"principal": principal.name, "role": principal.role, "route": route, "code": code}
                at = instants.iso(time.time_ns() // 1000)
                appender.append("denial", uuid.uuid4().hex, {**told, "department": principal.department, "at": at}, {})
        if count > most:
            self.freeze(principal.name, f"more than {most} {what} in 10 minutes")

    def quotas(self, principal: Principal) -> list[dict[str, Any]]:
        """Return each quota: name, limit, used and seconds until it begins anew."""
        now, told = int(time.time()), []
        pairs = zip(("patients_10min", "patients_day"), _SPANS, strict=True)
        for name, span in pairs:
            used = self._count(self._ledger.read(_READ, (principal.name, f"patients {span}", now // span)))
            told.append(
                {
                    "name": name,
                    "limit": getattr(principal, name),
                    "used": used,
                    "window_s": span,
                    "resets_in_s": span - now % span,
                }
            )
        return told

    def headers(self, principal: Principal) -> list[tuple[bytes, bytes]]:
        """Return the RateLimit headers, from what this worker last counted."""
        now = int(time.time())
        limit, slot = principal.patients_10min, now // WINDOW_S
        left = max(0, limit - self._used.get((principal.name, WINDOW_S, slot), 0))
        resets = WINDOW_S - now % WINDOW_S
        policy = f'"patients";q={limit};w={WINDOW_S}, "patients-day";q={principal.patients_day};w={DAY_S}'
        return [
            (b"ratelimit-policy", policy.encode()),
            (b"ratelimit", f'"patients";r={left};t={resets}'.encode()),
        ]


def in_hours(principal: Principal) -> bool:
    """Say whether it is now within the hours that the key declares, in params.timezone."""
    first, last = principal.hours
    return (first, last) == (0, 24) or first <= datetime.now(general().zone).hour < last


async def admit(desk: Desk, principal: Principal) -> None:
    """Let a request in whose principal is not frozen and within its hours.

    Raises
    ------
    Problem
        403 for a frozen principal, and out of hours, which freezes; 503 where it cannot be known.
    """
    if not desk.opened or "ledger" in desk.faults:
        return
    try:
        why = await _aside(desk, desk.watchman.frozen, principal.name)
        if why is None and not in_hours(principal):
            why = "out of its hours"
            await _aside(desk, desk.watchman.freeze, principal.name, why)
    except LedgerUnavailable:
        raise Problem(503, "it cannot be known whether this key is frozen", code="no_ledger") from None
    if why is not None:
        raise Problem(403, "this key is frozen; two administrators can let it in again", code="frozen")


async def noted(desk: Desk, principal: Principal, route: str, code: str, status: int) -> None:
    """Record a refusal before it leaves; one that cannot be recorded is still a refusal."""
    if desk.opened and "ledger" not in desk.faults:
        with contextlib.suppress(LedgerUnavailable):
            await asyncio.get_running_loop().run_in_executor(
                None, desk.watchman.refused, principal, route, code, status
            )


async def _aside(desk: Desk, work: Any, *given: str) -> Any:
    """Run a look into the database: at once where it is a file, on a thread where it is far away."""
    if desk.ledger.near and work == desk.watchman.frozen:
        return work(*given)
    return await asyncio.get_running_loop().run_in_executor(None, work, *given)
