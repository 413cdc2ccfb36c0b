"""A line that funds a program against arithmetic: parts, usage and ends of any length and order."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from core.book import Book
from properties.invariants import check_all
from properties.records import Records

DATES = [f"2026-{month:02d}-01T00:00:00Z" for month in range(1, 13)]
QUANTITY = 100


def parts(amount: int, count: int) -> list[int]:
    """The amount in so many parts, none more than a minor unit from the others in the long run."""
    marks = [round(Fraction(amount * number, count)) for number in range(count + 1)]
    return [after - before for before, after in pairwise(marks)]


@given(
    amount=st.integers(1, 200_000),
    tax=st.integers(0, 20_000),
    used=st.lists(st.integers(0, 60), min_size=1, max_size=11),
    rule=st.sampled_from(["on_issue", "on_due", "on_payment"]),
    pays=st.lists(st.integers(1, 100), min_size=1, max_size=5),
)
def test_every_cent_of_a_line_is_usage_or_breakage(
    amount: int, tax: int, used: list[int], rule: str, pays: list[int]
):
    """Usage is each block's part by what was drawn of it, and all else of the line is breakage."""
    book = Book()
    grant = {"kind": "included", "unit": "credits", "quantity": str(QUANTITY)}
    terms = {"grant": grant | {"expires": "period_end"}, "every": "month", "anchor": "calendar"}
    book.applied("program.attached", {"program": "p", "definition": terms})
    months = len(used)
    span = {"from": DATES[0], "to": DATES[months]}
    line = {"amount": _money(amount), "tax": _money(tax), "funds": {"program": "p"} | span}
    due = {"due_at": "2026-01-20T00:00:00Z"} if rule == "on_due" else {}
    book.sweep(DATES[0])
    book.invoice(line, recognition=rule, **due)
    left = amount + tax
    for month, quantity in enumerate(used):
        book.sweep(DATES[month])
        if quantity:
            book.use(str(quantity), at=DATES[month].replace("-01T", "-10T"))
        share = min(left, (amount + tax) * pays[month % len(pays)] // 100)
        if share:
            left -= share
            book.pay(_money(share), at=DATES[month].replace("-01T", "-15T"))
    if left:
        book.pay(_money(left), at=DATES[months - 1].replace("-01T", "-28T"))
    book.sweep(DATES[months])
    values = parts(amount, months)
    drawn = [min(QUANTITY, 2 * quantity) for quantity in used]
    earned = sum(
        round(Fraction(value * units, QUANTITY)) for value, units in zip(values, drawn, strict=True)
    )
    found = book.accounts
    overage = -found.get("4010", 0)
    assert (earned, amount - earned) == (-found.get("4000", 0), -found.get("4050", 0))
    assert (amount + tax, tax) == (found["1000"], -found.get("2200", 0))
    assert overage == found.get("1150", 0)
    assert not {"1100", "2000", "2020"} & found.keys()
    blocks = sorted(book.snapshot()["blocks"], key=lambda each: each["effective_at"])
    assert [_money(value) for value in values] == [_money(_minor(b)) for b in blocks[:months]]
    check_all(Records([*book.records, *book.simulation.snapshots(book.at)]))


def _money(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


def _minor(block: dict[str, str]) -> int:
    return int(Fraction(block["value_now"]) * 100)
