"""A state with changes on top of it that nobody has committed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from creditfold.core.state import Key, State


class Overlay:
    """Reads through its changes to the state below; None among them hides a record."""

    def __init__(self, state: State, changes: dict[Key, Any]) -> None:
        self._state = state
        self.changes = changes

    def get(self, key: Key, /) -> Any:  # noqa: ANN401  # the kind in the key says which record
        """The record under the key, or None."""
        return self.changes[key] if key in self.changes else self._state.get(key)

    def scan(self, customer: str, kind: str, start: str = "", /) -> Iterator[tuple[str, Any]]:
        """The records of one kind of a customer from an id on, by the UTF-8 bytes of their ids."""
        found = dict(self._state.scan(customer, kind, start))
        for (customer_, kind_, id_), record in self.changes.items():
            if kind_ == kind and customer_ == customer and id_ >= start:
                found[id_] = record
        return iter(sorted((id_, record) for id_, record in found.items() if record is not None))
