"""What people see, and what programs read: tables, bars, JSON, and what to do next."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

WIDTH = 100
"""Where the output is no terminal, and at most on one."""

_encoder = msgspec.json.Encoder()
_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), "\N{REPLACEMENT CHARACTER}")


def console() -> Console:
    """Standard output for people. Nothing that a fact holds is taken for markup."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit():
        width = int(columns)
    elif sys.stdout.isatty():
        width = min(shutil.get_terminal_size().columns, 120)
    else:
        width = WIDTH
    return Console(width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)


def emit(value: object) -> None:
    """One JSON document on a line of standard output."""
    emit_line(_encoder.encode(value))


def emit_line(line: bytes) -> None:
    """A line of JSON as it is."""
    sys.stdout.write(line.decode() + "\n")


def clean(text: object) -> str:
    """A text of someone else's, without what could move the cursor or change colours."""
    return str(text).translate(_CONTROLS)


def heading(out: Console, title: str, note: str = "") -> None:
    """A section begins."""
    line = Text(f"\n{title}", style="bold")
    if note:
        line.append(f"   {note}", style="not bold dim")
    out.print(line)


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    right: Sequence[str] = (),
    fixed: Sequence[str] = (),
) -> Padding:
    """A table; cells are Text, or anything that is shown as plain text.

    Figures (`right`) and `fixed` columns are never folded or cut; the words beside them may be.
    """
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="dim", show_edge=False)
    for column in columns:
        number = column in right
        grid.add_column(
            column,
            justify="right" if number else "left",
            no_wrap=number or column in fixed,
            overflow="ellipsis" if number or column in fixed else "fold",
        )
    for row in rows:
        grid.add_row(*(cell if isinstance(cell, Text) else Text(clean(cell)) for cell in row))
    return Padding(grid, (0, 0, 0, 2), expand=False)


def counted(of: str, rows: Iterable[tuple[str, int, str]], meaning: str = "") -> Padding:
    """A table of how many of each, and what that means."""
    shown = [(name, f"{count:,}", what) for name, count, what in rows]
    return table((of, "count", meaning), shown, right=("count",))


def bar(parts: Sequence[tuple[int, str, str]], width: int) -> Text:
    """Parts (amount, sign, style) of a whole, side by side; none above zero is left out."""
    whole = sum(amount for amount, _, _ in parts)
    text = Text()
    if whole == 0:
        return text
    cells = [max(1, amount * width // whole) if amount else 0 for amount, _, _ in parts]
    largest = max(range(len(parts)), key=lambda index: cells[index])
    cells[largest] += width - sum(cells)
    for count, (_, sign, style) in zip(cells, parts, strict=True):
        text.append(sign * count, style=style)
    return text


def next_steps(out: Console, *commands: tuple[str, str]) -> None:
    """What to do next: (command, why)."""
    heading(out, "Next")
    width = max(len(command) for command, _ in commands)
    beside = all(width + len(why) + 5 <= out.width for _, why in commands)
    for command, why in commands:
        line = Text("  ")
        line.append(command.ljust(width) if beside else command, style="bold cyan")
        line.append(f"   {why}" if beside else f"\n      {why}", style="not bold dim")
        out.print(line, soft_wrap=True)
