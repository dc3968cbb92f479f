"""The engine against pandas (typical and careful), Polars and DuckDB: the same 146 features, cell for cell.

Each run is a process of its own on one thread: CPU seconds from the Parquet files to the vectors, and
the peak of its memory, imports left out of the one and in the other. Rounds are interleaved; what is
printed is the median ratio of the rounds with the lower end of its bootstrap interval. Ends with an
error where two answers differ, or a lower end is below its floor.

``python -m bench.features``                    100k patients x 6 landmarks, 5 rounds
``python -m bench.features --patients 20000``   the same, smaller
``python -m bench.features scale``              10k to 1M patients: peak memory, and cost over linear
``python -m bench.features asked``              one patient asked now, 500 events in the store
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")

PEERS = ("pandas_typical", "pandas_careful", "polars", "duckdb")
FLOORS = {"pandas_typical": 3.0, "pandas_careful": 1.5, "duckdb": 5.0}
"""How many times cheaper in CPU ours must be, at the lower end of the interval."""
MEMORY = 0.5
"""Our peak over that of typical pandas, at most."""
app = typer.Typer(add_completion=False, invoke_without_command=True)
Patients = Annotated[int, typer.Option(help="patients")]
Landmarks = Annotated[int, typer.Option(help="landmarks a patient")]
Folder = Annotated[Path, typer.Option(help="where the drawn lakes are kept")]
KEPT = Path(tempfile.gettempdir()) / "carepath-bench"


@app.callback()
def peers(
    context: typer.Context,
    patients: Patients = 100_000,
    landmarks: Landmarks = 6,
    rounds: Annotated[int, typer.Option(help="interleaved rounds")] = 5,
    only: Annotated[str, typer.Option(help="peers, separated by commas")] = ",".join(PEERS),
    folder: Folder = KEPT,
) -> None:
    """Compare with the peers."""
    if context.invoked_subcommand:
        return
    _drawn(folder, patients)
    chosen = tuple(only.split(","))
    told: dict[str, list[dict[str, float]]] = {name: [] for name in ("ours", "floor", *chosen)}
    for number in range(rounds):
        for name in told:
            told[name].append(_run(name, folder, patients, landmarks, number == 0))
            print(
                f"round {number + 1} {name:15} {told[name][-1]['cpu']:8.2f} s  {told[name][-1]['peak']:6.2f} GB",
                flush=True,
            )
    _compared(folder, patients, landmarks, chosen)
    sys.exit(_judged(told, chosen))


@app.command()
def scale(
    sizes: Annotated[str, typer.Option(help="patients, separated by commas")] = "10000,100000,1000000",
    landmarks: Landmarks = 6,
    folder: Folder = KEPT,
) -> None:
    """Build lakes of growing size into Parquet files: peak memory, and cost over that of the smallest."""
    base = 0.0
    for size in map(int, sizes.split(",")):
        _drawn(folder, size)
        found = _run("build", folder, size, landmarks, False)
        each = found["cpu"] / size
        base = base or each
        print(
            f"{size:>9,} patients x {landmarks}: {found['cpu']:9.1f} s CPU, {1e3 * each:.3f} ms a patient, "
            f"{each / base:.2f} x linear, peak {found['peak']:.2f} GB",
            flush=True,
        )


@app.command()
def asked(
    patients: Patients = 3_000,
    events: Annotated[int, typer.Option(help="events of the patient asked about")] = 500,
    folder: Folder = KEPT,
) -> None:
    """Ask for one patient's vector now, from the store, against careful pandas on that patient's rows.

    Twice: as a service asks, which keeps a patient's events ready until one is appended, and as it asks
    the first time after that.
    """
    import pyarrow.parquet as pq

    from bench.asked import GROUPS, LAST, ids
    from bench.peers import features_pandas_careful as careful
    from features.behind import Behind
    from features.lake import Lake
    from features.plan import compile_plan
    from features.store import EventStore
    from serving.shelf import Shelf

    lake, plan = Lake(_drawn(folder, patients)), compile_plan(GROUPS)
    with tempfile.TemporaryDirectory() as temporary:
        store = EventStore(Path(temporary) / "events.db")
        store.load(lake)
        sizes = {each: sum(rows.num_rows for rows in store.tables(each).values()) for each in ids(patients)}
        chosen = sorted(sizes, key=lambda each: abs(sizes[each] - events))[:8]
        at = np.array([LAST - 15 * 86_400_000_000])
        behind, shelf = Behind(plan), Shelf(Path(temporary), patients)
        told: dict[str, list[tuple[float, float]]] = {"kept ready": [], "the first time": []}
        for one in chosen:
            own = Path(temporary) / one
            for name, rows in store.tables(one).items():
                (own / name).mkdir(parents=True)
                pq.write_table(rows, own / name / "0.parquet")
            patient = np.array([one], dtype=object)

            def first(one: str = one) -> np.ndarray:
                return plan.vectors(store.tables(one), [one], at)

            def ready(one: str = one) -> np.ndarray:
                return shelf.chart(behind, store, one, store.last_seq()).vector(int(at[0]))[None, :]

            def theirs(own: Path = own, patient: np.ndarray = patient) -> np.ndarray:
                return careful.vectors(own, patient, at)[list(plan.spec.names)].to_numpy()

            for name, ours in (("kept ready", ready), ("the first time", first)):
                _equal(ours(), theirs(), plan.spec.names, "pandas_careful")
                told[name].append(_cpu(ours, theirs))
            before = ready()
            store.append("observations", [_measured(one, int(at[0]))], int(at[0]))
            if not (ready() != before).any() or not np.array_equal(ready(), first(), equal_nan=True):
                sys.exit("an appended event is not seen by the next answer")
        shelf.close()
        store.close()
    print("events of the patients asked about: " + ", ".join(str(sizes[each]) for each in chosen))
    for name, each in told.items():
        mine, ratios = np.array(each)[:, 0], np.array(each)[:, 1] / np.array(each)[:, 0]
        print(f"{name + ':':16}store and vector {1e3 * np.median(mine):.2f} ms CPU; careful pandas / ours: "
              f"median {np.median(ratios):.1f}, least {min(ratios):.1f}")  # fmt: skip
    print("floor: 20 as a service asks")
    sys.exit(min(theirs / ours for ours, theirs in told["kept ready"]) < 20)


def _measured(patient_id: str, time: int) -> dict[str, object]:
    """Return a measurement that nobody had."""
    named = {"patient_id": patient_id, "event_id": f"new-{patient_id}", "version": 1, "void": False}
    return {**named, "time": time - 1, "known_at": time, "code_system": "LOCAL", "code": "hba1c", "value": 77.0}


@app.command(hidden=True)
def one(name: str, folder: Path, patients: int, landmarks: int, out: str = "") -> None:
    """Run one side in this process; the last line says what it cost."""
    from bench.asked import ids, instants

    lake, people, dates = _drawn(folder, patients), ids(patients), instants(landmarks)
    call = _side(name, lake, people, dates)
    start = time.process_time()
    found = call()
    cpu = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if out and found is not None:
        np.save(out, found)
    print(json.dumps({"cpu": cpu, "peak": peak}))


def _side(name: str, lake: Path, people: np.ndarray, dates: np.ndarray) -> Callable[[], np.ndarray | None]:
    """Return what is timed; what it needs is imported before, and pandas too, which Arrow's first array loads."""
    import pandas  # noqa: F401

    from bench.asked import GROUPS
    from features.build import computed
    from features.lake import Lake
    from features.plan import compile_plan

    plan = compile_plan(GROUPS)
    patients, at = np.tile(people, len(dates)), np.repeat(dates, len(people))
    if name == "ours":
        return lambda: computed(Lake(lake), plan, patients, at)
    if name == "build":
        return lambda: _built(lake, plan, patients, at)
    if name == "floor":
        return lambda: _decoded(lake, plan)
    import importlib

    peer = importlib.import_module(f"bench.peers.features_{name}")
    return lambda: peer.vectors(lake, people, dates)[list(plan.spec.names)].to_numpy()


