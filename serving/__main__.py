"""python -m serving: serve, score, approve, rollback, shadow, history, verify-ledger, replay, audit, keys."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from features.commands import Commands
from features.engine import Engine
from serving.commands import add

if TYPE_CHECKING:
    from serving.ledger import Ledger


app = typer.Typer(
    cls=Commands, help="A question in, a recorded decision out.", no_args_is_help=True, add_completion=False
)
add(app)
Home = Annotated[Path, typer.Option(help="State folder.", envvar="CAREPATH_HOME")]
DEFAULT = Path("var")


@app.command()
def serve(
    home: Home = DEFAULT,
    lake: Annotated[Path | None, typer.Option(help="Load this lake into the store first; what is there stays.")] = None,
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to bind.", min=1, max=65535)] = 3000,
    clock: Annotated[str | None, typer.Option(help="Pin the clock: 2025-12-31T00:00:00+00:00.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that answer, one a core.", min=1, max=64)] = 1,
) -> None:
    """Answer over HTTP until stopped."""
    from serving.access import KEYS, Keys, check_binding, demo_keys
    from serving.clock import Clock

    Clock.at(clock)
    if not (home / KEYS).is_file():
        for name, key in demo_keys(home).items():
            typer.echo(f"demo key {name}: {key}")
    check_binding(host, Keys(home))
    if lake is not None:
        load(home, lake)
    from serving.start import become_server

    become_server(home, host, port, clock, workers)


@app.command()
def approve(
    proposal: Annotated[Path, typer.Argument(help="File written by python -m training propose.")],
    home: Home = DEFAULT,
    identity: Annotated[str, typer.Option(help="Who approves; never the author.")] = "compliance",
    clinician: Annotated[
        str | None, typer.Option(help="Who answers for it medically; a disease-risk task needs one.")
    ] = None,
) -> None:
    """Let a proposed model score: running workers take it up within seconds."""
    from serving import approvals

    with opened(home) as ledger:
        approved = approvals.approve(proposal, home, ledger, identity, clinician)
    typer.echo(f"approved {approved.task} version {approved.version} ({approved.digest[:12]}) by {identity}")
    crowned(approved.task, str(approved.version), approved.digest)


@app.command()
def rollback(
    task: str,
    home: Home = DEFAULT,
    identity: Annotated[str, typer.Option(help="Who steps back.")] = "compliance",
) -> None:
    """Put the version before the present one into production again; workers take it up within seconds."""
    from serving import production

    with opened(home) as ledger:
        approval = production.rollback(ledger, home, task, identity)
    typer.echo(f"{task} is back at version {approval['version']} ({approval['digest'][:12]}) by {identity}")
    crowned(task, str(approval["version"]), approval["digest"])


@app.command()
def shadow(
    proposal: Annotated[str, typer.Argument(help="A proposal; with --stop, a task.")],
    home: Home = DEFAULT,
    identity: Annotated[str, typer.Option(help="Who decides it.")] = "compliance",
    stop: Annotated[bool, typer.Option("--stop", help="End it.")] = False,
) -> None:
    """Score a proposed model beside the one in production: recorded with each decision, never answered."""
    from serving import production

    with opened(home) as ledger:
        if stop:
            production.dismiss(ledger, proposal, identity)
            typer.echo(f"no model of {proposal} is scored in the shadow any more")
        else:
            named = production.challenge(ledger, home, Path(proposal), identity)
            typer.echo(f"{named.task} version {named.version} ({named.digest[:12]}) is scored in the shadow")


@app.command()
def notice(
    home: Home = DEFAULT,
    clock: Annotated[str | None, typer.Option(help="As of when; else now.")] = None,
) -> None:
    """Look at every patient whose tags were shown, and tell callers whose have changed since. Run it nightly."""
    from serving.clock import Clock
    from serving.ledger import Ledger
    from serving.noticing import notice as noticed
    from serving.noticing import watched
    from serving.stores import event_store

    store, ledger = event_store(home), Ledger(home / "ledger.db")
    contents = store.contents()
    count = noticed(store, ledger, lambda: contents, watched(store, ledger), Clock.at(clock).now())
    ledger.close()
    store.close()
    typer.echo(f"{count:,} patients have changed")


@app.command()
def history(task: str, home: Home = DEFAULT) -> None:
    """Show which version of a task was in production from when to when, and who put it there."""
    from serving import production

    with opened(home) as ledger:
        terms = production.history(ledger, task)
        if not terms:
            known = ", ".join(production.standing(ledger)) or "none"
            typer.echo(f"no version of '{task}' was ever approved; tasks in production: {known}")
        for term in terms:
            named = f"version {term.version}  {term.digest[:12]}  {term.author} -> {term.by}"
            typer.echo(f"{term.since}  {term.until or 'until now':27}  {named}  {term.how}")
        wrong = production.moved(ledger, task)
    if wrong:
        typer.echo(wrong, err=True)


@app.command()
def score(
    lake: Annotated[Path, typer.Option(help="The lake to score, every patient of it.")],
    tasks: Annotated[str, typer.Option(help="Tasks, parted by commas.")],
    out: Annotated[Path, typer.Option(help="File to write: .parquet, .csv or .ndjson.")],
    home: Home = DEFAULT,
    purpose: Annotated[str | None, typer.Option(help="What for; by default the first that all tasks serve.")] = None,
    at: Annotated[str | None, typer.Option("--at", "--clock", help="Pin the clock, as for serve.")] = None,
    identity: Annotated[str, typer.Option(help="Whose name the decisions carry.")] = "operator",
    engine: Annotated[Engine, typer.Option(help="What computes the vectors.")] = Engine.local,
) -> None:
    """Score a lake with reasons, every decision on record; run again, a stopped run goes on."""
    from features.lake import Lake
    from serving.bulk import Bulk
    from serving.clock import Clock

    named = tuple(tasks.replace(" ", "").split(","))
    run = Bulk(home, Lake(lake), named, Clock.at(at), purpose, identity, engine)
    try:
        counts = run.write(out)
    finally:
        run.close()
    refused = ", ".join(f"{count} {code}" for code, count in counts.refused.items()) or "none"
    typer.echo(f"{out}: {counts.scored} scored; refused: {refused}")


@app.command(name="verify-ledger")
def verify_ledger(
    home: Home = DEFAULT,
    receipts: Annotated[
        Path | None, typer.Option(help="Answers or {seq, hash} that callers kept: JSON or CSV.")
    ] = None,
) -> None:
    """Walk the chain, its heads, payloads and receipts; exit 1: changed or missing, 2: not all could be checked."""
    from serving.ledger import Ledger
    from serving.receipts import read
    from serving.verify import verify

    held = read(receipts) if receipts else []
    ledger = Ledger(home / "ledger.db")
    verdict = verify(ledger, held)
    ledger.close()
    for fault in verdict.faults:
        typer.echo(fault, err=True)
    typer.echo(
        f"{verdict.entries} entries, head {verdict.head}: {'broken' if verdict.faults else 'unbroken'}; "
        f"{verdict.heads} signed heads, {verdict.unsigned} entries after the last; {len(held)} receipts; "
        f"{verdict.opened} payloads opened, {verdict.erased} erased"
    )
    for what in verdict.unchecked:
        typer.echo(f"not checked: {what}", err=True)
    if verdict.faults or verdict.unchecked:
        raise typer.Exit(1 if verdict.faults else 2)


@contextlib.contextmanager
def opened(home: Path) -> Iterator[Ledger]:
    """Open the ledger of a state folder for a command."""
    from serving.ledger import Ledger

    ledger = Ledger(home / "ledger.db")
    try:
        yield ledger
    finally:
        ledger.close()


def crowned(task: str, version: str, digest: str) -> None:
    """Let MLflow's alias follow production, and say where it could not."""
    from serving import production

    wrong = production.crown(task, version, digest)
    if wrong:
        typer.echo(wrong, err=True)


def load(home: Path, lake: Path) -> None:
    """Load a lake's events into the store; events that are there already stay as they are."""
    from features.lake import Lake
    from serving.stores import event_store

    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = event_store(home)
    store.load(Lake(lake))
    store.close()


def main() -> None:
    """Run a command; a mistake in what was given is one line, not a traceback."""
    from features.errors import InputError

    try:
        app()
    except InputError as error:
        typer.echo(str(error), err=True)
        raise SystemExit(2) from None
    except Exception as error:
        from serving.keys import KeyUnavailable
        from serving.ledger import LedgerUnavailable

        if not isinstance(error, KeyUnavailable | LedgerUnavailable):
            raise
        typer.echo(f"the ledger cannot be used now: {error}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
