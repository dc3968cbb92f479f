"""Off-policy evaluation: two known policies, their true values, and the command over a lake of lists."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from features.errors import InputError
from features.instants import DAY
from features.lake import Lake
from training.__main__ import app
from training.affinity.arrange import explore
from training.affinity.ope import Logged, estimate
from training.affinity.policies import logged
from training.affinity.values import affinity_values

SEGMENTS, ITEMS, LISTS, PATIENTS = 4, 12, 3000, 400


def _world(seed: int):
    """A logging policy that is greedy by segment with a fifth uniform, as the simulation's is; clicks by truth."""
    rng = np.random.default_rng(seed)
    chance = 1 / (1 + np.exp(2.2 - rng.normal(0, 1, (SEGMENTS, ITEMS))))
    score = np.exp(1.6 * rng.normal(size=(SEGMENTS, ITEMS)))
    greedy = score / score.sum(axis=1, keepdims=True)
    law = 0.8 * greedy + 0.2 / ITEMS
    other = np.roll(greedy, 3, axis=1)
    patient = rng.integers(0, PATIENTS, LISTS)
    segment = patient % SEGMENTS
    item = (law.cumsum(axis=1)[segment] < rng.random(LISTS)[:, None]).sum(axis=1).clip(0, ITEMS - 1)
    mood = rng.normal(0, 0.02, PATIENTS)[patient]
    reward = (rng.random(LISTS) < np.clip(chance[segment, item] + mood, 0, 1)).astype(float)
    return chance, law, other, patient, segment, item, reward


def _log(law, target, patient, segment, item, reward, wrong: float = 0.0) -> Logged:
    q = np.full((SEGMENTS, ITEMS), reward.mean() + wrong)
    return Logged(
        patient,
        reward,
        law[segment, item],
        target[segment, item],
        q[segment, item],
        (target * q)[segment].sum(axis=1),
        np.zeros(LISTS),
    )


@pytest.mark.parametrize("policy", ["uniform", "other"])
def test_intervals_cover_the_true_value_of_known_policies(policy: str) -> None:
    covered = {"ips": 0, "snips": 0, "dr": 0}
    for seed in range(100):
        chance, law, other, patient, segment, item, reward = _world(seed)
        target = np.full_like(law, 1 / ITEMS) if policy == "uniform" else other
        truth = float((target * chance)[segment].sum(axis=1).mean())
        found = estimate(_log(law, target, patient, segment, item, reward))
        for name in covered:
            covered[name] += getattr(found, name).covers(truth)
    assert min(covered.values()) >= 90, covered


def test_doubly_robust_stands_with_a_wrong_model_and_is_exact_with_a_right_one() -> None:
    chance, law, other, patient, segment, item, _ = _world(1)
    expected = chance[segment, item]
    truth = (other * chance)[segment].sum(axis=1)
    exact = Logged(patient, expected, law[segment, item], other[segment, item], expected, truth, np.zeros(LISTS))
    assert estimate(exact).dr.value == pytest.approx(truth.mean(), abs=1e-12)
    wrong = estimate(_log(law, other, patient, segment, item, expected, wrong=0.3)).dr
    assert wrong.covers(float(truth.mean()))


def test_weights_are_clipped_counted_and_worth_what_they_are() -> None:
    zero = np.zeros(4)
    log = Logged(np.arange(4), np.ones(4), np.array([0.001, 0.5, 0.5, 0.5]), np.full(4, 0.5), zero, zero, zero + 0.25)
    found = estimate(log)
    assert found.clipped == 0.25 and found.unidentifiable == 0.25
    assert found.effective == pytest.approx(103**2 / (100**2 + 3))
    assert found.ips.value == pytest.approx(103 / 4) and found.snips.value == pytest.approx(1.0)
    with pytest.raises(InputError, match="propensity"):
        estimate(Logged(np.arange(1), np.ones(1), np.zeros(1), np.ones(1), np.ones(1), np.ones(1), np.ones(1)))


