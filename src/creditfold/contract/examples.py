"""The golden examples: for each type one event with every field, and one with as few as can be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from creditfold.contract import encode, outputs, snapshots
from creditfold.contract.dead_letters import dead_letter
from creditfold.contract.envelope import SPEC_VERSION, Undecodable, Unreadable
from creditfold.contract.exact_json import parse
from creditfold.contract.example_inputs import CUSTOMER, INPUTS, NOON, OTHERS
from creditfold.contract.statement_outputs import OpenStatement
from creditfold.contract.topics import CATALOG_TYPES, NOTICES, event_type
from creditfold.core.entries import (
    Cause,
    CoveredSum,
    Emitted,
    Entry,
    Notice,
    Outcome,
    Overage,
    OverageSum,
    Owed,
    Place,
    Posting,
    Sent,
    Shortfall,
    ShortfallSum,
    StatementLine,
    StatementSent,
    Status,
    canonical,
)
from creditfold.core.facts import Kind
from creditfold.core.program_state import SubscriptionStatus

_HASH = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"


def examples() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(type, name, structured event), inputs first."""
    for noun_verb, pair in INPUTS.items():
        type_ = event_type(noun_verb)
        named = dict(zip(("full", "minimal"), pair, strict=True)) | OTHERS.get(noun_verb, {})
        for name, data in named.items():
            yield type_, name, _event(type_, name, data)
    for name, line in _lines():
        event = parse(line)
        yield event["type"], name, event


def _event(type_: str, name: str, data: dict[str, Any]) -> dict[str, Any]:
    event = {
        "specversion": SPEC_VERSION,
        "id": f"{name}-1",
        "source": "/examples",
        "type": type_,
        "subject": CUSTOMER,
        "time": NOON,
        "recordedtime": "2026-11-22T12:00:00.25Z",
        "datacontenttype": "application/json",
        "data": data,
    }
    if type_ in CATALOG_TYPES:
        del event["subject"]
    if name == "minimal":
        del event["recordedtime"], event["datacontenttype"]
        if not data:
            del event["data"]
    return event


def _lines() -> Iterator[tuple[str, bytes]]:
    """The output records, through the encoder that the worker uses."""
    for name, outcome in _OUTCOMES.items():
        yield name, encode.structured(encode.outcome_record(outcome))
    for name, posting in (("full", _POSTING), ("minimal", _POSTING_MINIMAL)):
        yield name, encode.structured(encode.posting_record(posting, NOON, canonical(posting)))
    for what in (type_.split(".")[2] for type_ in NOTICES.types):
        full = Notice(
            notice=f"{_ID}.n1",
            what=what,
            customer=CUSTOMER,
            outcome=_ID,
            effective_at=NOON,
            meter="llm.output_tokens",
            product="llm",
            quantity="1250",
            unit="credits",
            block=f"welcome:{CUSTOMER}:1",
            program="welcome",
            code="quantity_out_of_range",
            detail="more than one amount can hold",
            threshold="100",
            expires_at=NOON,
            statement=_STATEMENT,
            subscription="S1",
            shortfall="S1:shortfall:1",
            committed="12000",
            percent="50",
            forecast="2500",
            currency="USD",
            amount="25.00",
        )
        minimal = Notice(full.notice, what, CUSTOMER, _ID, NOON)
        for name, notice in (("full", full), ("minimal", minimal)):
            yield name, encode.structured(encode.notice_record(notice, canonical(notice)))
    for name, batch in (("full", _BATCH), ("minimal", _BATCH_MINIMAL)):
        yield name, encode.structured(encode.batch_record(batch, 0))
    yield "full", _letter(b"acme", b'{"meter":', (("content-type", b"application/json"),))
    yield "minimal", _letter(None, None, ())
    yield "large", _letter(b"acme", b"0" * 70_000, ())
    for name, snapshot in (("full", _SNAPSHOT), ("minimal", _SNAPSHOT_MINIMAL)):
        yield name, encode.snapshot_line(CUSTOMER, snapshot)


def _letter(
    key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...]
) -> bytes:
    error = Undecodable(Unreadable.NOT_JSON, "the data is not JSON: input was truncated")
    if value is None:
        error = Undecodable(Unreadable.TOMBSTONE, "the record has no value")
    letter = dead_letter(
        error, "creditfold.usage.v1", 3, 1041, 1_795_348_800_000_000, key, value, headers
    )
    return encode.structured(encode.dead_letter_record(letter, key))


