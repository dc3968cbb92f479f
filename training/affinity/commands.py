"""What the commands of ``python -m training`` do for content affinity."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import InputError
from features.instants import day
from features.params import general

if TYPE_CHECKING:
    from training.run import Trained

UNTOLD = 0.1
"""Share of a policy that the log cannot tell of, from which it is said beside the estimates."""
PARTS = ("history 0", "history 1-4", "history 5-19", "history 20+")


def backtest(
    name: str,
    lake: Path,
    days: tuple[str, str, str],
    predictions: Path | None = None,
    out: Path | None = None,
    overrides: tuple[str, ...] = (),
) -> str:
    """Run the backtest of content affinity and return what is said of it.

    Parameters
    ----------
    days
        First day, last day, step.

    Raises
    ------
    InputError
        Another task; a lake or days that cannot be judged.
    """
    from features.lake import Lake
    from training.affinity.backtest import backtest as roll
    from training.tasks import task

    if task(name, overrides).kind != "affinity":
        raise InputError(f"'{name}' does not rank content", where="backtest", remedy="give content_affinity")
    found = roll(Lake(lake), *days, overrides)
    found.write(predictions, out)
    return told(found.report)


def refresh(name: str, lake: Path, version: str = "", overrides: tuple[str, ...] = ()) -> Trained:
    """Register a version with the ranker of another and the state of the items at the lake's end.

    Raises
    ------
    InputError
        Another task, no version yet, a lake in which nobody read.
    """
    from features.lake import Lake
    from training import manifest, tracking
    from training.affinity.learn import refreshed
    from training.run import record
    from training.tasks import task as task_named

    task = task_named(name, overrides)
    if task.kind != "affinity":
        raise InputError(f"'{name}' has no state to refresh", where="refresh", remedy="give content_affinity")
    folder = tracking.fetch(name, version or tracking.latest(name).version)
    opened = Lake(lake)
    source = tracking.Source(lake.resolve().name, opened.digest, opened.manifest, path=str(lake.resolve()))
    return record(refreshed(task, folder, manifest.digest_of(folder), opened, overrides), source, overrides)


def lists(
    name: str, lake: Path, out: Path, version: str = "", at: str = "", patients: Path | None = None, k: int = 10
) -> str:
    """Write the lists that a version would show many patients and return what was written.

    Parameters
    ----------
    at
        A date (its end) or a time with offset; by default the instant at which the version's items stand.
    patients
        Parquet or CSV with a column patient_id; None for every patient of the lake.
    k
        Items of a list.

    Raises
    ------
    InputError
        Another task, no version yet, an instant before the version's items, a file of patients that cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from features.instants import iso, parse
    from features.lake import Lake
    from features.progress import track
    from training import manifest, tracking
    from training.affinity.asked import Asked
    from training.affinity.lists import RANKED
    from training.affinity.lists import lists as listed
    from training.affinity.offered import offered
    from training.affinity.recommender import Recommender
    from training.tasks import task as task_named

    if task_named(name).kind != "affinity":
        raise InputError(f"'{name}' does not rank content", where="lists", remedy="give content_affinity")
    number, opened = version or tracking.latest(name).version, Lake(lake)
    folder = tracking.fetch(name, number)
    recommender = Recommender.load(folder, manifest.digest_of(folder))
    stands = recommender.stage.at
    now = parse(at) if at else stands
    if now < stands:
        remedy = "give a later instant, or the --version of an earlier refresh"
        raise InputError(f"the items of version {number} stand at {iso(stands)}, later", where="--at", remedy=remedy)
    asked = Asked(opened, opened.patients() if patients is None else _named(patients), now, recommender.values)
    batches = listed(recommender, offered(recommender, opened, now), asked.batches(), now, k)
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh, rows = out.with_name(out.name + ".new"), 0
    with pq.ParquetWriter(fresh, RANKED) as writer:
        for batch in track(batches, "lists", total=asked.number):
            when = pa.repeat(pa.scalar(now, RANKED.field("at").type), batch.num_rows)
            columns = [batch["patient_id"], when, batch["content_id"], batch["slot"], batch["score"]]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=RANKED))
            rows += batch.num_rows
    fresh.replace(out)
    return f"{rows:,} items for {len(asked.patients):,} patients at {iso(now)}, by {name} version {number}: {out}"


