"""`creditfold config`: the settings in force and where each comes from."""

from __future__ import annotations

from creditfold.cli.options import DataDir, Output

EXAMPLES = (
    "Examples:  creditfold config  ·  CREDITFOLD_DATA_DIR=/srv/credit creditfold config -o json"
)


def config(data_dir: DataDir = None, output: Output = None) -> None:
    """Show the settings in force: value, and whether a flag, the environment or nobody set it."""
    from creditfold.cli import screen  # noqa: PLC0415  # start-up
    from creditfold.cli.settings import (  # noqa: PLC0415  # start-up
        OutputFormat,
        effective,
        load,
        unknown_variables,
    )
    from creditfold.worker.settings import load as load_worker  # noqa: PLC0415  # start-up

    settings = load(data_dir=data_dir, output=output)
    rows = [*effective(settings, data_dir=data_dir, output=output), *effective(load_worker())]
    unknown = unknown_variables()
    if settings.output is OutputFormat.JSON:
        found = {row.name: {"value": row.value, "source": row.source} for row in rows}
        screen.emit({"settings": found, "unknown": unknown})
        return
    out = screen.console()
    screen.heading(out, "Settings", "a flag wins over the environment")
    columns = ("setting", "value", "from", "variable", "")
    out.print(screen.table(columns, rows))
    for name, meant in unknown.items():
        hint = f": did you mean {meant}?" if meant else ""
        out.print(f"  {screen.clean(name)} sets nothing here{hint}", style="yellow")
    screen.next_steps(out, ("creditfold demo", "see it work"))
