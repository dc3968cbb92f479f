"""Commands about records: replay, audit, keys, freezing, retention. The others stand in ``__main__``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[Path, typer.Option(help="State folder.", envvar="CAREPATH_HOME")]
DEFAULT = Path("var")
audit = typer.Typer(help="Papers: export, record of processing, impact assessment.", no_args_is_help=True)
keys = typer.Typer(help="Key-encryption keys.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Add these commands to an application."""
    app.add_typer(audit, name="audit")
    app.add_typer(keys, name="keys")
    app.command()(replay)
    app.command()(unfreeze)
    app.command()(retention)


def replay(
    decision: str,
    home: Home = DEFAULT,
    identity: Annotated[str, typer.Option(help="Who reads it.")] = "compliance",
) -> None:
    """Make a recorded decision or list again, on record; exit 1 where anything differs, 2 where it is impossible."""
    import time
    import uuid

    from features import instants
    from features.errors import InputError
    from serving.ledger import Ledger
    from serving.replay import replay as again
    from serving.settings import serving
    from serving.stores import event_store

    ledger, store = Ledger(home / "ledger.db"), event_store(home)
    entry = ledger.entry("decision", decision) or ledger.entry("list", decision)
    if entry is None:
        raise InputError(
            "no such decision or list", where="replay", remedy="give a decision_id or list_id of this state folder"
        )
    made = again(entry, home, store, serving())
    store.close()
    with ledger.writing() as appender:
        read = {"principal": identity, "decision_id": entry.id, "verdict": made.verdict}
        appender.append("replay", uuid.uuid4().hex, read | {"at": instants.iso(time.time_ns() // 1000)}, {})
    ledger.close()
    for each in made.differs:
        typer.echo(f"{each['what']}: recorded {each['recorded']}, replayed {each['replayed']}")
    for each in made.changed:
        typer.echo(f"changed since: {each['what']}", err=True)
    typer.echo(f"{decision}: {made.verdict}{f' ({made.why})' if made.why else ''}")
    if made.verdict != "equal":
        raise typer.Exit(1 if made.verdict == "differs" else 2)


def unfreeze(
    principal: str,
    by: Annotated[list[str], typer.Option(help="An administrator; name two.")],
    home: Home = DEFAULT,
) -> None:
    """Let a frozen key in again; two administrators decide it."""
    from features.errors import InputError
    from serving.ledger import Ledger
    from serving.settings import serving
    from serving.watchman import Watchman

    if len(set(by)) != 2 or principal in by:
        raise InputError("two other persons must decide it", where="unfreeze", remedy="--by ONE --by ANOTHER")
    ledger = Ledger(home / "ledger.db")
    was = Watchman(ledger, serving().watch).unfreeze(principal, (by[0], by[1]))
    ledger.close()
    typer.echo(f"{principal} {'may ask again' if was else 'was not frozen'}")


def retention(
    home: Home = DEFAULT,
    clock: Annotated[str | None, typer.Option(help="As of when; else now.")] = None,
) -> None:
    """Destroy the keys of erased patients whose last retention class has ended. Run it daily.

    What a restored back-up of store or identity map still holds of an erased patient goes too.
    """
    from serving.clock import Clock
    from serving.identities import forget
    from serving.ledger import Ledger
    from serving.sealing import restore
    from serving.stores import event_store

    ledger, store = Ledger(home / "ledger.db"), event_store(home)
    mended = restore(home, ledger, store, Clock.at(clock).now())
    forgotten = forget(home, [stone.patient_id for stone in ledger.keys.tombstones()])
    store.close()
    ledger.close()
    typer.echo(f"{mended} tombstones had something left to do; {forgotten} own ids of erased patients went")


@keys.command()
def rotate(home: Home = DEFAULT) -> None:
    """Wrap every data key under a fresh key-encryption key and forget the older ones."""
    import time
    import uuid

    from features import instants
    from serving.ledger import Ledger

    ledger = Ledger(home / "ledger.db")
    name, number = ledger.keys.rewrap()
    with ledger.writing() as appender:
        header = {"event": "rotated", "keys": number, "at": instants.iso(time.time_ns() // 1000)}
        appender.append("key", uuid.uuid4().hex, header, {})
    ledger.close()
    typer.echo(f"{number} data keys are wrapped by {name}")


@keys.command()
def show(home: Home = DEFAULT) -> None:
    """Show where the key file lies and the public key that signed heads are checked with."""
    from serving.ledger import Ledger

    ledger = Ledger(home / "ledger.db")
    provider = ledger.keys.provider
    typer.echo(f"key file    {getattr(provider, 'file', type(provider).__name__)}")
    typer.echo(f"public key  {provider.public().hex()}")
    ledger.close()


@audit.command()
def export(
    out: Annotated[Path, typer.Option(help="A new folder.")] = Path("export"),
    home: Home = DEFAULT,
    since: Annotated[str, typer.Option("--from", help="A date, or a time with offset.")] = "1970-01-02",
    until: Annotated[str, typer.Option("--to", help="A date (its end), or a time with offset.")] = "2999-12-31",
    kind: Annotated[str, typer.Option("--format", help="jsonl, csv or xlsx.")] = "jsonl",
    identity: Annotated[str, typer.Option(help="Who takes it away.")] = "compliance",
) -> None:
    """Write the ledger without payloads, its signed heads, and a verify.py that needs nothing of ours."""
    from features.instants import DAY, parse
    from serving.audit.export import export as write
    from serving.ledger import Ledger

    first = parse(since) - (DAY - 1 if len(since) == len("2025-01-01") else 0)
    ledger = Ledger(home / "ledger.db")
    number = write(ledger, out, first, parse(until), kind, identity)
    ledger.close()
    typer.echo(f"{number} entries in {out}; check them with: python {out / 'verify.py'} {out}")


@audit.command()
def register(home: Home = DEFAULT) -> None:
    """Print the record of processing as CSV: table, group, purpose, necessity, sensitive, retention, recipients."""
    import csv
    import sys

    from serving.audit.register import COLUMNS
    from serving.audit.register import register as rows

    writer = csv.DictWriter(sys.stdout, COLUMNS)
    writer.writeheader()
    writer.writerows(rows(home))


@audit.command()
def pia(home: Home = DEFAULT) -> None:
    """Print the impact assessment: facts filled in, judgements blank."""
    from serving.audit.assessment import assessment
    from serving.clock import Clock
    from serving.ledger import Ledger

    ledger = Ledger(home / "ledger.db")
    typer.echo(assessment(home, ledger, Clock().now()))
    ledger.close()