def _lake(folder, seed: int = 0) -> Lake:
    _, law, _, patient, segment, item, reward = _world(seed)
    time = pa.array(np.arange(LISTS) * (DAY // 50)).cast(pa.timestamp("us", tz="UTC"))
    columns = {
        "patient_id": [f"p{each}" for each in patient],
        "time": time,
        "list_id": [f"l{number}" for number in range(LISTS)],
        "content_id": [f"c{each:02d}" for each in item],
        "slot": np.ones(LISTS, np.int64),
        "propensity": law[segment, item],
        "clicked": reward > 0,
    }
    (folder / "impressions").mkdir(parents=True)
    pq.write_table(pa.table(columns), folder / "impressions" / "part.parquet")
    return Lake(folder)


def test_the_command_judges_named_policies_and_files(tmp_path) -> None:
    lake = _lake(tmp_path / "lake")
    wanted = pa.table(
        {
            "list_id": [f"l{number}" for number in range(LISTS) for _ in range(2)],
            "slot": np.ones(2 * LISTS, np.int64),
            "content_id": ["c01", "nowhere"] * LISTS,
            "probability": [0.75, 0.25] * LISTS,
        }
    )
    pq.write_table(wanted, tmp_path / "mine.parquet")
    told = ["ope", "--lake", str(lake.path), "--policy", "uniform", "--policy", str(tmp_path / "mine.parquet")]
    result = CliRunner().invoke(app, [*told, "--out", str(tmp_path / "o.json")])
    assert result.exit_code == 0, result.output
    assert "25.00% of the policy is on items that the log never shows" in result.output
    assert (tmp_path / "o.json").is_file()
    uniform = logged(lake, "uniform")
    assert set(np.round(1 / uniform.target)) == {ITEMS}
    assert np.isfinite(estimate(logged(lake, "popular")).dr.value)
    with pytest.raises(InputError, match="when items were published"):
        logged(lake, "newest")
    assert "newest              not judged" in CliRunner().invoke(app, ["ope", "--lake", str(lake.path)]).output


def _served(folder, lists: int = 20_000) -> tuple[Lake, float]:
    """Write the log of the service's own lists: certain slots, and a last one that explores among five drawn items."""
    rng, count, slots = np.random.default_rng(5), 40, 5
    chance = rng.beta(1, 8, count)
    values, rows, truth = affinity_values(), [], []
    for number in range(lists):
        order = rng.permutation(count)[:slots]
        made = explore(order, count, values, number)
        truth.append(chance[made.sampled].mean())
        for slot, (item, propensity) in enumerate(zip(made.order, made.propensity), 1):
            sampled = [f"c{each:02d}" for each in made.sampled] if slot == made.slot else None
            rows.append((f"p{number % 500}", f"l{number}", f"c{item:02d}", slot, propensity, sampled))
    names = ("patient_id", "list_id", "content_id", "slot", "propensity", "sampled")
    columns = dict(zip(names, map(list, zip(*rows))))
    columns["clicked"] = rng.random(len(rows)) < [chance[int(name[1:])] for name in columns["content_id"]]
    columns["time"] = pa.array(np.arange(len(rows))).cast(pa.timestamp("us", tz="UTC"))
    (folder / "impressions").mkdir(parents=True)
    pq.write_table(pa.table(columns), folder / "impressions" / "part.parquet")
    return Lake(folder), float(np.mean(truth))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"probability": [0.7, 0.7]}, "sum to more than 1"),
        ({"probability": [-0.1, 0.5]}, "below 0 or above 1"),
        ({"probability": [None, 0.5]}, "a probability is missing"),
        ({"content_id": ["a", "a"]}, "stands twice"),
        ({"probability": None}, "lacks probability; give list_id, slot, content_id, probability"),
        (None, "gone.parquet: there is no such file"),
    ],
)
def test_a_file_that_is_no_policy_is_refused(tmp_path, change, said) -> None:
    lake = _lake(tmp_path / "lake")
    row = {"list_id": ["l0", "l0"], "slot": [1, 1], "content_id": ["a", "b"], "probability": [0.5, 0.5]} | (
        change or {}
    )
    path = tmp_path / ("gone.parquet" if change is None else "mine.parquet")
    if change is not None:
        pq.write_table(pa.table({name: each for name, each in row.items() if each is not None}), path)
    with pytest.raises(InputError, match=said):
        logged(lake, str(path))


def test_the_log_of_the_service_is_judged_by_what_each_slot_was_drawn_from(tmp_path) -> None:
    lake, truth = _served(tmp_path / "told")
    found = estimate(logged(lake, "uniform"))
    assert found.impressions == 20_000 and found.weight.covers(1.0) and found.unidentifiable == 0
    assert found.ips.covers(truth) and found.snips.covers(truth) and found.dr.covers(truth)
    table = pq.read_table(lake.path / "impressions").drop_columns(["sampled"])
    (tmp_path / "untold" / "impressions").mkdir(parents=True)
    pq.write_table(table, tmp_path / "untold" / "impressions" / "part.parquet")
    assert estimate(logged(Lake(tmp_path / "untold"), "uniform")).unidentifiable > 0.5
    with pytest.raises(InputError, match="no policy"):
        logged(lake, "best")
