"""Content affinity against the simulator's own tastes: how good the lists are, how true the evaluation is.

``python -m bench.tastes``       NDCG@10 of ours, of the best predictor from observables and of the truth
``python -m bench.tastes ope``   how often the intervals of two known policies cover their true values

The truth of an item for a patient on a day is the expected number of times it is opened there: through the
lists that the old policy shows (exposure) and through the patient's own search. The best predictor is
LightGBM fitted to that truth on ten times the patients of another seed, over our columns and what the
old policy reads of a patient.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from features.instants import DAY
from features.lake import Lake
from simulation.chunk import Chunk, chunk
from simulation.content import TOPICS, Catalogue, catalogue
from simulation.grid import Grid, grid
from simulation.habit import sigmoid
from simulation.illness import NAMES
from simulation.online import (
    LISTED,
    LOGINS,
    SLOTS,
    SOUGHT,
    barred,
    briskness,
    found,
    opening,
    policy,
    segments,
    wishes,
)
from simulation.outreach import pushed
from simulation.setting import Setting
from simulation.tastes import OF_DISEASE, Tastes, tastes
from simulation.write import CHUNK, hospital
from training.affinity.backtest import begins
from training.affinity.columns import columns, ranked
from training.affinity.judged import ndcg
from training.affinity.ope import estimate
from training.affinity.policies import logged
from training.affinity.practice import Practice
from training.affinity.readers import Readership, readership
from training.affinity.values import AffinityValues, affinity_values
from training.affinity.walk import UserDay, Window, user_day
from training.evaluate import Bootstrap
from training.measures import Measure

if TYPE_CHECKING:
    from lightgbm import Booster

END = date(2025, 12, 31)
MONTH = 30.4
app = typer.Typer(add_completion=False, invoke_without_command=True)


@dataclass(frozen=True)
class World:
    """A simulated hospital with everything latent at hand."""

    folder: Path
    patients: int
    seed: int
    years: float
    setting: Setting

    @staticmethod
    def drawn(folder: Path, patients: int, seed: int, years: float, setting: Setting | None = None) -> World:
        setting = setting or Setting()
        hospital(folder, patients, years, seed, END, setting)
        return World(folder, patients, seed, years, setting)

    @cached_property
    def grid(self) -> Grid:
        return grid(self.years, END)

    @cached_property
    def items(self) -> Catalogue:
        return catalogue(self.seed, self.grid)

    @cached_property
    def chunks(self) -> list[tuple[Chunk, Tastes]]:
        sizes = [min(CHUNK, self.patients - first) for first in range(0, self.patients, CHUNK)]
        parts = (chunk(n, n * CHUNK, size, self.seed, self.grid, self.setting) for n, size in enumerate(sizes))
        return [(part, tastes(part)) for part in parts]

    @cached_property
    def places(self) -> dict[str, tuple[int, int]]:
        """Patient -> number of the chunk and row in it."""
        return {
            name: (number, row)
            for number, (part, _) in enumerate(self.chunks)
            for row, name in enumerate(part.ids.to_pylist())
        }

    @cached_property
    def agreed(self) -> list[np.ndarray]:
        """By chunk: lists pushed to each patient, a month."""
        return [np.bincount(pushed(part).patient, minlength=len(part.ids)) > 0 for part, _ in self.chunks]

    def day(self, at: int) -> int:
        """Return the local day of an instant."""
        return int((at - self.grid.zero) // DAY)

    def law(self, cell: int) -> np.ndarray:
        if cell not in self._laws:
            self._laws[cell] = policy(self.chunks[0][0], self.items, cell)
        return self._laws[cell]

    @cached_property
    def _laws(self) -> dict[int, np.ndarray]:
        return {}

    def utility(self, number: int, row: int, day: int) -> np.ndarray:
        """Return (items,) log-odds of opening what is seen."""
        part, taste = self.chunks[number]
        every = np.arange(len(self.items.ids))
        return taste.utility(part, self.items, np.full(len(every), row), np.full(len(every), day), every)

    def engagement(self, number: int, row: int, day: int) -> float:
        part = self.chunks[number][0]
        return float(part.latent(part.body.engagement, np.array([row]), np.array([day]))[0])

    def withheld(self, number: int, row: int, day: int) -> np.ndarray:
        return barred(self.items, self.chunks[number][0].visits.recorded[[row]] <= day)[0]

    def segment(self, number: int, row: int, day: int) -> int:
        return int(segments(self.chunks[number][0], np.array([row]), np.array([day]))[0])

    def expected(self, patient: str, at: int) -> np.ndarray:
        """Return (items,) expected openings on the day that begins at an instant."""
        number, row = self.places[patient]
        (part, taste), day = self.chunks[number], self.day(at)
        engaged, liking = self.engagement(number, row, day), self.utility(number, row, day)
        law = self.law(int(self.grid.cell(np.array([day]))[0]))[self.segment(number, row, day)]
        lists = LOGINS * LISTED * briskness(np.array(engaged))
        lists = lists + 0.1 * self.agreed[number][row] * sigmoid(-0.2 + 0.9 * np.array(engaged))
        shown = sum(law[slot] * opening(liking, slot, np.array(engaged)) for slot in range(SLOTS))
        known = part.visits.recorded[[row]] <= day
        wish = wishes(taste, known, np.array([row]))[0]
        ease = found(self.items, np.arange(len(liking)), np.array([day]), self._old(part, row, day))[0]
        ease = ease * (self.items.open & (self.items.published < day) & (self.items.expires > day))
        by_topic = np.bincount(self.items.topic, weights=ease, minlength=len(TOPICS))
        sought = (wish / wish.sum())[self.items.topic] * ease / np.maximum(by_topic[self.items.topic], 1e-12)
        sought = SOUGHT * briskness(np.array(engaged)) * sought
        return np.asarray((lists * shown + sought) * ~self.withheld(number, row, day) / MONTH)

    def _old(self, part: Chunk, row: int, day: int) -> np.ndarray:
        return (np.array([day]) - part.people.birth[[row]]) / 365.25 > 50

    def seen(self, patient: str, at: int) -> np.ndarray:
        """Return (items, columns) of what the old policy and search read of a patient and an item."""
        number, row = self.places[patient]
        part, day, count = self.chunks[number][0], self.day(at), len(self.items.ids)
        segment = self.segment(number, row, day)
        told = part.visits.recorded[row] <= day
        about = OF_DISEASE[self.items.topic]
        years = (day - part.people.birth[row]) / 365.25
        columns = [
            (about == segment // 2) & (segment // 2 < len(NAMES)),
            (about >= 0) & told[np.maximum(about, 0)],
            np.full(count, years),
            self.items.format,
            self.items.topic,
            (self.items.topic != self.items.second),
            np.arange(count) % SLOTS,
            self.withheld(number, row, day),
            self.items.open,
            day - self.items.published,
        ]
        return np.column_stack([np.asarray(each, dtype=float) for each in columns])


@app.callback()
def ranking(
    context: typer.Context,
    patients: Annotated[int, typer.Option(help="patients of ours")] = 5_000,
    times: Annotated[int, typer.Option(help="patients of the best predictor, in units of ours")] = 10,
    years: Annotated[float, typer.Option()] = 2.0,
    seed: Annotated[int, typer.Option()] = 41,
    days: Annotated[int, typer.Option(help="days judged")] = 60,
    sample: Annotated[int, typer.Option(help="user-days that the best predictor is fitted to")] = 12_000,
) -> None:
    """Judge the order of the lists against the truth."""
    if context.invoked_subcommand:
        return
    values = affinity_values()
    with tempfile.TemporaryDirectory() as temporary:
        theirs = World.drawn(Path(temporary) / "theirs", patients * times, seed + 1, years)
        best = _best(theirs, values, days, sample, seed)
        ours = World.drawn(Path(temporary) / "ours", patients, seed, years)
        user, worth = _worth(ours, values, days, best)
    draws = Bootstrap(user, 1000, seed)
    print(f"{len(user):,} user-days of {len(set(user.tolist())):,} patients, NDCG@10")
    for name, each in worth.items():
        figure = draws.figure(_mean(each))
        print(f"  {name:22} {figure.value:.4f} [{figure.lo:.4f}, {figure.hi:.4f}]")
    figure = draws.figure(_mean(worth["best predictor"] - worth["ours"]))
    print(f"  best predictor less ours {figure.value:+.4f} [{figure.lo:+.4f}, {figure.hi:+.4f}], .03 is asked")
    raise typer.Exit(int(figure.value > 0.03))


def _mean(each: np.ndarray) -> Measure:
    return lambda weights: weights @ each / weights.sum(axis=1)


def _cuts(world: World, days: int) -> range:
    last = begins(END.isoformat())
    return range(last - (days - 1) * DAY, last + 1, DAY)


def _order(world: World, given: Readership) -> np.ndarray:
    """Return the simulator's number of each item of the readership, -1 for none."""
    number = {name: place for place, name in enumerate(world.items.ids)}
    return np.array([number.get(str(name), -1) for name in given.touches.items])


