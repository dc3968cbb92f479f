"""What a patient's next month may bring: rates of contact from latent and managed state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulation.grid import Grid
from simulation.illness import NAMES, NEVER, Illness
from simulation.people import People
from simulation.physiology import Physiology
from simulation.setting import Setting

EARLY_REFILL = 4  # days before the supply ends from which a refill may be fetched
OVERDUE = 21  # days after a planned step from which the patient is reminded
MEDICATED: tuple[bool, ...] = tuple(
    name in ("diabetes", "hypertension", "dyslipidaemia", "coronary_heart_disease", "heart_failure", "stroke", "copd")
    for name in NAMES
)


@dataclass
class Managed:
    """What the hospital's own process has left behind; days of the grid, NEVER where there is none.

    ``last`` contact, ``due`` step of the care plan, ``supply`` end of the medicines at home,
    ``booking`` and ``booked`` (made on), ``known`` diseases (patients, diseases), ``closed``
    those that cannot be newly found (already present, or found).
    """

    last: np.ndarray
    due: np.ndarray
    supply: np.ndarray
    booking: np.ndarray
    booked: np.ndarray
    known: np.ndarray
    closed: np.ndarray


@dataclass(frozen=True)
class Rates:
    """Of one cell: visits a day of one's own accord and the share of acute ones among them, new
    diagnoses a day, refills a day once due, and the probabilities that a booking is honoured and
    that a reminder call happens and is answered."""

    own: np.ndarray
    acute: np.ndarray
    found: np.ndarray
    refill: np.ndarray
    honour: np.ndarray
    call: np.ndarray
    answer: np.ndarray


def sigmoid(x: np.ndarray) -> np.ndarray:
    """The logistic function."""
    return 1.0 / (1.0 + np.exp(-x))


@dataclass(frozen=True)
class Habit:
    """The law of contacts. The same law moves the simulation and gives the truth."""

    people: People
    body: Physiology
    illness: Illness
    grid: Grid
    setting: Setting

    def rates(self, cell: int, managed: Managed) -> Rates:
        """Return the rates of a cell, given what is managed at its beginning.

        They are constant within the cell. What visits leave behind (last contact, planned step,
        known diseases) enters as it stood when the cell began.
        """
        setting, begin = self.setting, self.grid.edges[cell]
        engaged, lagged = self.body.engagement[:, cell], self.body.lagged[:, cell]
        season = 1 + setting.season * np.cos(2 * np.pi * self.grid.months[cell] / 12)
        chronic = np.minimum(managed.known.sum(axis=1), 4)
        idle = np.where(begin - managed.last > setting.habit_days, setting.habit_loss, 1.0)
        age = np.clip((self.body.age[:, cell] - 50) / 10, -2, 3)
        base = np.exp(
            setting.visit_engagement * lagged
            + setting.visit_frailty * self.people.frailty
            + 0.14 * chronic
            + 0.05 * age
        )
        since = begin + 15 - managed.due
        wave = np.where(since < -15, 0.0, np.where(since < 45, 1.0, np.where(since < 120, 0.3, 0.08)))
        wave = np.where(managed.due < NEVER, wave, 0.0) * np.exp(setting.visit_engagement * lagged)
        acute = setting.visit_acute * self.body.acute[:, cell] * np.exp(0.2 * self.people.frailty)
        calm = (setting.visit_rate * base * season + setting.due_rate * wave) * idle
        overdue = (managed.due < NEVER) & (begin - managed.due > OVERDUE) & ~self.people.holdout
        return Rates(
            own=(calm + acute) / 30.0,
            acute=acute / (calm + acute),
            found=self.illness.total(managed.closed, cell),
            refill=np.minimum(setting.refill_rate * np.exp(setting.refill_engagement * engaged), 2.0),
            honour=sigmoid(setting.honour + setting.honour_engagement * engaged),
            call=np.where(overdue, setting.call_rate, 0.0),
            answer=0.6 * sigmoid(-0.6 + engaged),
        )

    def silent(self, cell: int, managed: Managed, days: int) -> np.ndarray:
        """Return the probability of no finished contact in the ``days`` after a cell.

        Given the latent path, and were the patient followed throughout. Along the path on which
        nothing happens the managed state stands still, so that the probability is a product:
        exp(-integral) of the rates, bookings not honoured (nor their rebookings), calls not
        answered.
        """
        grid, keep = self.grid, 1 - self.setting.rebook
        close = grid.edges[cell + 1] + days
        ahead = [each for each in range(cell + 1, grid.cells) if grid.edges[each] < close]
        rates = [self.rates(each, managed) for each in ahead]
        log = np.zeros(len(self.people))
        rebooked: np.ndarray = np.ones(len(self.people))
        booked: np.ndarray = np.ones(len(self.people))
        for each, rate in zip(reversed(ahead), reversed(rates)):
            begin, length = grid.edges[each], grid.days[each]
            stop = min(grid.edges[each + 1], close)
            exposed, share = stop - begin, (stop - begin) / length
            log -= (rate.own + rate.found) * exposed
            log -= rate.refill * np.clip(stop - np.maximum(begin, managed.supply - EARLY_REFILL), 0, None)
            log += np.log1p(-rate.call * rate.answer * share)
            missed = (1 - rate.honour) * (keep + self.setting.rebook * rebooked)
            booked = np.where((managed.booking >= begin) & (managed.booking < stop), missed, booked)
            rebooked = 1 - share + share * missed
        return np.exp(log) * booked
