"""Policies on the wire: accounting, burn order and lateness, each choice with who answers."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from creditfold.contract.catalog_inputs import VERSION
from creditfold.contract.commitment_inputs import ShortfallName
from creditfold.contract.customer_inputs import OverageName
from creditfold.contract.fields import (
    Amount,
    Data,
    Duration,
    Interval,
    LateWindow,
    Name,
    Text,
    Time,
    invalid,
)
from creditfold.contract.invoice_inputs import RecognitionName
from creditfold.core import facts, policy_facts
from creditfold.core.commitment_facts import ShortfallMethod
from creditfold.core.exact import Exact
from creditfold.core.order import ID, KEYS, PRESETS
from creditfold.core.policy import REFOLD_MAX

THRESHOLDS_MAX = 20
_WHOLE = Exact(100, 0)

_ORDER_KEYS = (*KEYS, ID)
_OrderKey: TypeAlias = Literal[_ORDER_KEYS]  # type: ignore[valid-type]  # from core
_Preset: TypeAlias = Literal[tuple(PRESETS)]  # type: ignore[valid-type]  # from core
_OrderKeys: TypeAlias = Annotated[
    list[_OrderKey],
    Field(min_length=1, max_length=len(_ORDER_KEYS), json_schema_extra={"uniqueItems": True}),
]
_DrawOrder: TypeAlias = Annotated[
    Annotated[_OrderKeys, Tag("~keys")] | Annotated[_Preset, Tag("~preset")],
    Discriminator(lambda value: "~preset" if isinstance(value, str) else "~keys"),
]
_Percent: TypeAlias = Annotated[int, Field(ge=1, le=100)]
_E = TypeVar("_E", bound=StrEnum)


class ThresholdData(Data):
    """A low balance of a unit."""

    model_config = ConfigDict(title="Threshold")

    unit: Name = Field(description="The unit.")
    amount: Amount | None = Field(None, description="At or below this is low.")
    percent: Amount | None = Field(
        None, description="At or below this part of what was usable after the last grant is low."
    )

    @model_validator(mode="after")
    def _of_one_kind(self) -> ThresholdData:
        if (self.amount is None) == (self.percent is None):
            raise invalid("give either an amount or a percent")
        if self.percent is not None and self.percent.compared(_WHOLE) >= 0:
            raise invalid("percent is below 100: a balance is always at or below its whole")
        return self

    def core(self) -> policy_facts.Threshold:
        """As the fold reads it."""
        return policy_facts.Threshold(self.unit, self.amount, self.percent)


class BreakageRateData(Data):
    """The part of a kind's units that nobody is expected to draw."""

    model_config = ConfigDict(title="BreakageRate")

    material_right: Amount = Field(description="Of material rights, as a fraction below 1.")

    @model_validator(mode="after")
    def _leaves_some(self) -> BreakageRateData:
        if self.material_right.compared(Exact(1, 0)) >= 0:
            raise invalid("all of it would lapse: write a fraction below 1, such as 0.05")
        return self