def _sized(rows: np.ndarray) -> np.ndarray:
    """Return the columns with ranks among the candidates for counts, which grow with the hospital."""
    found = rows.astype(np.float32)
    every = columns(affinity_values().half_lives_h)
    counts = [n for n, (name, group, *_) in enumerate(every) if group == "popularity" or name.startswith("segment_")]
    for each in counts:
        found[:, each] = ranked(rows[:, each])
    return found


def _best(world: World, values: AffinityValues, days: int, sample: int, seed: int) -> Booster:
    """Fit the best predictor: expected openings of candidates, one user-day in so many."""
    import lightgbm

    given = readership(Lake(world.folder / "lake"), values)
    rng, number = np.random.default_rng(seed), _order(world, given)
    cuts = _cuts(world, days)
    x, y, share = [], [], sample / len(cuts)
    for cut in cuts:
        window = Window.at(given, cut, DAY, values)
        if window is None:
            continue
        users = rng.permutation(window.active)[: int(share)]
        for user in users.tolist():
            day = user_day(given, window, user, values)
            patient = str(given.touches.users[user])
            picked = rng.choice(len(day.candidates), min(60, len(day.candidates)), replace=False)
            places = number[day.candidates[picked]]
            expected = world.expected(patient, cut)[places]
            x.append(np.column_stack([_sized(day.rows)[picked], world.seen(patient, cut)[places]]))
            y.append(expected / max(expected.sum(), 1e-12))
    features, target = np.concatenate(x), np.concatenate(y)
    held = np.repeat(rng.random(len(x)) < 0.15, [len(each) for each in y])
    train = lightgbm.Dataset(features[~held], target[~held], free_raw_data=False)
    valid = lightgbm.Dataset(features[held], target[held], reference=train)
    given_settings: dict[str, Any] = {
        "objective": "cross_entropy",
        "num_leaves": 63,
        "learning_rate": 0.05,
        "min_data_in_leaf": 100,
        "feature_fraction": 0.6,
        "num_threads": 1,
        "verbosity": -1,
        "seed": seed,
    }
    stop = lightgbm.early_stopping(50, verbose=False)
    return lightgbm.train(given_settings, train, 1500, valid_sets=[valid], callbacks=[stop])


