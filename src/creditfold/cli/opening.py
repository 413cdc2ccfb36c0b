"""The settings of one run, and its data directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from creditfold.cli.clock import wall_clock
from creditfold.cli.settings import OutputFormat, load

if TYPE_CHECKING:
    from creditfold.local.runtime import LocalRuntime


class Run:
    """How a command was called: for people or programs, and on which directory."""

    def __init__(self, data_dir: Path | None, output: str | None) -> None:
        settings = load(data_dir=data_dir, output=output)
        self.directory = settings.data_dir
        self.json = settings.output is OutputFormat.JSON
        self._given = data_dir

    def read(self) -> LocalRuntime:
        """The directory as it is now; another process may be writing to it."""
        from creditfold.local.runtime import LocalRuntime  # noqa: PLC0415  # start-up

        return LocalRuntime(self.directory, wall_clock, read_only=True)

    def write(self) -> LocalRuntime:
        """The directory for this process alone; it is made where there is none."""
        from creditfold.local.runtime import LocalRuntime  # noqa: PLC0415  # start-up

        return LocalRuntime(self.directory, wall_clock)

    def command(self, text: str) -> str:
        """`creditfold <text>` on the same directory, to be copied."""
        place = "" if self._given is None else f" --data-dir {self._given}"
        return f"creditfold {text}{place}"