class PolicyKeysData(Data):
    """Only the choices that the version changes."""

    model_config = ConfigDict(title="PolicyKeys")

    draw_order: _DrawOrder | None = Field(
        None,
        alias="draw.order",
        description="The burn order: keys, first key first, id implied last; or the name of the "
        "system whose order it is.",
    )
    late_window: LateWindow | None = Field(
        None,
        alias="late.window",
        description="How late usage may arrive: PT0S to P45D in days, hours, minutes, seconds.",
    )
    recognition: RecognitionName | None = Field(
        None,
        alias="invoice.recognition",
        description="When billing becomes an unconditional right.",
    )
    sla_treatment: Literal["accrue_on_grant", "net"] | None = Field(
        None,
        alias="sla.treatment",
        description="Whether SLA credit lowers revenue when it is granted, or as it is used.",
    )
    sla_expiry: Literal["reverse_contra", "breakage"] | None = Field(
        None,
        alias="sla.expiry",
        description="What the lapse of an accrued concession is.",
    )
    goodwill_treatment: Literal["auto", "net"] | None = Field(
        None,
        alias="goodwill.treatment",
        description="auto: as SLA credit where it names a failed period, else net.",
    )
    forfeit: Literal["refuse", "allow"] | None = Field(
        None,
        alias="revoke.forfeit",
        description="Whether paid credit may be voided without a refund; allow needs a contract "
        "term.",
    )
    used_portion: Literal["keep_receivable", "concede"] | None = Field(
        None,
        alias="void.used_portion",
        description="What a void does with the part whose credit was used.",
    )
    chargeback: Literal["credit_loss", "concession"] | None = Field(
        None,
        alias="chargeback.treatment",
        description="What a lost chargeback is, for credit that was used.",
    )
    credit_before_tax: bool | None = Field(
        None,
        alias="invoice.credit_before_tax",
        strict=True,
        description="Whether credit that draws on invoices lowers what is taxed; else it pays tax "
        "too.",
    )

    overage_default: OverageName | None = Field(
        None, alias="overage.default", description="What becomes of usage beyond credit."
    )
    overdraft_cover: Literal["backfill", "none"] | None = Field(
        None,
        alias="overdraft.cover",
        description="Whether credit repays carried overage: its revenue is then the credit's.",
    )
    late_order: Literal["event_time", "arrival"] | None = Field(
        None,
        alias="late.order",
        description="Whether late and corrected usage nets to what it would have in order, or "
        "takes what is left when it comes.",
    )
    late_after: Literal["reject", "overage"] | None = Field(
        None,
        alias="late.after",
        description="What becomes of usage that comes after the late window: it is refused, or no "
        "credit covers it, and its id is remembered for one window more.",
    )
    refold_max: int | None = Field(
        None,
        alias="late.refold_max",
        strict=True,
        ge=1,
        le=REFOLD_MAX,
        description="How much of what came for a customer since may be folded again for late or "
        "corrected usage; where there is more, that usage counts as it comes.",
    )
    expired_block: Literal["expire", "reopen"] | None = Field(
        None,
        alias="correction.expired_block",
        description="Whether credit that a correction gives back to a block that has expired "
        "expires at once, or may pay until `late.window` after the expiry, in a new block.",
    )

    thresholds: list[ThresholdData] | None = Field(
        None,
        alias="notice.thresholds",
        max_length=THRESHOLDS_MAX,
        description="Low balances: one notice each time one is crossed, and one on recovery.",
    )
    expiring_before: Duration | None = Field(
        None,
        alias="notice.expiring_before",
        description="How long before a block expires to say so, for blocks from then on; PT0S "
        "does not.",
    )
    statement_every: Interval | None = Field(
        None,
        alias="statement.every",
        description="How often a customer's usage is stated, by the calendar of its time zone; "
        "absent from all versions: never.",
    )

    shortfall_method: ShortfallName | None = Field(
        None,
        alias="shortfall.method",
        description="When a commitment's shortfall is earned: as its term ends, or with usage, by "
        "what is expected of it. For terms that begin from then on.",
    )
    included_treatment: Literal["usage_then_breakage", "ratable"] | None = Field(
        None,
        alias="included.treatment",
        description="What an invoice line that funds included credit is for: its units, or access "
        "to them, which is earned over the line's range. For lines from then on.",
    )
    ratable_basis: Literal["days", "months"] | None = Field(
        None,
        alias="ratable.basis",
        description="Whether lines over a period are earned by time, or in equal parts for each "
        "month of the calendar. For lines from then on.",
    )
    breakage_rate: BreakageRateData | None = Field(
        None,
        alias="breakage.rate",
        description="The part of units that nobody is expected to draw, by kind. It counts from "
        "the next draw on, and needs evidence and an approver.",
    )
    commitment_progress: list[_Percent] | None = Field(
        None,
        alias="notice.commitment_progress",
        max_length=THRESHOLDS_MAX,
        description="Percents of a commitment and of its term: a notice when so much counts, or "
        "has gone by, whichever is first.",
    )

    @model_validator(mode="after")
    def _total_order(self) -> PolicyKeysData:
        order = self._order() or ()
        if len(set(order)) != len(order):
            raise invalid("draw.order names a key twice; name each once")
        if ID in order[:-1]:
            raise invalid("draw.order ends with id, since nothing after it could decide")
        return self

    def _order(self) -> tuple[str, ...] | None:
        order = self.draw_order
        if isinstance(order, str):
            return PRESETS[order]
        return None if order is None else tuple(order)

    def core(self) -> policy_facts.PolicyKeys:
        """As the fold reads it."""

        def choice(of: type[_E], name: str | None) -> _E | None:
            return None if name is None else of(name)

        return policy_facts.PolicyKeys(
            self._order(),
            self.late_window,
            choice(facts.Recognition, self.recognition),
            choice(policy_facts.SlaTreatment, self.sla_treatment),
            choice(policy_facts.SlaExpiry, self.sla_expiry),
            choice(policy_facts.GoodwillTreatment, self.goodwill_treatment),
            choice(policy_facts.Forfeit, self.forfeit),
            choice(facts.OveragePolicy, self.overage_default),
            choice(policy_facts.OverdraftCover, self.overdraft_cover),
            choice(policy_facts.UsedPortion, self.used_portion),
            choice(policy_facts.Chargeback, self.chargeback),
            thresholds=None
            if self.thresholds is None
            else tuple(threshold.core() for threshold in self.thresholds),
            expiring_before=self.expiring_before,
            late_order=choice(policy_facts.LateOrder, self.late_order),
            late_after=choice(policy_facts.LateAfter, self.late_after),
            refold_max=self.refold_max,
            expired_block=choice(policy_facts.ExpiredBlock, self.expired_block),
            credit_before_tax=self.credit_before_tax,
            shortfall_method=choice(ShortfallMethod, self.shortfall_method),
            commitment_progress=None
            if self.commitment_progress is None
            else tuple(sorted(set(self.commitment_progress))),
            statement_every=self.statement_every,
            included_treatment=choice(policy_facts.IncludedTreatment, self.included_treatment),
            right_breakage=None
            if self.breakage_rate is None
            else self.breakage_rate.material_right,
            ratable_basis=choice(policy_facts.RatableBasis, self.ratable_basis),
        )


class PolicyPublished(Data):
    """A version of the accounting and burn choices, with who answers for it."""

    version: int = VERSION
    effective_from: Time = Field(description="Facts from this instant on are judged by it.")
    keys: PolicyKeysData = Field(description="The choices that change; the others stay.")
    author: Name = Field(description="Who made the choice.")
    approver: Name | None = Field(None, description="Who approved it.")
    evidence: Text | None = Field(None, description="Where the approval or its reason is kept.")
    reason: Text = Field(min_length=1, description="Why, for auditors.")

    @model_validator(mode="after")
    def _is_estimated(self) -> PolicyPublished:
        if self.keys.breakage_rate is not None and not (self.evidence and self.approver):
            raise invalid("breakage.rate is a judgement: give its evidence and its approver")
        return self

    def body(self) -> policy_facts.PolicyPublished:
        """As the fold reads it."""
        return policy_facts.PolicyPublished(
            self.version,
            self.effective_from,
            self.keys.core(),
            self.author,
            self.reason,
            self.approver,
            self.evidence,
        )
