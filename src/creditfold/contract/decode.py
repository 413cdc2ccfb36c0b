"""From an envelope to a fact: bad data becomes a `Malformed` body, never an exception."""

from __future__ import annotations

import hashlib
from typing import TypeAlias

from pydantic import ValidationError

from creditfold.contract import catalog_inputs as catalog
from creditfold.contract import change_inputs as changes
from creditfold.contract import customer_inputs as customers
from creditfold.contract import hold_inputs, inputs, invoice_inputs, policy_inputs, usage_inputs
from creditfold.contract import program_inputs as programs
from creditfold.contract import transfer_inputs as transfers
from creditfold.contract.envelope import Envelope
from creditfold.contract.exact_json import dump
from creditfold.contract.predicates import TAG
from creditfold.contract.topics import BY_NAME, event_type, topic_of
from creditfold.core.bodies import Body, Fact
from creditfold.core.facts import Malformed
from creditfold.core.rejections import Code

Input: TypeAlias = (
    usage_inputs.UsageRecorded
    | usage_inputs.UsageCorrected
    | usage_inputs.UsageRetracted
    | invoice_inputs.InvoiceIssued
    | invoice_inputs.InvoicePaid
    | customers.CustomerCreated
    | customers.CustomerUpdated
    | inputs.CreditGranted
    | changes.CreditVoided
    | changes.CreditAdjusted
    | changes.CreditRefunded
    | changes.ExpiryChanged
    | changes.PaymentRefunded
    | changes.PaymentDisputed
    | changes.InvoiceVoided
    | changes.InvoiceWrittenOff
    | changes.CreditNoteIssued
    | transfers.CreditTransferred
    | transfers.TransferOffered
    | transfers.TransferAccepted
    | transfers.TransferReturned
    | customers.TopUpDeclined
    | hold_inputs.HoldPlaced
    | hold_inputs.HoldSettled
    | hold_inputs.HoldReleased
    | catalog.UnitDeclared
    | catalog.MeterDeclared
    | catalog.RateCardPublished
    | programs.ProgramAttached
    | programs.ProgramDetached
    | programs.ProgramReset
    | programs.SubscriptionStarted
    | programs.SubscriptionChanged
    | programs.SubscriptionRenewed
    | programs.SubscriptionPaused
    | programs.SubscriptionResumed
    | programs.SubscriptionCancelled
    | programs.ProgramPublished
    | programs.ProgramEnded
    | policy_inputs.PolicyPublished
    | catalog.ClockHeld
    | catalog.ClockReleased
)

INPUTS: dict[str, type[Input]] = {
    event_type("usage.recorded"): usage_inputs.UsageRecorded,
    event_type("usage.corrected"): usage_inputs.UsageCorrected,
    event_type("usage.retracted"): usage_inputs.UsageRetracted,
    event_type("invoice.issued"): invoice_inputs.InvoiceIssued,
    event_type("invoice.paid"): invoice_inputs.InvoicePaid,
    event_type("customer.created"): customers.CustomerCreated,
    event_type("customer.updated"): customers.CustomerUpdated,
    event_type("credit.granted"): inputs.CreditGranted,
    event_type("credit.voided"): changes.CreditVoided,
    event_type("credit.adjusted"): changes.CreditAdjusted,
    event_type("credit.refunded"): changes.CreditRefunded,
    event_type("credit.expiry_changed"): changes.ExpiryChanged,
    event_type("payment.refunded"): changes.PaymentRefunded,
    event_type("payment.disputed"): changes.PaymentDisputed,
    event_type("invoice.voided"): changes.InvoiceVoided,
    event_type("invoice.written_off"): changes.InvoiceWrittenOff,
    event_type("credit_note.issued"): changes.CreditNoteIssued,
    event_type("credit.transferred"): transfers.CreditTransferred,
    event_type("transfer.offered"): transfers.TransferOffered,
    event_type("transfer.accepted"): transfers.TransferAccepted,
    event_type("transfer.returned"): transfers.TransferReturned,
    event_type("top_up.declined"): customers.TopUpDeclined,
    event_type("hold.placed"): hold_inputs.HoldPlaced,
    event_type("hold.settled"): hold_inputs.HoldSettled,
    event_type("hold.released"): hold_inputs.HoldReleased,
    event_type("unit.declared"): catalog.UnitDeclared,
    event_type("meter.declared"): catalog.MeterDeclared,
    event_type("rate_card.published"): catalog.RateCardPublished,
    event_type("program.attached"): programs.ProgramAttached,
    event_type("program.detached"): programs.ProgramDetached,
    event_type("program.reset"): programs.ProgramReset,
    event_type("subscription.started"): programs.SubscriptionStarted,
    event_type("subscription.changed"): programs.SubscriptionChanged,
    event_type("subscription.renewed"): programs.SubscriptionRenewed,
    event_type("subscription.paused"): programs.SubscriptionPaused,
    event_type("subscription.resumed"): programs.SubscriptionResumed,
    event_type("subscription.cancelled"): programs.SubscriptionCancelled,
    event_type("program.published"): programs.ProgramPublished,
    event_type("program.ended"): programs.ProgramEnded,
    event_type("policy.published"): policy_inputs.PolicyPublished,
    event_type("clock.held"): catalog.ClockHeld,
    event_type("clock.released"): catalog.ClockReleased,
}
"""The model of each input's data."""

