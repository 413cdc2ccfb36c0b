"""Why a fact is refused: stable codes, in order of descending precedence."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct


class Code(StrEnum):
    """A refusal's code. The order of this list is the order in which the fold looks."""

    # The fact cannot be read as what its type says.
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_FIELD = "unknown_field"
    MISSING_FIELD = "missing_field"
    NUMBER_NOT_EXACT = "number_not_exact"
    INVALID_VALUE = "invalid_value"
    # Its identity is taken.
    ID_REUSED = "id_reused_with_different_content"
    # Its time is not one the log can take.
    TIME_IN_FUTURE = "time_in_future"
    TOO_LATE = "too_late"
    # Its customer.
    CUSTOMER_EXISTS = "customer_exists"
    UNKNOWN_CUSTOMER = "unknown_customer"
    BEFORE_CUSTOMER = "before_customer"
    # The catalog.
    VERSION_NOT_RISING = "version_not_rising"
    UNIT_IS_CURRENCY = "unit_is_currency"
    EXPONENT_CHANGED = "exponent_changed"
    SUBJECT_CHANGED = "program_subject_changed"
    UNKNOWN_METER = "unknown_meter"
    UNKNOWN_UNIT = "unknown_unit"
    UNKNOWN_CURRENCY = "unknown_currency"
    RATE_NOT_EXACT = "rate_not_exact"
    WINDOW_IN_PAST = "window_in_past"
    # What it is about.
    UNKNOWN_BLOCK = "unknown_block"
    UNKNOWN_PROGRAM = "unknown_program"
    UNKNOWN_USAGE = "unknown_usage"
    # Amounts.
    QUANTITY_NOT_POSITIVE = "quantity_not_positive"
    QUANTITY_NOT_EXACT = "quantity_not_exact"
    QUANTITY_OUT_OF_RANGE = "quantity_out_of_range"
    # Blocks.
    BLOCK_EXISTS = "block_exists"
    EMPTY_INTERVAL = "empty_interval"
    VALUE_NOT_FREE = "value_not_free"
    UNIT_DIFFERS = "unit_differs"
    KIND_DIFFERS = "kind_differs"
    CURRENCY_DIFFERS = "currency_differs"
    SOLD_ABOVE_VALUE = "sold_above_value"
    FUNDING_DISAGREES = "funding_disagrees"
    UNKNOWN_TOP_UP = "unknown_top_up"
    BLOCK_EXPIRED = "block_expired"
    EXPIRY_IN_PAST = "expiry_in_past"
    ABOVE_UNUSED = "above_unused"
    FORFEITURE_NOT_ALLOWED = "forfeiture_not_allowed"
    NOT_PAID = "not_paid"
    TRANSFER_EXISTS = "transfer_exists"
    TRANSFER_TO_SELF = "transfer_to_self"
    UNKNOWN_TRANSFER = "unknown_transfer"
    # Holds.
    HOLD_EXISTS = "hold_exists"
    UNKNOWN_HOLD = "unknown_hold"
    METER_MISSING = "meter_missing"
    HELD = "held"
    NOT_ENOUGH = "not_enough"
    # Subscriptions.
    SUBSCRIPTION_EXISTS = "subscription_exists"
    UNKNOWN_SUBSCRIPTION = "unknown_subscription"
    SUBSCRIPTION_STATUS = "subscription_status"
    COMMITMENT_EXISTS = "commitment_exists"
    # Invoices.
    INVOICE_EXISTS = "invoice_exists"
    UNKNOWN_INVOICE = "unknown_invoice"
    DUE_DATE_MISSING = "due_date_missing"
    LINE_REPEATED = "line_repeated"
    LINE_AMBIGUOUS = "line_ambiguous"
    SALES_NOT_THE_AMOUNT = "sales_not_the_amount"
    FUNDS_NOTHING = "funds_nothing"
    UNKNOWN_OVERAGE = "unknown_overage"
    PAID_TOO_MUCH = "paid_too_much"
    INVOICE_PAID = "invoice_paid"
    INVOICE_CLOSED = "invoice_closed"
    CREDIT_NOTE_EXISTS = "credit_note_exists"
    UNKNOWN_LINE = "unknown_line"
    CREDITED_TOO_MUCH = "credited_too_much"
    BALANCE_TOO_SMALL = "balance_too_small"


class Rejection(Struct, frozen=True):
    """A refusal as a value: nothing changed, and `detail` says what to do about it."""

    code: Code
    detail: str


_PRECEDENCE = {code: rank for rank, code in enumerate(Code)}


def highest(refusals: Iterable[Rejection | None]) -> Rejection | None:
    """Of several faults the one whose code stands first, and among equals the first found."""
    found = [refusal for refusal in refusals if refusal is not None]
    return gravest(found) if found else None


def gravest(refusals: Iterable[Rejection]) -> Rejection:
    """Of several faults, at least one, the one that `highest` gives."""
    return min(refusals, key=lambda refusal: _PRECEDENCE[refusal.code])
