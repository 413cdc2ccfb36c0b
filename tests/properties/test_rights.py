"""Material rights against arithmetic: any price, draws and estimates, in time or late."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.book import Book
from properties.invariants import check_all
from properties.records import Records

UNITS = 1_000
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["draw", "late", "estimate", "correct", "void"]), st.integers(1, 300)
    ),
    max_size=12,
)


@given(
    price=st.integers(10_000, 1_000_000),
    steps=STEPS,
    rule=st.sampled_from(["on_issue", "on_payment"]),
)
def test_a_right_has_earned_its_share_of_what_is_expected_after_each_draw(
    price: int, steps: list[tuple[str, int]], rule: str
):
    """HE(V*u/max(E,u)) by the estimate of the last draw; once it has lapsed, all that is left."""
    book = Book()
    amount = f"{price // 100}.{price % 100:02d}"
    more: dict[str, Any] = {"value": {"amount": amount, "currency": "USD"}}
    more |= {"kind": "material_right", "expires_at": "2026-02-01T00:00:00Z"}
    book.grant("b", str(UNITS), **more)
    book.invoice({"amount": amount, "sells": [{"block": "b"}]}, recognition=rule)
    expected = rate = Fraction(0)
    used: list[int] = []
    last = ""
    worth, units = Fraction(price), UNITS
    for number, (what, size) in enumerate(steps):
        book.at = f"2026-01-{number + 2:02d}T00:00:00Z"
        if what == "estimate":
            _estimate(book, number, size)
            expected = Fraction(size, 1_000)
            continue
        if what == "void":
            part = min(size, units - sum(used))
            if part and rule == "on_payment":
                book.applied("credit.voided", {"block": "b", "quantity": str(part), "reason": "r"})
                drawn = sum(used)
                leaves = round(worth * (drawn + part) / units) - round(worth * drawn / units)
                worth, units = worth - leaves, units - part
        elif what == "correct":
            if used and size < used[-1] and number - int(last[1:]) < 3:
                used[-1] = size
                usage = {"source": "/tests", "id": last}
                quantity = {"usage": usage, "quantity": str(used[-1])}
                book.applied("usage.corrected", quantity)
                rate = expected
        elif sum(used) + size <= units:
            used.append(size)
            rate, last = expected, f"u{number}"
            late = {"recorded": book.at} if what == "late" else {}
            at = f"2026-01-{number + 1:02d}T00:00:00Z" if what == "late" else book.at
            book.feed(
                "usage.recorded", {"meter": "calls", "quantity": str(size)}, at, id=last, **late
            )
        drawn = sum(used)
        over = max(units * (1 - rate), drawn)
        earned = round(worth * drawn / over) if drawn else 0
        assert earned == -book.accounts.get("4000", 0)
    if rule == "on_issue":
        book.sweep("2026-02-01T00:00:00Z")
        assert worth == -book.accounts["4000"]
        assert not book.accounts.get("2010")
    check_all(Records([*book.records, *book.simulation.snapshots(book.at)]))


def _estimate(book: Book, number: int, size: int) -> None:
    keys = {"breakage.rate": {"material_right": f"0.{size:03d}"}}
    data = {"version": number + 1, "effective_from": book.at, "keys": keys, "author": "a"}
    more = {"reason": "r", "evidence": "memo 3", "approver": "b"}
    book.published("policy.published", data | more)
