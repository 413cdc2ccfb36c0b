"""Facts as structured CloudEvents, and small readers of what comes out. Imports no creditfold."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

Event = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = 1_767_225_600 * SECOND
"""2026-01-01T00:00:00Z."""


def instant(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 text."""
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo is not None, text
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds


def text(at: int) -> str:
    """An instant as RFC 3339 in UTC."""
    return (EPOCH + timedelta(microseconds=at)).isoformat().replace("+00:00", "Z")


def fact(
    kind: str,
    data: Event,
    *,
    id: str,  # noqa: A002  # the wire's own name
    at: int | str,
    customer: str | None = None,
    recorded: int | str | None = None,
    source: str = "/tests",
) -> Event:
    """One input as a structured CloudEvent; without a customer it is a catalog fact."""
    event: Event = {
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": f"creditfold.{kind}.v1",
        "time": at if isinstance(at, str) else text(at),
        "datacontenttype": "application/json",
        "data": data,
    }
    if customer is not None:
        event["subject"] = customer
    if recorded is not None:
        event["recordedtime"] = recorded if isinstance(recorded, str) else text(recorded)
    return event


def of_type(records: Iterable[Event], kind: str) -> list[Event]:
    """The data of all records of one kind, such as `ledger.outcome`, in their order."""
    return [r["data"] for r in records if r["type"] == f"creditfold.{kind}.v1"]


def outcomes(records: Iterable[Event]) -> list[Event]:
    """What became of each input and clock step."""
    return of_type(records, "ledger.outcome")


def postings(records: Iterable[Event]) -> list[Event]:
    """The money ledger's lines."""
    return of_type(records, "revenue.posting")


def snapshots(records: Iterable[Event]) -> dict[str, Event]:
    """Balance snapshots by customer."""
    kind = "creditfold.balance.snapshot.v1"
    return {r["subject"]: r["data"] for r in records if r["type"] == kind}


def balances(lines: Iterable[Event]) -> dict[tuple[str, str, str], int]:
    """Debits less credits by (customer, currency, account), zeros left out."""
    totals: dict[tuple[str, str, str], int] = {}
    for line in lines:
        for account, amount in ((line["debit"], line["amount"]), (line["credit"], -line["amount"])):
            key = (line["customer"], line["currency"], account)
            totals[key] = totals.get(key, 0) + amount
    return {key: total for key, total in totals.items() if total}


def notices(records: Iterable[Event]) -> list[Event]:
    """What people are told, of whatever type."""
    return [r["data"] for r in records if r["type"].startswith("creditfold.notice.")]