def _named(file: Path) -> Any:
    """Return the distinct patients that a file names, in its order."""
    import pandas as pd

    where = f"--patients {file.name}"
    try:
        read = pd.read_csv(file, dtype=str) if file.suffix.lower() in (".csv", ".txt") else pd.read_parquet(file)
    except (OSError, ValueError):
        raise InputError("cannot be read", where=where, remedy="Parquet, or .csv") from None
    if "patient_id" not in read:
        raise InputError("has no column 'patient_id'", where=where, known=map(str, read.columns))
    if read["patient_id"].isna().any():
        raise InputError("column 'patient_id' holds a null", where=where)
    return read["patient_id"].astype(str).unique()


def told(report: dict[str, Any]) -> str:
    """Return the report's main figures as lines."""
    overall, zone = report["overall"], general().zone
    lines = [
        f"{day(report['from'], zone)} to {day(report['to'], zone)}, every {report['every']}: "
        f"{report['user_days']:,} user-days of {report['patients']:,} patients; "
        f"{report['user_days_without_relevant']:,} user-days with nothing new dropped",
        f"reference: {report['reference']} (strongest in hindsight); {report['fits']} fits, "
        f"{report['cpu_seconds']:g} s of CPU",
        *(
            f"{each['patients_out']:,} patients left out: {each['step']}"
            for each in report["attrition"][1:]
            if each["patients_out"]
        ),
        "",
        f"{'':24}{'ours':>8}{'reference':>11}{'gain':>8}  95 % interval",
    ]
    parts = {"overall": overall} | {name: report["parts"][name] for name in PARTS if name in report["parts"]}
    parts |= {name: report[name] for name in ("cold_patients", "cold_items")}
    for name, part in parts.items():
        for measure in ("ndcg10", "recall20"):
            if measure not in part:
                continue
            gain = part[f"{measure}_gain"]
            lines.append(
                f"{name + ' ' + measure:24}{part[measure]['value']:8.3f}{part[f'{measure}_reference']['value']:11.3f}"
                f"{gain['value']:+8.3f}  [{gain['lo']:+.3f}, {gain['hi']:+.3f}]  n={part['user_days']:,}"
            )
    if undated := report["of_them_in_contents_without_publication"]:
        lines += [
            "",
            f"not judged: {undated:,} touches of items that contents describes without published_at, first touched by "
            "anybody in that step; without it an item is known from its first touch",
        ]
    lines += ["", "NDCG@10 of the baselines"]
    lines += [f"  {name:22}{value:8.3f}" for name, value in overall["ndcg10_baselines"].items()]
    lines.append(
        f"coverage {report['coverage']:.3f}, novelty {report['novelty_bits']} bits, "
        f"topic calibration {report['topic_calibration_kl']} nats"
    )
    return "\n".join(lines)


def ope(lake: Path, policies: tuple[str, ...] = (), out: Path | None = None) -> str:
    """Evaluate policies on a lake's logged lists and return what is said of them.

    Parameters
    ----------
    policies
        Names or files; none for every named one.

    Raises
    ------
    InputError
        No impressions with a propensity, an unknown policy.
    """
    import json
    from dataclasses import asdict

    from features.lake import Lake
    from training.affinity.ope import estimate
    from training.affinity.policies import NAMED, logged

    opened, found, untold = Lake(lake), {}, []
    for name in policies or NAMED:
        try:
            found[name] = estimate(logged(opened, name))
        except InputError as error:
            if policies or name == NAMED[0]:
                raise
            untold.append(f"{name:20}not judged: {error}")
    if out is not None:
        out.write_text(json.dumps({name: asdict(each) for name, each in found.items()}, indent=2) + "\n", "utf-8")
    lines = [f"{'policy':20}{'':8}openings an impression, 95 % interval"]
    for name, each in found.items():
        for label in ("logged", "ips", "snips", "dr"):
            figure = getattr(each, label)
            lines.append(f"{name:20}{label:8}{figure.value:.4f}  [{figure.lo:.4f}, {figure.hi:.4f}]")
        lines.append(
            f"{'':20}{each.impressions:,} impressions worth {each.effective:,.0f}; {each.clipped:.2%} of the weights "
            f"clipped; {each.unidentifiable:.2%} of the policy is on items that the log never shows there"
            + ("" if each.unidentifiable < UNTOLD else ": the estimates speak of the rest alone")
        )
    return "\n".join([*lines, *untold])
