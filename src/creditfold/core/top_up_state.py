"""The records of top-ups, by unit."""

from __future__ import annotations

from msgspec import Struct


class TopUpTerms(Struct, frozen=True):
    """When to ask for how much of a unit, in its ledger steps. Either `add` or `target` is set."""

    threshold: int
    add: int | None
    target: int | None
    min: int
    max: int
    cooldown: int


class TopUps(Struct, frozen=True):
    """What was asked for of a unit; without terms no more is.

    `pending` is per notice that nothing has answered, `short` the last notice that `max` cut.
    Nothing is asked for before `next_at`.
    """

    terms: TopUpTerms | None
    pending: dict[str, int] = {}
    short: str = ""
    next_at: int = 0


TOP_UP = "top_up"
