"""Month by month: who comes, why, what is booked, planned, fetched; and the truth about silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulation.habit import EARLY_REFILL, MEDICATED, Habit, Managed
from simulation.illness import NEVER
from simulation.standing import Standing

OWN, BOOKED, REFILL, CALL, DIAGNOSIS, REGISTRATION = range(6)
HONOURED, MISSED, CANCELLED, PENDING = range(4)
CHURN_DAYS = 90
FILL_AHEAD = 14  # days: a visit also renews medicines that end within them
Log = dict[str, np.ndarray]


@dataclass(frozen=True)
class Visits:
    """Logs, one entry an event, as equally long arrays by name (days of the grid).

    Attributes
    ----------
    contacts
        patient, day, cause, acute, managed: finished contacts.
    bookings
        patient, made, day, outcome.
    calls
        patient, day, answered, spoken (the arm: a call, else a message).
    steps
        patient, day, due: the care plan's next step as set on a day.
    fills
        patient, day: medicines fetched.
    recorded
        Day on which each disease was recorded: (patients, diseases).
    silence
        Per landmark cell, the true probability of no finished contact in 90 days.
    """

    contacts: Log
    bookings: Log
    calls: Log
    steps: Log
    fills: Log
    recorded: np.ndarray
    silence: dict[int, np.ndarray]


def visits(habit: Habit, standing: Standing, rng: np.random.Generator) -> Visits:
    """Run the months of a chunk; a loop over cells, never over patients."""
    return _Course(habit, standing, rng).run()


class _Course:
    def __init__(self, habit: Habit, standing: Standing, rng: np.random.Generator) -> None:
        self.habit, self.standing, self.rng = habit, standing, rng
        self.people, self.illness, self.setting, self.grid = habit.people, habit.illness, habit.setting, habit.grid
        self.count = len(habit.people)
        self.logs: dict[str, list[Log]] = {name: [] for name in ("contacts", "bookings", "calls", "steps", "fills")}
        self.wants_plan = rng.random(self.count) < self.setting.care_plan_share
        self.pending = self.illness.hidden.copy()
        self.recorded = np.full(self.illness.present.shape, NEVER, np.int64)
        self.managed = self._begin()

    def _begin(self) -> Managed:
        """The state of those registered before day 0; the others have none yet."""
        early, illness, rng = self.people.registered < 0, self.illness, self.rng
        known = illness.present & ~illness.hidden & early[:, None]
        self.recorded[known] = np.broadcast_to(self.people.registered[:, None], known.shape)[known]
        chronic = known.any(axis=1)
        none = np.full(self.count, NEVER, np.int64)
        due = np.where(chronic & self.wants_plan, rng.integers(-120, 120, self.count), none)
        self._log("steps", np.flatnonzero(due < NEVER), day=np.maximum(due - 90, self.people.registered), due=due)
        supply = np.where(
            (known & MEDICATED).any(axis=1) & ~self.people.own_pharmacy, rng.integers(-20, 28, self.count), none
        )
        last = np.maximum(-np.floor(rng.exponential(120.0, self.count)).astype(np.int64), self.people.registered)
        return Managed(last, due, supply, none.copy(), none.copy(), known, illness.present.copy())

    def _log(self, log: str, rows: np.ndarray, **columns: np.ndarray) -> None:
        """Append the given patients; columns are one entry a patient."""
        self.logs[log].append({"patient": rows} | {name: values[rows] for name, values in columns.items()})

    def run(self) -> Visits:
        """Simulate every live cell."""
        landmarks = set(self.grid.landmarks.tolist())
        silence = {}
        for cell in range(self.grid.live):
            self._month(cell)
            if cell in landmarks:
                silence[cell] = self.habit.silent(cell, self.managed, CHURN_DAYS)
        open_ = np.flatnonzero(self.managed.booking < NEVER)
        self._log("bookings", open_, made=self.managed.booked, day=self.managed.booking, outcome=self._all(PENDING))
        joined = {
            name: {key: np.concatenate([log[key] for log in logs]) for key in logs[0]}
            for name, logs in self.logs.items()
        }
        return Visits(**joined, recorded=self.recorded, silence=silence)

    def _all(self, value: int) -> np.ndarray:
        return np.full(self.count, value, np.int64)

    def _month(self, cell: int) -> None:
        managed, rng, grid = self.managed, self.rng, self.grid
        begin, close = int(grid.edges[cell]), int(grid.edges[cell + 1])
        active = self.people.registered < begin
        rate = self.habit.rates(cell, managed)
        found: list[tuple[np.ndarray, np.ndarray, int, np.ndarray]] = []

        def within(rows: np.ndarray) -> np.ndarray:
            return begin + np.floor(rng.random(len(rows)) * (close - begin)).astype(np.int64)

        own = np.repeat(np.arange(self.count), np.where(active, rng.poisson(rate.own * (close - begin)), 0))
        found.append((own, within(own), OWN, rng.random(len(own)) < rate.acute[own]))
        fetched = np.maximum(begin, managed.supply - EARLY_REFILL) + rng.exponential(1 / rate.refill)
        refill = np.flatnonzero(active & (managed.supply < NEVER) & (fetched < close))
        found.append((refill, np.floor(fetched[refill]).astype(np.int64), REFILL, np.zeros(len(refill), bool)))
        came = self._bookings(cell, rate.honour)
        found.append((*came, BOOKED, np.zeros(len(came[0]), bool)))
        rang = self._calls(active & (rng.random(self.count) < rate.call), rate.answer, within)
        found.append((*rang, CALL, np.zeros(len(rang[0]), bool)))
        for each in range(self.illness.visit.shape[1]):
            rows = np.flatnonzero((self.illness.visit[:, each] >= begin) & (self.illness.visit[:, each] < close))
            found.append((rows, self.illness.visit[rows, each], DIAGNOSIS, np.zeros(len(rows), bool)))
        new = np.flatnonzero((self.people.registered >= begin) & (self.people.registered < close))
        found.append((new, self.people.registered[new], REGISTRATION, np.zeros(len(new), bool)))
        patient = np.concatenate([rows for rows, *_ in found])
        day = np.concatenate([days for _, days, *_ in found])
        cause = np.concatenate([np.full(len(rows), why) for rows, _, why, _ in found])
        acute = np.concatenate([ill for *_, ill in found])
        kept = self.standing.followed(patient, day)
        order = np.lexsort((day[kept], patient[kept]))
        patient, day, cause, acute = (values[kept][order] for values in (patient, day, cause, acute))
        self._record(begin, close, patient, day, cause)
        managing = ~acute & np.isin(cause, (OWN, BOOKED, DIAGNOSIS, REGISTRATION)) & managed.known[patient].any(axis=1)
        self.logs["contacts"].append(
            {"patient": patient, "day": day, "cause": cause, "acute": acute, "managed": managing}
        )
        managed.last[patient] = day  # sorted by day: the latest stands
        self._manage(cell, patient[managing], day[managing], patient[cause == REFILL], day[cause == REFILL])

    def _bookings(self, cell: int, honour: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Decide this month's bookings; return who came, and when."""
        managed, rng, grid = self.managed, self.rng, self.grid
        rows = np.flatnonzero(managed.booking < grid.edges[cell + 1])
        day = managed.booking[rows]
        here = self.standing.followed(rows, day)
        came = here & (rng.random(len(rows)) < honour[rows])
        outcome = self._all(MISSED)
        outcome[rows[came]] = HONOURED
        outcome[rows[~here | (~came & (rng.random(len(rows)) < 0.5))]] = CANCELLED
        self._log("bookings", rows, made=managed.booked, day=managed.booking, outcome=outcome)
        again = rows[here & ~came & (rng.random(len(rows)) < self.setting.rebook)]
        made = managed.booking[again] + 1
        managed.booking[rows] = managed.booked[rows] = NEVER
        length = grid.days[cell + 1]
        managed.booked[again] = np.minimum(made, grid.edges[cell + 1] - 1)
        managed.booking[again] = grid.edges[cell + 1] + np.floor(rng.random(len(again)) * length).astype(np.int64)
        return rows[came], day[came]

    def _calls(
        self, chosen: np.ndarray, answer: np.ndarray, within: Callable[[np.ndarray], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Remind the chosen; return who answered (a finished follow-up), and when."""
        rows = np.flatnonzero(chosen)
        day = within(rows)
        spoken = self.rng.random(len(rows)) < 0.5
        answered = self.rng.random(len(rows)) < answer[rows] * np.where(spoken, 4 / 3, 2 / 3)
        here = self.standing.followed(rows, day)
        self.logs["calls"].append(
            {"patient": rows[here], "day": day[here], "answered": answered[here], "spoken": spoken[here]}
        )
        return rows[answered], day[answered]

    def _record(self, begin: int, close: int, patient: np.ndarray, day: np.ndarray, cause: np.ndarray) -> None:
        """Write down what is found this month, and some of what was overlooked."""
        managed, illness = self.managed, self.illness
        due = (illness.visit >= begin) & (illness.visit < close)
        rows, which = np.nonzero(due)
        seen = self.standing.followed(rows, illness.visit[rows, which])
        self.recorded[rows[seen], which[seen]] = illness.visit[rows[seen], which[seen]]
        self.pending[rows[~seen], which[~seen]] = True
        managed.closed |= due
        managed.known[rows[seen], which[seen]] = True
        new = patient[cause == REGISTRATION]
        open_ = illness.present[new] & ~illness.hidden[new]
        managed.known[new] |= open_
        self.recorded[new] = np.where(open_, self.people.registered[new][:, None], self.recorded[new])
        later = np.unique(patient)
        latest = np.full(self.count, NEVER, np.int64)
        latest[patient] = day
        late = self.pending[later] & (self.rng.random((len(later), managed.known.shape[1])) < 0.3)
        late &= latest[later][:, None] > self.people.registered[later][:, None]
        managed.known[later] |= late
        self.pending[later] &= ~late
        self.recorded[later] = np.where(late, latest[later][:, None], self.recorded[later])

    def _manage(
        self, cell: int, seen: np.ndarray, day: np.ndarray, fetched: np.ndarray, fetched_on: np.ndarray
    ) -> None:
        """Let the month's managed visits and refills set supply, plan and the next booking."""
        managed, people, rng = self.managed, self.people, self.rng
        close, length = int(self.grid.edges[cell + 1]), self.grid.days[cell + 1]
        managed.supply[fetched] = fetched_on + people.supply[fetched]
        self.logs["fills"].append({"patient": fetched, "day": fetched_on})
        last = np.r_[seen[1:] != seen[:-1], True] if len(seen) else np.zeros(0, bool)
        seen, day = seen[last], day[last]
        medicated = (managed.known[seen] & MEDICATED).any(axis=1) & ~people.own_pharmacy[seen]
        ending = np.where(managed.supply[seen] < NEVER, managed.supply[seen] <= day + FILL_AHEAD, True)
        filled = medicated & ending
        managed.supply[seen[filled]] = day[filled] + people.supply[seen[filled]]
        self.logs["fills"].append({"patient": seen[filled], "day": day[filled]})
        planned = self.wants_plan[seen]
        jitter = np.floor(rng.normal(0, 4, len(seen))).astype(np.int64)
        due = day + people.interval[seen]
        managed.due[seen[planned]] = due[planned]
        self.logs["steps"].append({"patient": seen[planned], "day": day[planned], "due": due[planned]})
        books = (managed.booking[seen] >= NEVER) & (rng.random(len(seen)) < self.setting.booking_rate)
        to = np.maximum(due + jitter, close + np.floor(rng.random(len(seen)) * length * 0.3).astype(np.int64))
        managed.booking[seen[books]], managed.booked[seen[books]] = to[books], day[books]