_ID = _HASH[:32]
_CAUSE = Cause(
    "/examples",
    "full-1",
    event_type("usage.recorded"),
    _HASH,
    "creditfold.usage.v1",
    3,
    1040,
)
_STATEMENT = StatementSent(
    f"{CUSTOMER}:statement:1",
    "2026-10-01T00:00:00Z",
    "2026-11-01T00:00:00Z",
    (
        StatementLine(
            "llm.output_tokens",
            "llm",
            "1250",
            subscription="S1",
            earlier=True,
            covered=(CoveredSum(Kind.PAID, "credits", "1.05"),),
            overage=(OverageSum("200", "carry", "USD", "0.00001", "0.002"),),
        ),
    ),
    2,
    3,
    (ShortfallSum("S1:shortfall:1", "S1", "USD", "2500", earlier=True),),
)
_OWED = Owed(cost="0.0125", quantity="0.005", from_unit="credits", from_cost="10", from_rest="4")
_OUTCOMES = {
    "full": Outcome(
        outcome=_ID,
        status=Status.APPLIED,
        cause=_CAUSE,
        customer=CUSTOMER,
        seq=7,
        prev=_HASH,
        effective_at=NOON,
        entries=(
            Entry(
                f"{_ID}.1", "B1", Place.AVAILABLE, Place.DRAWN, "USD", "0.003",
                "llm.output_tokens", "llm", "full-1", "0.00001", _OWED,
            ),
        ),
        overage=(
            Overage(
                f"{_ID}.o1", "llm.output_tokens", "llm", "200", "USD", "0.002", "0.00001", _OWED
            ),
        ),
        shortfalls=(
            Shortfall(
                "S1:shortfall:1", "S1", "credits", "12000", "9500", "2500", "USD", "25.00"
            ),
        ),
        balances={"USD": "0", "credits": "0"},
        emitted=Emitted(2, 0, _HASH),
        hash=_HASH,
        recorded_at="2026-11-22T12:00:00.25Z",
    ),
    "applied_to_an_invoice": Outcome(
        outcome=_ID,
        status=Status.APPLIED,
        cause=Cause("/billing", "full-1", event_type("invoice.issued"), _HASH),
        customer=CUSTOMER,
        effective_at=NOON,
        entries=(
            Entry(
                f"{_ID}.1", "B4", Place.AVAILABLE, Place.APPLIED, "USD", "20",
                value="20", invoice="INV-1", line="3",
            ),
        ),
    ),
    "minimal": Outcome(
        outcome=_ID,
        status=Status.APPLIED,
        cause=Cause(clock=NOON, due="expiry:B1"),
        customer=CUSTOMER,
        effective_at=NOON,
    ),
    "catalog": Outcome(
        outcome=_ID, status=Status.APPLIED, cause=_CAUSE, seq=1, prev="", effective_at=NOON,
        hash=_HASH, recorded_at=NOON,
    ),
    "duplicate": Outcome(
        outcome=_ID, status=Status.DUPLICATE, cause=_CAUSE, customer=CUSTOMER,
        effective_at=NOON, recorded_at=NOON,
    ),
    "rejected": Outcome(
        outcome=_ID, status=Status.REJECTED, cause=_CAUSE, customer=CUSTOMER,
        code="unknown_meter", detail="declare the meter, then send the fact again",
        effective_at=NOON, recorded_at=NOON,
    ),
    "returned": Outcome(
        outcome=_ID, status=Status.REJECTED, cause=_CAUSE, customer=CUSTOMER,
        code="unknown_customer", detail="customer acme is not known: send customer.created",
        sent=(
            Sent(
                f"{_ID}.t1", "returned", "acme-holding", NOON,
                {"transfer": "T1", "from": CUSTOMER, "code": "unknown_customer", "detail": "-"},
            ),
        ),
        recorded_at=NOON,
    ),
    "dead_letter": Outcome(
        outcome=_ID, status=Status.DEAD_LETTER,
        cause=Cause(topic="creditfold.usage.v1", partition=3, offset=1041),
        code="not_json", detail="the data is not JSON", recorded_at=NOON,
    ),
}  # fmt: skip
_POSTING_MINIMAL = Posting(
    posting=f"{_ID}.p1",
    entry=f"{_ID}.j1",
    line=1,
    customer=CUSTOMER,
    book="us_gaap",
    rule="R-PAY",
    effective_date="2026-11-22",
    period="2026-11",
    debit="1000",
    credit="1100",
    amount=12125,
    currency="USD",
    exponent=2,
    cause=_ID,
    policy=_ID,
    proof={"formula": "amount"},
)
_POSTING = Posting(
    posting=f"{_ID}.p1",
    entry=f"{_ID}.j1",
    line=1,
    customer=CUSTOMER,
    book="us_gaap",
    rule="R-DRAW",
    effective_date="2026-11-22",
    period="2026-11",
    debit="2000",
    credit="4000",
    amount=150,
    currency="USD",
    exponent=2,
    cause=_ID,
    policy=_ID,
    proof={"formula": "HE(V*u1/Q) - HE(V*u0/Q)", "V": 6000, "Q": "1000", "u0": "0", "u1": "25"},
    block="B1",
    credit_block="B1~1",
    product="llm",
    invoice="INV-1",
    contract="S1",
)
_VERSION = outputs.Version(behaviour=1, tz="2026b")
_BATCH = outputs.Batch(
    batch=2,
    now=NOON,
    code=_VERSION,
    in_=(("creditfold.commands.v1", 10, 12, 2), ("creditfold.usage.v1", 1040, 1042, 2)),
    due=1,
    prev=_HASH,
    out=_HASH,
)
_BATCH_MINIMAL = outputs.Batch(batch=1, now=NOON, code=_VERSION, in_=(), due=1, prev="", out=_HASH)
_SNAPSHOT_MINIMAL = snapshots.Snapshot(at=NOON, blocks=(), usable={}, overage={})
_SNAPSHOT = snapshots.Snapshot(
    at=NOON,
    blocks=(
        snapshots.BlockBalance(
            block="B1",
            kind=Kind.PAID,
            program="pro-monthly",
            rolled_from="B0",
            blends=("B-1", "B-2"),
            effective_at="2026-11-01T00:00:00Z",
            expires_at="2027-11-01T00:00:00Z",
            unit="credits",
            quantity="1000",
            issued="0",
            available="975",
            held="0",
            drawn="25",
            expired="0",
            voided="0",
            refunded="0",
            rolled_out="0",
            transferred_out="0",
            applied="0",
            value="60",
            value_now="60",
            recognised="1.5",
            carrying="58.5",
        ),
    ),
    usable={"credits": "975"},
    for_invoices={"USD": "30"},
    overage={"USD": "0.002", "meter:llm.input_tokens": "12"},
    held={"credits": "20"},
    holds=(
        snapshots.OpenHold(
            hold="H1",
            expires_at="2026-11-22T12:10:00Z",
            blocks={"B1": "20"},
            unit="USD",
            on_credit="0.5",
        ),
    ),
    top_ups=(
        snapshots.OpenTopUps(
            unit="credits",
            threshold="50",
            pending={f"{_ID}.n1": "60"},
            next_at="2026-11-23T12:00:00Z",
        ),
    ),
    credit_limits={"USD": "100"},
    spendable={"USD": "99.498", "credits": "975"},
    programs=(
        snapshots.Enrolment(
            program="pro-monthly",
            subscription="S1",
            granted=2,
            covered_until="2026-12-01T00:00:00Z",
            next_at="2026-12-01T00:00:00Z",
        ),
    ),
    next_statement=OpenStatement(
        statement=f"{CUSTOMER}:statement:2",
        from_="2026-11-01T00:00:00Z",
        to="2026-12-01T00:00:00Z",
    ),
    subscriptions=(
        snapshots.SubscriptionState(
            subscription="S1",
            plan="pro",
            status=SubscriptionStatus.ACTIVE,
            period_ends_at="2026-12-01T00:00:00Z",
            at_period_end=SubscriptionStatus.PAUSED,
            next_plan="team",
            products=("llm", "search"),
        ),
    ),
    commitments=(
        snapshots.CommitmentState(
            subscription="S1",
            shortfall="S1:shortfall:1",
            begins_at="2026-01-01T00:00:00Z",
            ends_at="2027-01-01T00:00:00Z",
            ended=False,
            unit="credits",
            committed="12000",
            counted="9500",
            forecast="1360",
            currency="USD",
            amount="19",
            to_bill="0",
        ),
    ),
)
