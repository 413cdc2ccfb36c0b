"""The burn order: a named list of keys over a block's terms, total since it ends in its id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeAlias

from creditfold.core.facts import Kind
from creditfold.core.state import Terms
from creditfold.core.times import SECOND

_Part: TypeAlias = tuple[int, int | Fraction]

_KINDS = tuple(Kind)


def _last_if_none(value: int | None) -> _Part:
    return (1, 0) if value is None else (0, value)


def _first_if(flag: bool) -> _Part:
    return (0 if flag else 1, 0)


def _size(terms: Terms) -> Fraction:
    return Fraction(terms.quantity, 10**terms.exponent)


KEYS: dict[str, Callable[[Terms], _Part]] = {
    "priority": lambda t: _last_if_none(t.priority),
    "expires_at": lambda t: _last_if_none(t.expires_at),
    "expires_at_second": lambda t: _last_if_none(
        None if t.expires_at is None else t.expires_at // SECOND
    ),
    "effective_at": lambda t: (0, t.effective_at),
    "granted_at": lambda t: (0, t.granted_at),
    "free_before_paid": lambda t: _first_if(t.free),
    "paid_before_free": lambda t: _first_if(not t.free),
    "rolled_first": lambda t: _first_if(t.rolled_from is not None),
    "rolled_last": lambda t: _first_if(t.rolled_from is None),
    "scoped_first": lambda t: _first_if(t.scope is not None),
    "narrower_first": lambda t: (0, 0 if t.scope is None else -t.scope.dimensions),
    "lower_cost_first": lambda t: (0, Fraction(t.cost, t.quantity) * 10**t.exponent),
    "larger_first": lambda t: (0, -_size(t)),
    "smaller_first": lambda t: (0, _size(t)),
    "kind": lambda t: (0, _KINDS.index(t.kind)),
}
"""What may stand in `draw.order`; what is absent (no priority, no expiry) sorts last."""

ID = "id"

PRESETS: dict[str, tuple[str, ...]] = {
    "openmeter": ("priority", "expires_at", "granted_at"),
    "kong": ("priority", "scoped_first", "expires_at"),
    "stripe": ("priority", "expires_at", "free_before_paid", "effective_at", "granted_at"),
    "stigg": ("priority", "expires_at", "free_before_paid", "effective_at", "granted_at"),
    "orb": ("scoped_first", "expires_at", "lower_cost_first", "granted_at"),
    "metronome": ("priority", "free_before_paid", "narrower_first", "expires_at", "effective_at"),
    "flexprice": ("priority", "expires_at", "larger_first"),
}
"""The orders of systems that people come from, by name; docs/burn-order.md has their sources."""


def sort_key(order: Sequence[str], block: str, terms: Terms) -> tuple[object, ...]:
    """Sorts blocks into the burn order, buffers after everything else in whatever order.

    Ids compare by their UTF-8 bytes, which is how Python compares text.
    """
    return (terms.kind is Kind.BUFFER, *(KEYS[key](terms) for key in order if key != ID), block)