DETAIL_CHARS_MAX = 500
_PART_CHARS_MAX = 64

_CODES = {
    "extra_forbidden": Code.UNKNOWN_FIELD,
    "missing": Code.MISSING_FIELD,
    "number_not_exact": Code.NUMBER_NOT_EXACT,
}
_PRECEDENCE = {code: rank for rank, code in enumerate(Code)}
_ADVICE = {
    Code.UNKNOWN_FIELD: "no such field; check its spelling, or leave it out",
    Code.MISSING_FIELD: "the field is required; add it",
}


def decode(envelope: Envelope, recorded_at: int, topic: str | None = None) -> Fact:
    """The fact that the fold judges; with a topic, only a type that the topic carries is known.

    `content` is the SHA-256 of canonical JSON of [type, subject, time, data], with the data as it
    was received: a string "5" and a number 5 are different content under one id.
    """
    content = hashlib.sha256(
        dump((envelope.type, envelope.subject, envelope.time, envelope.data))
    ).digest()
    return Fact(
        envelope.source,
        envelope.id,
        envelope.type,
        envelope.subject or "",
        envelope.time,
        recorded_at,
        content,
        _body(envelope, topic),
    )


def _body(envelope: Envelope, topic: str | None) -> Body:
    model = INPUTS.get(envelope.type)
    if model is None:
        return Malformed(
            Code.UNKNOWN_TYPE, f"type {envelope.type} is not read by this release; check its name"
        )
    if topic is not None and envelope.type not in BY_NAME[topic].types:
        home = topic_of(envelope.type).name
        return Malformed(Code.UNKNOWN_TYPE, f"{topic} does not carry it; send it to {home}")
    try:
        # What `model_validate` calls, without its checks of arguments that are not given here.
        read: Input = model.__pydantic_validator__.validate_python(envelope.data)
        return read.body()
    except ValidationError as error:
        return _malformed(error)


def _malformed(error: ValidationError) -> Malformed:
    """The gravest fault, and among equals the first."""
    code, detail = Code.INVALID_VALUE, ""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    for fault in found:
        this = _CODES.get(fault["type"], Code.INVALID_VALUE)
        if not detail or _PRECEDENCE[this] < _PRECEDENCE[code]:
            code = this
            detail = f"{_path(fault['loc'])}: {_ADVICE.get(this, fault['msg'])}"
    return Malformed(code, detail[:DETAIL_CHARS_MAX])


def _path(loc: tuple[int | str, ...]) -> str:
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not part.startswith(TAG):
            path += f".{part[:_PART_CHARS_MAX]}"
    return path.removeprefix(".") or "data"