def _built(lake: Path, plan: Any, patients: np.ndarray, at: np.ndarray) -> None:
    """Build to a Parquet file, as the command does."""
    from features.build import keep, written
    from features.kept import Kept
    from features.lake import Lake

    with tempfile.TemporaryDirectory(dir=lake.parent) as folder:
        os.environ["CAREPATH_HOME"] = folder
        opened = Lake(lake)
        kept = Kept(opened, plan.spec, patients, at)
        keep(kept, opened, plan, patients, at)
        written(kept.chunks(), plan.spec, patients, at, Path(folder) / "vectors.parquet")


def _decoded(lake: Path, plan: Any) -> None:
    """Read and decode the columns that the features need: below this nobody gets."""
    import pyarrow.parquet as pq

    for name, columns in plan.columns.items():
        for file in sorted((lake / name).glob("*.parquet")):
            held = set(pq.read_schema(file).names)
            pq.read_table(file, columns=[each for each in columns if each in held], use_threads=False)


def _drawn(folder: Path, patients: int) -> Path:
    from bench.asked import lake

    folder.mkdir(parents=True, exist_ok=True)
    return lake(folder / f"lake-{patients}", patients)


def _run(name: str, folder: Path, patients: int, landmarks: int, keep: bool) -> dict[str, float]:
    """Run one side in a process of its own."""
    command = [sys.executable, "-m", "bench.features", "one", name, str(folder), str(patients), str(landmarks)]
    command += ["--out", str(_answer(folder, name, patients))] if keep and name != "floor" else []
    single = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
    ended = subprocess.run(command, capture_output=True, text=True, env=single)
    if ended.returncode:
        sys.exit(f"{name} failed\n{ended.stderr}")
    found: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return found


