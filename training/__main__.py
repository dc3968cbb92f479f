"""python -m training: run a task, propose a version, show a card."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from features.commands import Commands

for _library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_library, "1")

Set = Annotated[list[str] | None, typer.Option("--set", help="section.name=value over params.yaml")]
app = typer.Typer(cls=Commands, add_completion=False, no_args_is_help=True, help="Vectors in, a registered Scorer out.")


@app.command()
def run(
    task: Annotated[str, typer.Argument(help="task, such as churn_90d, or a Python file that declares one")],
    lake: Annotated[str, typer.Option(help="folder of canonical tables; the self-test needs none")] = "",
    trials: Annotated[int, typer.Option(min=0, help="settings of LightGBM to try")] = 0,
    set_: Set = None,
    sample: Annotated[float, typer.Option(help="share of the patients, such as 0.05: a dry run")] = 1.0,
    estimator: Annotated[str, typer.Option(help="module:function that makes a scikit-learn classifier")] = "",
    storage: Annotated[str, typer.Option(help="where trials are kept: sqlite:///FILE, postgresql://..., a file")] = "",
    study: Annotated[str, typer.Option(help="name of the study there: an interrupted one goes on")] = "",
) -> None:
    """Train a task and register what came of it."""
    from training.run import run as train
    from training.show import show

    place = Path(lake) if lake else None
    show(train(task, place, _checked(set_), trials, sample, estimator, storage, study))


@app.command()
def propose(
    task: Annotated[str, typer.Argument(help="task, such as churn_90d")],
    version: Annotated[str, typer.Argument(help="registered version, such as 3")],
    author: Annotated[str, typer.Option(help="who proposes; by default the user of this machine")] = "",
    out: Annotated[Path | None, typer.Option(help="file to write; by default proposals/TASK-VERSION.json")] = None,
    lake: Annotated[Path | None, typer.Option(help="where it meets the champion; by default the run's lake")] = None,
    impact_assessment: Annotated[str, typer.Option(help="id of the impact assessment")] = "",
) -> None:
    """Compare a version with the champion, apply the gates, and sign it for the one who approves."""
    from training.proposal import propose as put
    from training.show import show_proposal

    made = put(task, version, author, lake, impact_assessment)
    file = made.write(out or Path("proposals") / f"{task}-{version}.json")
    show_proposal(made, file)


@app.command()
def card(
    task: Annotated[str, typer.Argument(help="task, such as churn_90d")],
    version: Annotated[str, typer.Option(help="registered version; by default the newest")] = "",
) -> None:
    """Print the card of a version."""
    from training import tracking

    number = version or tracking.latest(task).version
    typer.echo((tracking.fetch(task, number) / "card.json").read_text(encoding="utf-8"))


@app.command()
def backtest(
    task: Annotated[str, typer.Argument(help="task, such as churn_90d")],
    lake: Annotated[Path, typer.Option(help="folder of canonical tables")],
    begin: Annotated[str, typer.Option("--from", help="first date: 2025-01-31, or a time with offset")],
    end: Annotated[str, typer.Option("--to", help="last date")],
    out: Annotated[Path | None, typer.Option(help="figures, over all and by date, as JSON")] = None,
    every: Annotated[str, typer.Option(help="from one date to the next, in days")] = "30d",
    predictions: Annotated[Path | None, typer.Option(help="patient_id, at, score, label or rank as Parquet")] = None,
    set_: Set = None,
) -> None:
    """Retrain along time with what was known then, and score forward."""
    from training.tasks import task as task_named

    overrides = _checked(set_)
    if task_named(task, overrides).kind == "affinity":
        from training.affinity.commands import backtest as rank

        typer.echo(rank(task, lake, (begin, end, every), predictions, out, overrides))
        return
    from features.errors import InputError
    from training.backtest import run_backtest
    from training.show import show_backtest

    if out is None:
        raise InputError("no file for the figures", where="backtest", remedy="add --out FILE")
    show_backtest(run_backtest(task, lake, begin, end, every, out, predictions, overrides))


@app.command()
def outcomes(
    scores: Annotated[Path, typer.Option(help="scores.parquet, as python -m serving score writes it")],
    lake: Annotated[Path, typer.Option(help="folder of canonical tables: what happened since")],
    out: Annotated[Path | None, typer.Option(help="file to write; by default the scores' own")] = None,
    task: Annotated[list[str] | None, typer.Option(help="a Python file that declares a task of the scores")] = None,
) -> None:
    """Add label and weight to scores whose time at risk has closed; show calibration and AUROC by month."""
    from features.lake import Lake
    from training.outcomes import add_outcomes
    from training.show import show_outcomes

    show_outcomes(add_outcomes(scores, Lake(lake), out, files=tuple(task or ())))


@app.command()
def public(
    name: Annotated[str, typer.Argument(help="public data set, such as physionet2012; 'all' for every one")],
) -> None:
    """Judge our candidates on a public data set of CAREPATH_DATA, beside a baseline and what others published."""
    from training.public import NAMES
    from training.public import public as benchmark
    from training.show import show_judged

    for each in NAMES if name == "all" else (name,):
        show_judged(benchmark(each)())


@app.command()
def refresh(
    task: Annotated[str, typer.Argument(help="content_affinity")],
    lake: Annotated[Path, typer.Option(help="folder of canonical tables")],
    version: Annotated[str, typer.Option(help="registered version; by default the newest")] = "",
    set_: Set = None,
) -> None:
    """Register a version with the same ranker and today's state of the items: stage 1, daily."""
    from training.affinity.commands import refresh as renew
    from training.show import show

    show(renew(task, lake, version, _checked(set_)))


@app.command()
def lists(
    task: Annotated[str, typer.Argument(help="content_affinity")],
    lake: Annotated[Path, typer.Option(help="folder of canonical tables")],
    out: Annotated[Path, typer.Option(help="patient_id, at, content_id, rank, score as Parquet")],
    at: Annotated[
        str, typer.Option(help="a date (its end) or time with offset; by default where the items stand")
    ] = "",
    patients: Annotated[Path | None, typer.Option(help="Parquet or CSV with patient_id; by default everybody")] = None,
    version: Annotated[str, typer.Option(help="registered version; by default the newest")] = "",
    k: Annotated[int, typer.Option(min=1, max=50, help="items of a list")] = 10,
) -> None:
    """Write the lists that a version would show many patients; they are not on record, and not to be sent."""
    from training.affinity.commands import lists as write

    typer.echo(write(task, lake, out, version, at, patients, k))


@app.command()
def ope(
    lake: Annotated[Path, typer.Option(help="folder of canonical tables, impressions among them")],
    policy: Annotated[list[str] | None, typer.Option(help="uniform, newest, popular or a Parquet file")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file of the estimates to write")] = None,
) -> None:
    """Say what other policies would have earned on the lists that were logged: IPS, SNIPS, doubly robust."""
    from training.affinity.commands import ope as evaluate

    typer.echo(evaluate(lake, tuple(policy or ()), out))


def _checked(given: list[str] | None) -> tuple[str, ...]:
    from training.overrides import checked

    return checked(tuple(given or ()))


def main() -> None:
    """Run a command; a mistake is one line on standard error, with its notes below, and exit status 2."""
    from features.errors import InputError

    try:
        app(standalone_mode=True)
    except InputError as error:
        if hasattr(error, "attrition"):
            from training.show import show_attrition

            show_attrition(error.attrition)
        print(error, *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
