"""`creditfold rejections` and `dead-letters`: what did not count, and sending it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from creditfold.cli.errors import CommandError, Exit
from creditfold.cli.options import Application, Code, DryRun, FromTime, Kafka, Output, UntilTime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from creditfold.cli.cluster import Cluster
    from creditfold.worker.letters import Letter
    from creditfold.worker.resend import Coordinates
    from creditfold.worker.retry import Selection

rejections = typer.Typer(help="Facts on Kafka that the fold refused.", no_args_is_help=True)
dead_letters = typer.Typer(help="Records on Kafka that no event is in.", no_args_is_help=True)

RETRY_EXAMPLES = (
    "Examples:  creditfold rejections retry --code unknown_customer --dry-run  ·  "
    "creditfold rejections retry --customer c-017 --since 2026-11-01 --kafka broker:9092"
)
LIST_EXAMPLES = (
    "Examples:  creditfold dead-letters list --kafka broker:9092  ·  "
    "creditfold dead-letters list --code wrong_key -o json"
)
SHOW_EXAMPLES = "Examples:  creditfold dead-letters show creditfold.usage:3:17 --kafka broker:9092"
RETRY_LETTER_EXAMPLES = (
    "Examples:  creditfold dead-letters retry --code wrong_partition --dry-run  ·  "
    "creditfold dead-letters retry creditfold.usage:3:17 --key c-017"
)

SHOWN_MAX = 50

Place = Annotated[
    str, typer.Argument(metavar="TOPIC:PARTITION:OFFSET", help="Where the record is, as listed.")
]


@rejections.command("retry", epilog=RETRY_EXAMPLES)
def retry(
    code: Code = None,
    customer: Annotated[
        str | None, typer.Option("--customer", metavar="C", help="Only this customer's.")
    ] = None,
    since: FromTime = None,
    until: UntilTime = None,
    dry_run: DryRun = False,
    kafka: Kafka = None,
    application: Application = None,
    output: Output = None,
) -> None:
    """Send facts that stand rejected again, unchanged, once what they lacked is there.

    Twice sends nothing twice. Exit code 1: some can never be sent again.
    """
    from creditfold.cli import screen  # noqa: PLC0415  # start-up
    from creditfold.cli.cluster import Cluster  # noqa: PLC0415  # start-up
    from creditfold.worker.retry import Fate  # noqa: PLC0415  # start-up
    from creditfold.worker.retry import retry as send  # noqa: PLC0415  # start-up

    run = Cluster(kafka, output, application=application)
    selection = _selection(code, customer, since, until)
    done = send(run.kafka, selection, application=run.settings.application, dry_run=dry_run)
    if run.json:
        facts = [{**_fields(fact), "fate": fate.value} for fact, fate in done.facts]
        screen.emit({"dry_run": dry_run, "counts": done.counts, "facts": facts})
    else:
        says: dict[str, str] = {
            Fate.SENT: "would be sent again" if dry_run else "sent again",
            Fate.WAITING: "wait already, for a worker to fold them",
            Fate.ID_TAKEN: "another fact has their id: publish them with a new one",
            Fate.GONE: "are no longer on their topic: publish them again",
        }
        rows = [(fact.id, fact.customer, fact.code, fate.value) for fact, fate in done.facts]
        columns = ("fact", "customer", "code", "fate")
        step = (run.command("trace EVENT_ID"), "the answers of one fact")
        _show_sent("rejected facts", run, done.counts, says, columns, rows, step)
    if done.counts[Fate.ID_TAKEN] or done.counts[Fate.GONE]:
        raise typer.Exit(Exit.REFUSED)


@dead_letters.command("list", epilog=LIST_EXAMPLES)
def list_(
    code: Code = None,
    since: FromTime = None,
    until: UntilTime = None,
    kafka: Kafka = None,
    output: Output = None,
) -> None:
    """List the records that could not be read as events, and why."""
    from creditfold.cli import screen  # noqa: PLC0415  # start-up
    from creditfold.cli.cluster import Cluster  # noqa: PLC0415  # start-up
    from creditfold.worker.letters import letters  # noqa: PLC0415  # start-up

    run = Cluster(kafka, output)
    found = letters(run.kafka, _selection(code, None, since, until))
    if run.json:
        for letter in found:
            screen.emit({"record": _place(letter), **_fields(letter)})
        return
    rows = [(_place(each), each.recorded_at, each.code, each.detail) for each in found]
    out = screen.console()
    screen.heading(out, f"{len(rows):,} dead letters", f"at {run.at}")
    if rows:
        columns = ("record", "recorded", "code", "why")
        out.print(screen.table(columns, rows, fixed=("record",)))
        first = screen.clean(rows[0][0])
        screen.next_steps(
            out,
            (run.command(f"dead-letters show {first}"), "what one of them held"),
            (run.command("dead-letters retry --dry-run"), "what could be sent again"),
        )
    else:
        screen.next_steps(out, (run.command("rejections retry --dry-run"), "what was refused"))


@dead_letters.command("show", epilog=SHOW_EXAMPLES)
def show(record: Place, kafka: Kafka = None, output: Output = None) -> None:
    """Show what a dead letter's record held, as text.

    Exit code 1: there is no dead letter about that record.
    """
    from creditfold.cli import screen  # noqa: PLC0415  # start-up
    from creditfold.cli.cluster import Cluster  # noqa: PLC0415  # start-up
    from creditfold.worker.letters import show as look  # noqa: PLC0415  # start-up

    run = Cluster(kafka, output)
    found = look(run.kafka, _coordinates(record))
    if found is None:
        raise _no_letter(record, run)
    if run.json:
        screen.emit(
            {
                "record": _place(found.letter),
                **_fields(found.letter),
                "key": found.key,
                "headers": found.headers,
                "value": found.value,
                "whole": found.whole,
            }
        )
        return
    out = screen.console()
    screen.heading(out, f"Dead letter {_place(found.letter)}", found.letter.code)
    out.print(f"  {screen.clean(found.letter.detail)}", style="yellow", soft_wrap=True)
    lines = [("key", found.key), *found.headers, ("value", found.value)]
    for name, value in lines:
        text = "none" if value is None else screen.clean(value)
        out.print(f"  {screen.clean(name):<16} {text}", soft_wrap=True)
    if not found.whole:
        out.print("  the letter holds only a part of it", style="yellow")
    step = run.command(f"dead-letters retry {_place(found.letter)} --key CUSTOMER")
    screen.next_steps(out, (step, "send it again with a corrected key"))


@dead_letters.command("retry", epilog=RETRY_LETTER_EXAMPLES)
def retry_letters(
    record: Annotated[
        str | None,
        typer.Argument(metavar="[TOPIC:PARTITION:OFFSET]", help="One record; else all selected."),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="CUSTOMER", help="The key that it should have.")
    ] = None,
    code: Code = None,
    since: FromTime = None,
    until: UntilTime = None,
    dry_run: DryRun = False,
    kafka: Kafka = None,
    application: Application = None,
    output: Output = None,
) -> None:
    """Send records that can be read now again as they came, or one of them with a corrected key.

    Twice sends nothing twice. Exit code 1: some still cannot be read, or are gone.
    """
    from creditfold.cli import screen  # noqa: PLC0415  # start-up
    from creditfold.cli.cluster import Cluster  # noqa: PLC0415  # start-up
    from creditfold.worker.letters import LetterFate  # noqa: PLC0415  # start-up
    from creditfold.worker.letters import retry_letters as send  # noqa: PLC0415  # start-up

    if key is not None and record is None:
        raise CommandError("--key corrects one record: name it as TOPIC:PARTITION:OFFSET")
    run = Cluster(kafka, output, application=application)
    done = send(
        run.kafka,
        _selection(code, None, since, until),
        only=None if record is None else _coordinates(record),
        key=key,
        application=run.settings.application,
        dry_run=dry_run,
    )
    if record is not None and not done.letters:
        raise _no_letter(record, run)
    if run.json:
        told = [
            {"record": _place(letter), "fate": fate.value, "why": why}
            for letter, fate, why in done.letters
        ]
        screen.emit({"dry_run": dry_run, "counts": done.counts, "letters": told})
    else:
        says: dict[str, str] = {
            LetterFate.SENT: "would be sent again" if dry_run else "sent again",
            LetterFate.ANSWERED: "could be read, and the ledger has the answer",
            LetterFate.WAITING: "wait already, for a worker to fold them",
            LetterFate.UNREADABLE: "still no event: correct the key, or publish a right value",
            LetterFate.GONE: "are no longer on their topic: publish the facts again",
        }
        rows = [(_place(each), fate.value, why) for each, fate, why in done.letters]
        step = (run.command("dead-letters list"), "all of them")
        _show_sent("dead letters", run, done.counts, says, ("record", "fate", "why"), rows, step)
    if done.counts[LetterFate.UNREADABLE] or done.counts[LetterFate.GONE]:
        raise typer.Exit(Exit.REFUSED)


def _show_sent(
    what: str,
    run: Cluster,
    counts: Mapping[str, int],
    says: Mapping[str, str],
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    step: tuple[str, str],
) -> None:
    """How many had which fate and what that means, the first of them, and what to do next."""
    from creditfold.cli import screen  # noqa: PLC0415  # start-up

    out = screen.console()
    screen.heading(out, f"{len(rows):,} {what}", f"at {run.at}")
    out.print(screen.counted("fate", ((fate, counts[fate], why) for fate, why in says.items())))
    if rows:
        out.print(screen.table(columns, rows[:SHOWN_MAX], fixed=("record",)))
    screen.next_steps(out, step)


def _no_letter(record: str, run: Cluster) -> CommandError:
    from creditfold.cli.screen import clean  # noqa: PLC0415  # start-up

    names_all = run.command("dead-letters list")
    text = f"there is no dead letter about {clean(record)}: {names_all} names all"
    return CommandError(text, Exit.REFUSED)


def _selection(
    code: str | None, customer: str | None, since: str | None, until: str | None
) -> Selection:
    from creditfold.cli.times import instant  # noqa: PLC0415  # start-up
    from creditfold.worker.retry import Selection  # noqa: PLC0415  # start-up

    return Selection(code, customer, instant(since, "--since"), instant(until, "--until"))


def _coordinates(text: str) -> Coordinates:
    from creditfold.cli.screen import clean  # noqa: PLC0415  # start-up
    from creditfold.worker.resend import Coordinates  # noqa: PLC0415  # start-up

    topic, _, rest = text.partition(":")
    partition, _, offset = rest.partition(":")
    if not (topic and partition.isdecimal() and offset.isdecimal()):
        raise CommandError(f"{clean(text)} is no place: write TOPIC:PARTITION:OFFSET, as listed")
    return Coordinates(topic, int(partition), int(offset))


def _place(letter: Letter) -> str:
    return f"{letter.topic}:{letter.partition}:{letter.offset}"


def _fields(struct: Any) -> dict[str, Any]:  # noqa: ANN401  # any of msgspec's structs
    return {name: getattr(struct, name) for name in struct.__struct_fields__}