def _worth(world: World, values: AffinityValues, days: int, best: Booster) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Roll over the last days as the backtest does; return (user-days,) users, and NDCG@10 by method."""
    given = readership(Lake(world.folder / "lake"), values)
    number, cuts = _order(world, given), _cuts(world, days)
    practice = Practice(given, values)
    practice.rehearse(cuts[0], DAY)
    users: list[str] = []
    worth: dict[str, list[float]] = {}
    ranker, due = practice.fit(), cuts[0] + values.retrain_days * DAY
    for cut in cuts:
        window = Window.at(given, cut, DAY, values)
        if window is None:
            continue
        if cut >= due:
            ranker, due = practice.fit(), cut + values.retrain_days * DAY
        known: dict[int, UserDay] = {}
        for user, relevant in window.relevant.items():
            day = known[user] = user_day(given, window, user, values)
            patient, places = str(given.touches.users[user]), number[day.candidates]
            everywhere = np.flatnonzero(day.allowed & (number >= 0))
            rows = np.column_stack([_sized(day.rows), world.seen(patient, cut)[places]])
            lists = {
                "ours": day.candidates[np.argsort(-ranker.score(day.rows), kind="stable")],
                "best predictor": day.candidates[
                    np.argsort(-np.asarray(best.predict(rows, num_threads=1)), kind="stable")
                ],
                "truth": everywhere[np.argsort(-world.expected(patient, cut)[number[everywhere]], kind="stable")],
                "popularity (24 h)": everywhere[np.argsort(-window.stage.popular[4, everywhere], kind="stable")],
                "newest first": everywhere[np.argsort(-window.stage.born[everywhere], kind="stable")],
            }
            for name, ordered in lists.items():
                worth.setdefault(name, []).append(ndcg(ordered, relevant))
            users.append(patient)
        practice.add(window, known)
    return np.array(users), {name: np.array(each) for name, each in worth.items()}


@app.command()
def ope(
    seeds: Annotated[int, typer.Option(help="hospitals")] = 100,
    patients: Annotated[int, typer.Option()] = 1_500,
    years: Annotated[float, typer.Option()] = 1.0,
) -> None:
    """Count how often the intervals of two known policies cover their true values."""
    covered: Counter[tuple[str, str]] = Counter()
    outside: list[float] = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as temporary:
            world = World.drawn(Path(temporary), patients, 1000 + seed, years)
            lake = Lake(world.folder / "lake")
            for name in ("even", "fresh"):
                file = world.folder / f"{name}.parquet"
                true = _policy_file(world, lake, name, file)
                log = logged(lake, str(file))
                result = estimate(log)
                outside.append(result.unidentifiable)
                for kind in ("ips", "snips", "dr"):
                    covered[name, kind] += getattr(result, kind).covers(true)
    for (name, kind), count in sorted(covered.items()):
        print(f"  {name:6} {kind:6} covers the true value in {count} of {seeds} hospitals")
    print(f"  {np.mean(outside):.2%} of a policy is on items that the log never shows in a slot")
    raise typer.Exit(int(min(covered.values()) < 0.9 * seeds))


def _policy_file(world: World, lake: Lake, name: str, file: Path) -> float:
    """Write what a policy would do in every slot of the log; return its true openings an impression."""
    shown = lake.read("impressions").select(["patient_id", "time", "list_id", "slot"])
    part, taste = world.chunks[0]
    patient = np.array([world.places[each][1] for each in shown["patient_id"].to_pylist()])
    day = (shown["time"].cast(pa.int64()).to_numpy() - world.grid.zero) // DAY
    slot = shown["slot"].to_numpy() - 1
    engaged = part.latent(part.body.engagement, patient, day)
    cell = world.grid.cell(day)
    withheld = barred(world.items, part.visits.recorded[patient] <= day[:, None])
    rows, items, chance, total = [], [], [], 0.0
    for month in np.unique(cell):
        law = world.law(int(month))
        first = world.grid.edges[month]
        fresh = np.exp(1.5 * np.exp(-np.clip(first - world.items.published, 0, None) / 60))
        for place in range(SLOTS):
            here = np.flatnonzero((cell == month) & (slot == place))
            weight = (law[0, place] > 0) * (fresh if name == "fresh" else 1.0) * ~withheld[here]
            weight = weight / weight.sum(axis=1, keepdims=True)
            row, item = np.nonzero(weight)
            liking = taste.utility(part, world.items, patient[here][row], day[here][row], item)
            total += float((weight[row, item] * opening(liking, place, engaged[here][row])).sum())
            rows.append(here[row])
            items.append(item)
            chance.append(weight[row, item])
    row, item = np.concatenate(rows), np.concatenate(items)
    ids = pa.array(list(world.items.ids)).take(pa.array(item))
    columns = {
        "list_id": shown["list_id"].take(pa.array(row)),
        "slot": shown["slot"].take(pa.array(row)),
        "content_id": ids,
        "probability": pa.array(np.concatenate(chance)),
    }
    pq.write_table(pa.table(columns), file)
    return total / len(patient)


if __name__ == "__main__":
    app()
