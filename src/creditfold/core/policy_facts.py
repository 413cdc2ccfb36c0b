"""The choices of a policy: accounting, burn order, lateness and notices, each with who answers."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from creditfold.core.calendar import Every
from creditfold.core.commitment_facts import ShortfallMethod
from creditfold.core.exact import Exact
from creditfold.core.facts import OveragePolicy, Recognition


class SlaTreatment(StrEnum):
    """What an SLA credit does to revenue (ASC 606-10-32-5..9)."""

    ACCRUE_ON_GRANT = "accrue_on_grant"
    NET = "net"


class SlaExpiry(StrEnum):
    """What the lapse of an accrued credit is."""

    REVERSE_CONTRA = "reverse_contra"
    BREAKAGE = "breakage"


class GoodwillTreatment(StrEnum):
    """What goodwill does to revenue: `auto` accrues it where it names a failed period."""

    AUTO = "auto"
    NET = "net"


class Forfeit(StrEnum):
    """Whether paid credit may be voided without a refund: that needs a contract term."""

    REFUSE = "refuse"
    ALLOW = "allow"


class OverdraftCover(StrEnum):
    """Whether credit that comes later pays for carried overage."""

    BACKFILL = "backfill"
    NONE = "none"


class UsedPortion(StrEnum):
    """What a void does with the part of an invoice whose credit was used."""

    KEEP_RECEIVABLE = "keep_receivable"
    CONCEDE = "concede"


class Chargeback(StrEnum):
    """What a lost chargeback is, for credit that was used."""

    CREDIT_LOSS = "credit_loss"
    CONCESSION = "concession"


class LateOrder(StrEnum):
    """Whether late usage nets to what it would have in order, or takes what is left."""

    EVENT_TIME = "event_time"
    ARRIVAL = "arrival"


class LateAfter(StrEnum):
    """What becomes of usage that comes after the late window."""

    REJECT = "reject"
    OVERAGE = "overage"


class IncludedTreatment(StrEnum):
    """What a line that funds included credit is for: the units, or access over its range."""

    USAGE_THEN_BREAKAGE = "usage_then_breakage"
    RATABLE = "ratable"


class RatableBasis(StrEnum):
    """Whether a period is earned by time, or each month of the calendar counts the same."""

    DAYS = "days"
    MONTHS = "months"


class ExpiredBlock(StrEnum):
    """What becomes of credit that a correction gives back to a block that has expired."""

    EXPIRE = "expire"
    REOPEN = "reopen"


class Threshold(Struct, frozen=True):
    """A low balance of a unit: an amount, or a percentage of what was there after a grant."""

    unit: str
    amount: Exact | None = None
    percent: Exact | None = None


class PolicyKeys(Struct, frozen=True, omit_defaults=True):
    """The choices that a policy makes; None is unchanged."""

    draw_order: tuple[str, ...] | None = None
    late_window: int | None = None
    recognition: Recognition | None = None
    sla_treatment: SlaTreatment | None = None
    sla_expiry: SlaExpiry | None = None
    goodwill_treatment: GoodwillTreatment | None = None
    forfeit: Forfeit | None = None
    overage_default: OveragePolicy | None = None
    overdraft_cover: OverdraftCover | None = None
    used_portion: UsedPortion | None = None
    chargeback: Chargeback | None = None
    credit_before_tax: bool | None = None
    thresholds: tuple[Threshold, ...] | None = None
    expiring_before: int | None = None
    late_order: LateOrder | None = None
    statement_every: Every | None = None
    shortfall_method: ShortfallMethod | None = None
    commitment_progress: tuple[int, ...] | None = None
    included_treatment: IncludedTreatment | None = None
    ratable_basis: RatableBasis | None = None
    right_breakage: Exact | None = None
    expired_block: ExpiredBlock | None = None
    late_after: LateAfter | None = None
    refold_max: int | None = None


class PolicyPublished(Struct, frozen=True):
    """A version of the accounting and burn choices, with who answers for it."""

    version: int
    effective_from: int
    keys: PolicyKeys
    author: str
    reason: str
    approver: str | None = None
    evidence: str | None = None