def _answer(folder: Path, name: str, patients: int) -> Path:
    return folder / f"answer-{patients}-{name}.npy"


def _compared(folder: Path, patients: int, landmarks: int, chosen: tuple[str, ...]) -> None:
    from bench.asked import GROUPS
    from features.plan import compile_plan

    names = compile_plan(GROUPS).spec.names
    ours = np.load(_answer(folder, "ours", patients))
    for name in chosen:
        _equal(ours, np.load(_answer(folder, name, patients)), names, name)
    print(f"{len(ours):,} landmarks x {len(names)} features: every cell equal in {', '.join(chosen)}")


def _equal(ours: np.ndarray, theirs: np.ndarray, names: tuple[str, ...], peer: str) -> None:
    """Compare cell for cell: nulls exactly, numbers within what rounding may do."""
    for place, name in enumerate(names):
        same = np.isclose(ours[:, place], theirs[:, place], rtol=1e-7, atol=1e-9, equal_nan=True)
        if not same.all():
            row = int(np.flatnonzero(~same)[0])
            sys.exit(f"{peer} differs in {name}: {(~same).sum()} cells; {ours[row, place]} and {theirs[row, place]}")


def _judged(told: dict[str, list[dict[str, float]]], chosen: tuple[str, ...]) -> int:
    cpu = {name: np.array([each["cpu"] for each in rounds]) for name, rounds in told.items()}
    peak = {name: max(each["peak"] for each in rounds) for name, rounds in told.items()}
    floor, ours = float(np.median(cpu["floor"])), float(np.median(cpu["ours"]))
    print(
        f"ours {ours:.2f} s CPU, {peak['ours']:.2f} GB; "
        f"reading and decoding alone {floor:.2f} s: {1 - floor / ours:.0%} above"
    )
    missed, dealt = [], np.random.default_rng(0)
    for name in chosen:
        ratio = cpu[name] / cpu["ours"]
        drawn = np.median(dealt.choice(ratio, (2000, len(ratio))), axis=1)
        low, high = np.quantile(drawn, (0.025, 0.975))
        print(
            f"{name:15} {np.median(cpu[name]):8.2f} s  {np.median(ratio):5.2f} x [{low:.2f}, {high:.2f}]  "
            f"{peak[name]:6.2f} GB, ours {peak['ours'] / peak[name]:.0%} of it"
        )
        missed += [f"{name} below {FLOORS[name]}"] if name in FLOORS and low < FLOORS[name] else []
        missed += ["memory"] if name == "pandas_typical" and peak["ours"] > MEMORY * peak[name] else []
    if missed:
        print(f"missed: {', '.join(missed)}")
    return bool(missed)


def _cpu(ours: Callable[[], np.ndarray], theirs: Callable[[], np.ndarray]) -> tuple[float, float]:
    """Return the median CPU seconds of each, asked in turn."""
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(8):
        for told, call, times in ((found[0], ours, 6), (found[1], theirs, 1)):
            for _ in range(times):
                start = time.process_time()
                call()
                told.append(time.process_time() - start)
    return float(np.median(found[0])), float(np.median(found[1]))


if __name__ == "__main__":
    app()
