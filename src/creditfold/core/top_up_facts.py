"""Facts about top-ups: when a customer wants them, and which do not come."""

from __future__ import annotations

from msgspec import Struct

from creditfold.core.exact import Exact


class TopUp(Struct, frozen=True):
    """When to ask for a top-up of a unit, and for how much: multiples of `add`, or up to `target`.

    At most `max` at a time, at least `min`; `cooldown` lies between two.
    """

    threshold: Exact
    add: Exact | None = None
    target: Exact | None = None
    min: Exact | None = None
    max: Exact | None = None
    cooldown: int = 0


class TopUpDeclined(Struct, frozen=True):
    """A top-up that was asked for does not come; `retry_after` is how long to wait, if anything."""

    notice: str
    retry_after: int = 0
