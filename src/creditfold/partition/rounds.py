"""How far a partition's customers have been told of what was published, portion by portion.

A program may concern every customer. None of them is looked at while it is published; each learns
of it when it is touched next, and a round goes through all the others, some with each batch.
"""

from __future__ import annotations

from msgspec import Struct

LOOKS_MAX = 1_000
"""Customers of a round that one batch looks at."""


class Round(Struct, frozen=True):
    """All customers know of the first `done` publications, and up to `cursor` of `target`."""

    done: int = 0
    target: int = 0
    cursor: str = ""


ROUND = "round"
"""The kind of the record; it is kept with the state, under no customer."""
