"""On line: log-ins, lists shown by a policy whose propensities are exact, and what is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulation.chunk import Chunk
from simulation.content import ITEMS, TOPICS, Catalogue
from simulation.habit import sigmoid
from simulation.illness import NAMES, NEVER
from simulation.rows import Rows, Words, taken
from simulation.sheet import choose
from simulation.tastes import OF_DISEASE, RAISED, Tastes

SLOTS = 4
POLICY = "segment-2024"
CHANNELS = ("app", "mini_program", "wechat")
LOGINS, LISTED, SOUGHT = 0.9, 0.25, 0.35
"""Log-ins a month at mean engagement, the share of them that opens a list, readings sought a month."""
DWELL = np.array([75.0, 40.0, 600.0, 50.0, 65.0])  # seconds, medians by format


@dataclass(frozen=True)
class Lists:
    """Lists: patient, day, time (UTC microseconds), channel by index, id, and whether it was looked at."""

    patient: np.ndarray
    day: np.ndarray
    time: np.ndarray
    channel: np.ndarray
    ids: pa.Array
    seen: np.ndarray


def briskness(engagement: np.ndarray) -> np.ndarray:
    """Return how many times as often as at mean engagement somebody is on line."""
    return np.exp(0.9 * engagement)


def _moments(chunk: Chunk, rate: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw events of online patients at monthly ``rate`` (patients, live cells): patient, day, time."""
    grid, people = chunk.grid, chunk.people
    counts = rng.poisson(np.where(people.online[:, None], np.minimum(rate, 25.0), 0.0))
    who, cell = np.nonzero(counts)
    times = counts[who, cell]
    patient, cell = np.repeat(who, times), np.repeat(cell, times)
    day = grid.edges[cell] + np.floor(rng.random(len(cell)) * grid.days[cell]).astype(np.int64)
    kept = (day >= np.maximum(grid.start, people.registered[patient])) & (day < grid.end)
    kept &= chunk.standing.followed(patient, day)
    patient, day = patient[kept], day[kept]
    hour = np.where(rng.random(len(day)) < 0.6, rng.normal(20, 1.6, len(day)), rng.normal(11, 2.5, len(day)))
    return patient, day, grid.micros(day, np.clip(hour, 0.1, 23.8) * 3600)


def segments(chunk: Chunk, patient: np.ndarray, day: np.ndarray) -> np.ndarray:
    """The policy's segment: the disease recorded last, and whether under 45."""
    recorded = chunk.visits.recorded[patient]
    known = np.where(recorded <= day[:, None], recorded, -NEVER)
    disease = np.where(known.max(axis=1) > -NEVER, known.argmax(axis=1), len(NAMES))
    young = (day - chunk.people.birth[patient]) / 365.25 < 45
    return disease * 2 + young


