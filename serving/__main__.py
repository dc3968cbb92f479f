"""python -m serving: serve, approve, history, verify-ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from features.commands import Commands

app = typer.Typer(
    cls=Commands, help="A question in, a recorded decision out.", no_args_is_help=True, add_completion=False
)
Home = Annotated[Path, typer.Option(help="State folder.", envvar="CAREPATH_HOME")]
DEFAULT = Path("var")


@app.command()
def serve(
    home: Home = DEFAULT,
    lake: Annotated[Path | None, typer.Option(help="Load this lake into the store first; what is there stays.")] = None,
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to bind.", min=1, max=65535)] = 3000,
    clock: Annotated[str | None, typer.Option(help="Pin the clock: 2025-12-31T00:00:00+00:00.")] = None,
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

    become_server(home, host, port, clock)


@app.command()
def approve(
    proposal: Annotated[Path, typer.Argument(help="File written by python -m training propose.")],
    home: Home = DEFAULT,
    identity: Annotated[str, typer.Option(help="Who approves; never the author.")] = "compliance",
) -> None:
    """Let a proposed model score from the next start on."""
    from serving import approvals
    from serving.ledger import Ledger

    ledger = Ledger(home / "ledger.db")
    approved = approvals.approve(proposal, home, ledger, identity)
    ledger.close()
    typer.echo(f"approved {approved.task} version {approved.version} ({approved.digest[:12]}) by {identity}")
    wrong = approvals.crown(approved.task, str(approved.version), approved.digest)
    if wrong:
        typer.echo(wrong, err=True)


@app.command()
def history(task: str, home: Home = DEFAULT) -> None:
    """Show which versions of a task were approved, when and by whom."""
    from serving import approvals
    from serving.ledger import Ledger

    ledger = Ledger(home / "ledger.db")
    for entry in approvals.history(ledger, task):
        row = entry.header
        typer.echo(f"{row['at']}  version {row['version']}  {row['digest'][:12]}  {row['author']} -> {row['approver']}")
    wrong = approvals.moved(ledger, task)
    ledger.close()
    if wrong:
        typer.echo(wrong, err=True)


@app.command(name="verify-ledger")
def verify_ledger(
    home: Home = DEFAULT,
    receipts: Annotated[
        Path | None, typer.Option(help="Answers or {seq, hash} that callers kept: JSON or CSV.")
    ] = None,
) -> None:
    """Walk the chain, its signed heads and receipts; exit 1 where something was changed or is missing."""
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
        f"{verdict.heads} signed heads, {verdict.unsigned} entries after the last; {len(held)} receipts"
    )
    if verdict.faults:
        raise typer.Exit(1)


def load(home: Path, lake: Path) -> None:
    """Load a lake's events into the store; events that are there already stay as they are."""
    from features.lake import Lake
    from features.store import EventStore

    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = EventStore(home / "events.db")
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


if __name__ == "__main__":
    main()
