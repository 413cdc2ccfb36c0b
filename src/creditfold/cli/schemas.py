"""`creditfold schemas`: the JSON Schemas of every event."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from creditfold.cli.errors import CommandError, Exit
from creditfold.cli.options import Output

EXAMPLES = (
    "Examples:  creditfold schemas  ·  creditfold schemas usage.recorded  ·  "
    "creditfold schemas --write ./schemas"
)


def schemas(
    type_: Annotated[
        str | None,
        typer.Argument(
            metavar="TYPE", help="Print one: usage.recorded, or its full name; none lists all."
        ),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="DIR", help="Write all of them, with examples."),
    ] = None,
    output: Output = None,
) -> None:
    """List the events and print or write their JSON Schemas (2020-12)."""
    from creditfold.cli.opening import Run  # noqa: PLC0415  # start-up
    from creditfold.contract.schemas import generate  # noqa: PLC0415  # start-up

    run = Run(None, output)
    files = generate()
    if write is not None:
        _write(write, files, as_json=run.json)
    elif type_ is None:
        _list(files, as_json=run.json)
    else:
        typer.echo(files[_file(type_, files)], nl=False)


def _file(type_: str, files: dict[str, str]) -> str:
    from creditfold.cli.screen import clean  # noqa: PLC0415  # start-up

    name = type_.removeprefix("creditfold.").removesuffix(".json")
    for candidate in (f"{name}.json", f"{name}.v1.json"):
        if candidate in files and "/" not in candidate:
            return candidate
    raise CommandError(
        f"there is no event type {clean(type_)}: creditfold schemas lists all", Exit.REFUSED
    )


def _write(root: Path, files: dict[str, str], *, as_json: bool) -> None:
    from creditfold.cli import screen  # noqa: PLC0415  # start-up

    try:
        for path, text in files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
    except OSError as error:
        raise CommandError(
            f"{root} cannot be written ({error.strerror}): name another directory for --write"
        ) from error
    if as_json:
        screen.emit({"directory": str(root), "written": sorted(files)})
        return
    out = screen.console()
    screen.heading(out, f"{len(files)} files written", str(root))
    schema = root / "usage.recorded.v1.json"
    screen.next_steps(out, (f"check-jsonschema --schemafile {schema} FILE", "check data with one"))


def _list(files: dict[str, str], *, as_json: bool) -> None:
    from creditfold.cli import screen  # noqa: PLC0415  # start-up
    from creditfold.contract.decode import INPUTS  # noqa: PLC0415  # start-up
    from creditfold.contract.topics import topic_of  # noqa: PLC0415  # start-up

    rows = []
    for path, text in files.items():
        if "/" in path or not path.endswith(".json") or path.startswith("envelope."):
            continue
        type_ = f"creditfold.{path.removesuffix('.json')}"
        try:
            topic = topic_of(type_).name
        except KeyError:
            topic = ""
        says = str(json.loads(text).get("description", "")).partition("\n")[0]
        rows.append((type_, "input" if type_ in INPUTS else "output", topic, says))
    if as_json:
        names = ("type", "direction", "topic", "description")
        screen.emit([dict(zip(names, row, strict=True)) for row in rows])
        return
    out = screen.console()
    screen.heading(out, f"{len(rows)} event types")
    out.print(screen.table(("type", "", "what it says"), [(r[0], r[1], r[3]) for r in rows]))
    screen.next_steps(
        out,
        ("creditfold schemas usage.recorded", "print one"),
        ("creditfold schemas --write DIR", "write all, with examples"),
    )