def policy(chunk: Chunk, items: Catalogue, cell: int) -> np.ndarray:
    """Probability of each item in its slot in a month: (segments, slots, items).

    Items are dealt to slots by number, so that the slots draw independently and no item comes
    twice: the propensity of an item in its slot is exactly the probability it was drawn with.
    """
    first, last = chunk.grid.edges[cell], chunk.grid.edges[cell + 1]
    shown = items.open & (items.published < first) & (items.expires > last)
    segment = np.arange(2 * (len(NAMES) + 1))
    match = OF_DISEASE[items.topic][None, :] == (segment // 2)[:, None]
    young = (segment % 2).astype(bool)[:, None]
    suits = np.where(young, items.format == 1, items.format == 0)
    fresh = np.exp(-np.clip(first - items.published, 0, None) / 60)
    score = np.exp(1.6 * match + 0.6 * suits + 0.9 * fresh[None, :])
    slot = np.arange(ITEMS) % SLOTS
    weights = np.where((slot[None, None, :] == np.arange(SLOTS)[None, :, None]) & shown, score[:, None, :], 0.0)
    greedy = weights / np.maximum(weights.sum(axis=2, keepdims=True), 1e-300)
    even = (weights > 0) / np.maximum((weights > 0).sum(axis=2, keepdims=True), 1)
    explore = chunk.setting.policy_explore
    return (1 - explore) * greedy + explore * even


def online(chunk: Chunk, items: Catalogue, taste: Tastes, pushed: Lists) -> tuple[pa.Table, pa.Table]:
    """Return interactions and impressions; ``pushed`` are lists that campaigns sent."""
    rng, body = chunk.rng("online"), chunk.body
    rows, shown = Rows(chunk, "interactions"), Rows(chunk, "impressions")
    live = slice(0, chunk.grid.live)
    active = briskness(body.engagement[:, live])
    patient, day, time = _moments(chunk, LOGINS * active, rng)
    channel = np.where(rng.random(len(day)) < 0.7, (chunk.people.registered[patient] % 3), rng.integers(0, 3, len(day)))
    rows.add(patient, time, time, action="login", channel=Words(CHANNELS, channel), source="app")
    opened = rng.random(len(day)) < LISTED
    count = int(opened.sum())
    own = Lists(
        patient[opened],
        day[opened],
        time[opened] + 20_000_000,
        channel[opened],
        list_ids("list", chunk, count),
        np.ones(count, bool),
    )
    for lists in (own, pushed):
        _shown(rows, shown, chunk, items, taste, lists, rng)
    _sought(rows, chunk, items, taste, SOUGHT * active, rng)
    for action, rate in (("check_in", 0.25), ("search", 0.18), ("comment", 0.05), ("share", 0.04), ("follow", 0.02)):
        patient, day, time = _moments(chunk, rate * active**1.2, rng)
        rows.add(patient, time, time, action=action, channel="app", source="app")
    return rows.table(), shown.table()


def list_ids(kind: str, chunk: Chunk, count: int) -> pa.Array:
    """Return ids for new lists of a kind."""
    numbers = pa.array(np.arange(count)).cast(pa.string())
    return pc.binary_join_element_wise(pa.scalar(f"{kind}{chunk.number}"), numbers, pa.scalar("-"))


def _shown(
    rows: Rows, shown: Rows, chunk: Chunk, items: Catalogue, taste: Tastes, lists: Lists, rng: np.random.Generator
) -> None:
    """Draw a list's items, leave out what a patient must not see, and let the rest be opened or not.

    The propensity of what is shown is that of its draw, given that it is open to the patient.
    """
    count = len(lists.patient)
    cell = chunk.grid.cell(lists.day)
    segment = segments(chunk, lists.patient, lists.day)
    item = np.full((count, SLOTS), -1)
    propensity = np.zeros((count, SLOTS))
    withheld = barred(items, chunk.visits.recorded[lists.patient] <= lists.day[:, None])
    for each in np.unique(cell):
        law = policy(chunk, items, each)
        here = np.flatnonzero(cell == each)
        for place in range(SLOTS):
            sums = np.cumsum(law[:, place], axis=1)
            offered = sums[:, -1] > 0.5
            draw = np.minimum(rng.random(len(here)), 1 - 1e-12) * sums[segment[here], -1] + 2 * segment[here]
            pick = np.searchsorted((sums + 2 * np.arange(len(sums))[:, None]).ravel(), draw, side="right") % ITEMS
            item[here, place] = np.where(offered[segment[here]], pick, -1)
            open_to = 1 - np.einsum("ni,ni->n", law[segment[here], place], withheld[here])
            propensity[here, place] = law[segment[here], place, pick] / np.maximum(open_to, 1e-12)
    shown_to = (item >= 0) & ~np.take_along_axis(withheld, np.maximum(item, 0), axis=1)
    which, slot = np.nonzero(shown_to & lists.seen[:, None])
    drawn, patient, day = item[which, slot], lists.patient[which], lists.day[which]
    engaged = chunk.latent(chunk.body.engagement, patient, day)
    clicked = rng.random(len(drawn)) < opening(taste.utility(chunk, items, patient, day, drawn), slot, engaged)
    shown.add(
        patient,
        lists.time[which],
        lists.time[which],
        list_id=pc.take(lists.ids, pa.array(which)),
        content_id=Words(items.ids, drawn),
        slot=slot + 1,
        policy_version=POLICY,
        propensity=propensity[which, slot],
        clicked=clicked,
        source="app",
    )
    seen = np.flatnonzero(clicked)
    time = lists.time[which[seen]] + (rng.exponential(90e6, len(seen))).astype(np.int64) + 1_000_000
    channel = lists.channel[which[seen]]
    _read(
        rows,
        chunk,
        items,
        taste,
        patient[seen],
        day[seen],
        time,
        drawn[seen],
        channel,
        rng,
        pc.take(lists.ids, pa.array(which[seen])),
    )


def opening(utility: np.ndarray, slot: np.ndarray | int, engagement: np.ndarray) -> np.ndarray:
    """Return the probability that an item shown in a slot (from 0) is opened."""
    return sigmoid(utility - 3.0 - 0.25 * slot + 0.3 * engagement)


def barred(items: Catalogue, known: np.ndarray) -> np.ndarray:
    """Return (n, items) whether a known disease (n, diseases) of a patient bars each item."""
    bars = np.zeros((len(NAMES), len(items.ids)), bool)
    for index, names in enumerate(items.barred):
        for name in names:
            if name in NAMES:
                bars[NAMES.index(name), index] = True
    return known @ bars


def wishes(taste: Tastes, known: np.ndarray, patient: np.ndarray) -> np.ndarray:
    """Return how strongly each topic is looked for, (n, topics), by taste and illness."""
    wish = taste.topics[patient].copy()
    for index in np.flatnonzero(OF_DISEASE >= 0):
        wish[:, index] += RAISED * known[:, OF_DISEASE[index]]
    return np.exp(wish)


def found(items: Catalogue, pool: np.ndarray, day: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Return how easily each item of a pool is found by who looks for its topic, (n, pool)."""
    age = np.clip(day[:, None] - items.published[pool][None, :], 0, None)
    form = np.where(old[:, None], items.format[pool] == 0, items.format[pool] == 1)
    return np.exp(items.quality[pool] + 0.9 * form + np.exp(-age / 45))


def _sought(
    rows: Rows, chunk: Chunk, items: Catalogue, taste: Tastes, rate: np.ndarray, rng: np.random.Generator
) -> None:
    """What patients look for of themselves: a topic by taste and illness, then an item of it."""
    patient, day, time = _moments(chunk, rate, rng)
    known = chunk.visits.recorded[patient] <= day[:, None]
    topic = choose(rng, wishes(taste, known, patient))
    old = (day - chunk.people.birth[patient]) / 365.25 > 50
    item = np.full(len(patient), -1)
    for each in range(len(TOPICS)):
        pool = np.flatnonzero((items.topic == each) & items.open)
        here = np.flatnonzero(topic == each)
        if not len(pool) or not len(here):
            continue
        there = (items.published[pool][None, :] < day[here][:, None]) & (
            items.expires[pool][None, :] > day[here][:, None]
        )
        weights = there * found(items, pool, day[here], old[here])
        some = weights.sum(axis=1) > 0
        item[here[some]] = pool[choose(rng, weights[some])]
    kept = (item >= 0) & ~barred(items, known)[np.arange(len(item)), np.maximum(item, 0)]
    channel = rng.integers(0, 3, len(patient))
    _read(rows, chunk, items, taste, patient[kept], day[kept], time[kept], item[kept], channel[kept], rng, None)


def _read(
    rows: Rows,
    chunk: Chunk,
    items: Catalogue,
    taste: Tastes,
    patient: np.ndarray,
    day: np.ndarray,
    time: np.ndarray,
    item: np.ndarray,
    channel: np.ndarray,
    rng: np.random.Generator,
    lists: pa.Array | None,
) -> None:
    """Views with their dwell, some finished, a few liked or bookmarked."""
    liking = taste.utility(chunk, items, patient, day, item)
    form = items.format[item]
    done = rng.random(len(item)) < sigmoid(0.8 * liking - 0.6)
    dwell = np.round(DWELL[form] * np.exp(0.5 * rng.normal(size=len(item))) * np.where(done, 1.4, 0.4), 1)
    shown: dict[str, Any] = {
        "content_id": Words(items.ids, item),
        "channel": Words(CHANNELS, channel),
        "source": "app",
        "list_id": lists,
    }
    rows.add(patient, time, time, action="view", dwell_s=dwell, completed=done, **shown)
    for action, chance, chosen_of in (("like", 0.12, done), ("bookmark", 0.06, done)):
        chosen = np.flatnonzero(chosen_of & (rng.random(len(item)) < chance))
        after = time[chosen] + (dwell[chosen] * 1e6).astype(np.int64)
        part: dict[str, Any] = {name: taken(value, chosen) for name, value in shown.items()}
        rows.add(patient[chosen], after, after, action=action, **part)
