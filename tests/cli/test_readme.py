"""The README names every command, and none that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.support import invoke
from creditfold.cli.app import app

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
TABLE = README.partition("## Commands\n")[2].partition("\n## ")[0]


def commands() -> list[str]:
    return sorted(_names(typer.main.get_command(app), ()))


def _names(command: Any, before: tuple[str, ...]) -> Iterator[str]:
    if not hasattr(command, "commands"):
        yield " ".join(before)
        return
    for name, each in command.commands.items():
        yield from _names(each, (*before, name))


def test_the_table_names_every_command() -> None:
    firsts = [row.split("|")[1] for row in TABLE.splitlines() if row.startswith("| `")]
    named = [code.removeprefix("creditfold ") for cell in firsts for code in cell.split("`")[1::2]]
    words = [re.sub(r" (FILE|ID|--verify)", "", code) for code in named]

    assert commands() == sorted(words)


SHOWN = [
    line.partition("#")[0].split()[1:]
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("creditfold ")
]


@pytest.mark.parametrize("words", SHOWN, ids=" ".join)
def test_what_it_shows_is_a_command_with_such_options(words) -> None:
    (name,) = {" ".join(words[:n]) for n in (1, 2)} & set(commands())
    text = invoke(*name.split(), "--help").stdout

    for option in (word for word in words if word.startswith("-")):
        assert option in text
