"""Lists on small made-up portals: where only popularity counts, where taste does, where there are few days.

``python -m bench.portals [NAME ...]``

Each portal is a lake of bare interactions. The last five days are ranked by ``training backtest``; the reference is the
strongest, in hindsight, of newest first and popularity at eight half-lives. What is asked: no loss where there is
nothing but popularity to learn, a gain where there is taste, also after two weeks.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.instants import DAY, iso, parse
from features.lake import Lake
from training.affinity.backtest import backtest

START = parse("2024-01-01T00:00:00+08:00")
TOPICS, JUDGED = 5, 5


@dataclass(frozen=True)
class Portal:
    """People and items: log-odds of a touch are taste for the topic, less decay a day of age, plus appeal."""

    seed: int
    users: int
    items: int
    days: int
    taste: float
    decay: float
    appeal: float
    rate: float

    def lake(self, folder: Path) -> Lake:
        """Write the interactions and return their lake."""
        rng = np.random.default_rng(self.seed)
        taste, topic = rng.integers(0, TOPICS, self.users), rng.integers(0, TOPICS, self.items)
        born = np.sort(rng.integers(-3, self.days, self.items))
        appeal = self.appeal * rng.normal(0, 1, self.items)
        rows = []
        for day in range(self.days):
            there = np.flatnonzero(born < day)
            for user in np.flatnonzero(rng.random(self.users) < self.rate):
                like = self.taste * (topic[there] == taste[user]) - self.decay * (day - born[there]) + appeal[there]
                chance = np.exp(like - like.max())
                count = min(1 + int(rng.integers(2)), len(there))
                chosen = rng.choice(there, count, replace=False, p=chance / chance.sum())
                rows += [(f"p{user}", f"c{item}", START + day * DAY + int(rng.integers(DAY))) for item in chosen]
        patient, content, time = zip(*rows)
        moment = pa.array(time).cast(pa.timestamp("us", tz="UTC"))
        (folder / "interactions").mkdir(parents=True)
        table = pa.table({"patient_id": patient, "content_id": content, "time": moment})
        pq.write_table(table, folder / "interactions" / "part.parquet")
        return Lake(folder)


PORTALS = {
    "popularity, 14 days": Portal(2, 200, 100, 14, 0.0, 0.1, 1.5, 0.3),
    "popularity, 20 days": Portal(1, 300, 150, 20, 0.0, 0.1, 1.5, 0.3),
    "popularity, 60 days": Portal(3, 300, 300, 60, 0.0, 0.1, 1.5, 0.15),
    "taste, 14 days": Portal(4, 150, 100, 14, 2.5, 0.15, 0.5, 0.5),
    "taste, 21 days, slow": Portal(5, 200, 150, 21, 2.0, 0.0, 1.0, 0.4),
    "weak taste, 30 days": Portal(6, 200, 150, 30, 0.7, 0.1, 1.0, 0.3),
}


def main() -> None:
    read = argparse.ArgumentParser(description="lists on small made-up portals")
    read.add_argument("names", nargs="*", default=list(PORTALS))
    for name in read.parse_args().names:
        portal = PORTALS[name]
        first, last = (iso(START + (portal.days - back) * DAY) for back in (JUDGED, 1))
        with tempfile.TemporaryDirectory() as folder:
            report = backtest(portal.lake(Path(folder)), first, last, "1d").report
        overall = report["overall"]
        told = "   ".join(
            f"{measure} {overall[measure]['value']:.3f} {gain['value']:+.3f} [{gain['lo']:+.3f}, {gain['hi']:+.3f}]"
            for measure in ("ndcg10", "recall20")
            for gain in (overall[f"{measure}_gain"],)
        )
        print(f"{name:22} {report['user_days']:5} user-days, reference {report['reference']:12} {told}", flush=True)


if __name__ == "__main__":
    main()
