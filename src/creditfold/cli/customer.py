"""`creditfold customer`: what a customer has, and who there is."""

from __future__ import annotations

from typing import Annotated

import typer

from creditfold.cli.errors import CommandError, Exit
from creditfold.cli.options import DataDir, OnKafka, Output

app = typer.Typer(help="Show customers: balances, blocks, what expires next.", no_args_is_help=True)

SHOW_EXAMPLES = (
    "Examples:  creditfold customer show c-017  ·  "
    "creditfold customer show c-017 --at 2026-12-31T23:59:59Z -o json  ·  "
    "creditfold customer show c-017 --kafka broker:9092 --worker http://worker:8080"
)
LIST_EXAMPLES = "Examples:  creditfold customer list  ·  creditfold customer list -o json"


@app.command("show", epilog=SHOW_EXAMPLES)
def show(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id.")],
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="TIME",
            help="As of then: the past as it was known, the future if nothing happens.",
        ),
    ] = None,
    kafka: OnKafka = None,
    worker: Annotated[
        str | None,
        typer.Option(
            "--worker",
            metavar="URL",
            help="On Kafka: any worker; the owner of the customer is asked.  "
            "[default: http://127.0.0.1:8080]",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    output: Output = None,
) -> None:
    """Show a customer: balances, blocks, what expires next, overage, invoices, last entries.

    On Kafka a worker answers, with balances and blocks as of now (while the clock is held, as of
    the log's time). Exit code 1: there is no such customer.
    """
    if kafka is not None or worker is not None:
        from creditfold.cli.cluster import Cluster, only_kafka  # noqa: PLC0415  # start-up
        from creditfold.cli.customer_kafka import show_customer  # noqa: PLC0415  # start-up

        only_kafka(data_dir)
        if at is not None:
            raise CommandError("a worker knows the present only: leave --at out on Kafka")
        show_customer(Cluster(kafka, output), customer, worker)
        return
    from creditfold.cli import account, screen  # noqa: PLC0415  # start-up
    from creditfold.cli.opening import Run  # noqa: PLC0415  # start-up
    from creditfold.cli.times import instant  # noqa: PLC0415  # start-up

    run = Run(data_dir, output)
    when = instant(at, "--at")
    with run.read() as runtime:
        view = account.look(runtime, customer, when)
        if view is None:
            then = "" if at is None else f" at {at}"
            raise CommandError(
                f"there is no customer {screen.clean(customer)}{then}: "
                f"{run.command('customer list')} names all",
                Exit.REFUSED,
            )
    if run.json:
        screen.emit(view)
    else:
        from creditfold.cli.account_screen import show_account  # noqa: PLC0415  # start-up

        show_account(screen.console(), view, run)


@app.command("list", epilog=LIST_EXAMPLES)
def list_(data_dir: DataDir = None, output: Output = None) -> None:
    """List all customers with what is usable, what they overused, and when something falls due."""
    from creditfold.cli import account, screen  # noqa: PLC0415  # start-up
    from creditfold.cli.opening import Run  # noqa: PLC0415  # start-up

    run = Run(data_dir, output)
    with run.read() as runtime:
        rows = account.everyone(runtime)
        if run.json:
            for row in rows:
                screen.emit(row)
            return
        found = [
            (
                row["customer"],
                _amounts(row["usable"]),
                _amounts(row["overage"]),
                row["next_due"] or "",
                row["facts"],
            )
            for row in rows
        ]
    out = screen.console()
    screen.heading(out, f"{len(found):,} customers", str(run.directory))
    columns = ("customer", "usable", "overage, not billed", "next due", "facts")
    out.print(screen.table(columns, found, right=("facts",)))
    if found:
        first = screen.clean(found[0][0])
        screen.next_steps(out, (run.command(f"customer show {first}"), "all about one of them"))
    else:
        screen.next_steps(out, (run.command("publish FILE"), "begin with customer.created facts"))


def _amounts(amounts: dict[str, str]) -> str:
    return ", ".join(f"{amount} {unit}" for unit, amount in amounts.items())
