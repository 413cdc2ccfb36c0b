"""The policy in force: burn order, lateness, recognition, each set by a version."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import asdict, replace

from creditfold.core.calendar import Every
from creditfold.core.commitment_facts import ShortfallMethod
from creditfold.core.entries import canonical, sha256
from creditfold.core.exact import Exact
from creditfold.core.facts import OveragePolicy, Recognition
from creditfold.core.policy_facts import (
    Chargeback,
    ExpiredBlock,
    Forfeit,
    GoodwillTreatment,
    IncludedTreatment,
    LateAfter,
    LateOrder,
    OverdraftCover,
    PolicyKeys,
    RatableBasis,
    SlaExpiry,
    SlaTreatment,
    Threshold,
    UsedPortion,
)
from creditfold.core.times import DAY, HOUR

LATE_WINDOW_MAX = 45 * DAY
"""No policy accepts usage later than this, so what is older can be dropped from memory."""

REFOLD_MAX = 1_000_000
"""No policy lets one fact fold again more than this: its partition waits meanwhile."""

DRAW_ORDER_DEFAULT = ("priority", "expires_at", "free_before_paid", "effective_at", "id")


class Policy(Struct, frozen=True, omit_defaults=True):
    """All choices, resolved. Its hash stands on every posting made under it.

    A choice at its default is not in the hash, so a key that is added changes no old one's.
    """

    draw_order: tuple[str, ...] = DRAW_ORDER_DEFAULT
    late_window: int = 72 * HOUR
    recognition: Recognition = Recognition.ON_ISSUE
    sla_treatment: SlaTreatment = SlaTreatment.ACCRUE_ON_GRANT
    sla_expiry: SlaExpiry = SlaExpiry.REVERSE_CONTRA
    goodwill_treatment: GoodwillTreatment = GoodwillTreatment.AUTO
    forfeit: Forfeit = Forfeit.REFUSE
    overage_default: OveragePolicy = OveragePolicy.BILL
    overdraft_cover: OverdraftCover = OverdraftCover.BACKFILL
    used_portion: UsedPortion = UsedPortion.KEEP_RECEIVABLE
    chargeback: Chargeback = Chargeback.CREDIT_LOSS
    credit_before_tax: bool = False
    thresholds: tuple[Threshold, ...] = ()
    expiring_before: int = 0
    late_order: LateOrder = LateOrder.EVENT_TIME
    statement_every: Every | None = None
    shortfall_method: ShortfallMethod = ShortfallMethod.AT_PERIOD_END
    commitment_progress: tuple[int, ...] = ()
    included_treatment: IncludedTreatment = IncludedTreatment.USAGE_THEN_BREAKAGE
    ratable_basis: RatableBasis = RatableBasis.DAYS
    right_breakage: Exact | None = None
    expired_block: ExpiredBlock = ExpiredBlock.EXPIRE
    late_after: LateAfter = LateAfter.REJECT
    refold_max: int = 100_000

    @property
    def in_order(self) -> bool:
        """Whether late usage counts as if it had come in order."""
        return self.late_order is LateOrder.EVENT_TIME

    @property
    def takes_late(self) -> bool:
        """Whether usage that comes after the late window is taken, as overage."""
        return self.late_after is LateAfter.OVERAGE

    def changed(self, keys: PolicyKeys) -> Policy:
        """This policy with the keys that are given."""
        return replace(self, **{k: value for k, value in asdict(keys).items() if value is not None})

    @property
    def hash(self) -> str:
        """128 bits of the SHA-256 of the canonical policy, in hex."""
        return sha256(canonical(self))[:32]
