"""The policy in force: burn order, lateness and recognition, each set by a published version."""

from __future__ import annotations

from msgspec import Struct

from creditfold.core.entries import canonical, sha256
from creditfold.core.facts import PolicyKeys, Recognition
from creditfold.core.times import DAY, HOUR

LATE_WINDOW_MAX = 45 * DAY
"""No policy accepts usage later than this, so what is older can be dropped from memory."""

DRAW_ORDER_DEFAULT = ("priority", "expires_at", "free_before_paid", "effective_at", "id")


class Policy(Struct, frozen=True):
    """All choices, resolved. Its hash stands on every posting made under it."""

    draw_order: tuple[str, ...] = DRAW_ORDER_DEFAULT
    late_window: int = 72 * HOUR
    recognition: Recognition = Recognition.ON_ISSUE

    def changed(self, keys: PolicyKeys) -> Policy:
        """This policy with the keys that are given."""
        return Policy(
            draw_order=self.draw_order if keys.draw_order is None else keys.draw_order,
            late_window=self.late_window if keys.late_window is None else keys.late_window,
            recognition=self.recognition if keys.recognition is None else keys.recognition,
        )

    @property
    def hash(self) -> str:
        """128 bits of the SHA-256 of the canonical policy, in hex."""
        return sha256(canonical(self))[:32]
