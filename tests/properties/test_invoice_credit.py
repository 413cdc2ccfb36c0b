"""Credit that pays invoices against the naive model: stories of little else, step by step."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from properties.events import DAY, HOUR, Event, text
from properties.test_machine import FoldAgainstModel, in_currency
from properties.world import CUSTOMERS, policy_keys

BLOCKS = st.sampled_from(["b0", "b1", "b2", "b3"])
INVOICES = st.sampled_from(["i0", "i1", "i2", "i3"])
AMOUNTS = st.sampled_from(["0.01", "1", "3.33", "7.01", "10", "33.33", "100"])
TAXES = st.sampled_from([None, "0.01", "1", "19"])
PRODUCTS = st.sampled_from([None, "api", "support"])

_grants = st.fixed_dictionaries(
    {
        "block": BLOCKS,
        "kind": st.sampled_from(["paid", "paid", "promotional", "sla", "goodwill", "included"]),
        "quantity": st.sampled_from(["5", "10", "33.335", "100"]),
        "value": AMOUNTS,
        "life": st.sampled_from([None, DAY, 3 * DAY]),
        "scope": st.sampled_from([None, {"include": {"products": ["api", "support"]}}]),
        "draws_on": st.sampled_from(["invoice", "invoice", "invoice", "usage"]),
    }
)
_lines = st.fixed_dictionaries(
    {"amount": AMOUNTS, "tax": TAXES, "product": PRODUCTS},
    optional={"sells": BLOCKS, "arrears": st.just(True)},
)
_invoices = st.fixed_dictionaries(
    {
        "invoice": INVOICES,
        "lines": st.lists(_lines, min_size=1, max_size=3),
        "recognition": st.sampled_from(["on_issue", "on_issue", "on_due", "on_payment"]),
        "balance": st.sampled_from([None, None, "1", "3"]),
    }
)
_notes = st.fixed_dictionaries(
    {
        "invoice": INVOICES,
        "amount": AMOUNTS,
        "tax": TAXES,
        "to": st.sampled_from(["invoice", "balance", "refund"]),
        "share": st.sampled_from(["all", "given", "beyond"]),
    }
)
_steps = st.one_of(
    st.tuples(st.just("grant"), _grants),
    st.tuples(st.just("bill"), _invoices),
    st.tuples(st.just("bill"), _invoices),
    st.tuples(st.just("credit"), _notes),
    st.tuples(st.just("pay"), st.fixed_dictionaries({"invoice": INVOICES, "amount": AMOUNTS})),
    st.tuples(
        st.just("call_off"),
        st.fixed_dictionaries(
            {
                "invoice": INVOICES,
                "what": st.sampled_from(["voided", "voided", "written_off"]),
                "used": st.sampled_from([None, "concede"]),
            }
        ),
    ),
    st.tuples(st.just("give_back"), st.fixed_dictionaries({"block": BLOCKS})),
    st.tuples(st.just("use"), st.just({})),
    st.tuples(
        st.just("wait"), st.fixed_dictionaries({"by": st.sampled_from([HOUR, DAY, 3 * DAY])})
    ),
    st.tuples(st.just("policy"), st.fixed_dictionaries({"keys": policy_keys})),
    st.tuples(
        st.just("policy"),
        st.fixed_dictionaries(
            {"keys": st.builds(lambda on: {"invoice.credit_before_tax": on}, st.booleans())}
        ),
    ),
)


class Story(FoldAgainstModel):
    """One customer, whose facts go to the fold and to the model."""

    def __init__(self, customer: str) -> None:
        super().__init__()
        self.begin()
        self.customer, self.currency = customer, CUSTOMERS[customer]

    def money(self, amount: str | None) -> str | None:
        return None if amount is None else in_currency(amount, self.currency)

    def send(self, kind: str, data: Event) -> Event:
        given_ = {key: value for key, value in data.items() if value is not None}
        return self._send(self._new(kind, self.customer, given_))

    def do(self, what: str, how: dict[str, Any]) -> None:
        getattr(self, f"do_{what}")(**how)

    def do_grant(self, life: int | None, value: str, **data: Any) -> None:
        worth = None
        if data["kind"] != "promotional":
            worth = {"amount": self.money(value), "currency": self.currency}
        ends = None if life is None else text(self.now + life)
        self.send(
            "credit.granted", data | {"unit": self.currency, "value": worth, "expires_at": ends}
        )

    def do_bill(self, invoice: str, lines: list[Event], recognition: str, balance: str) -> None:
        wire = []
        for number, line in enumerate(lines, 1):
            row: Event = {"line": str(number), "amount": self.money(line["amount"])}
            row |= {key: self.money(line[key]) for key in ("tax",) if line[key] is not None}
            row |= {key: line[key] for key in ("product",) if line[key] is not None}
            if "arrears" in line:
                span = {"from": text(self.now - 30 * DAY), "to": text(self.now + 1)}
                row["arrears_for"] = [span | {"meter": "api.calls"}]
            elif "sells" in line:
                row["sells"] = [{"block": line["sells"]}]
            wire.append(row)
        due = text(self.now + 2 * DAY) if recognition == "on_due" else None
        data = {"invoice": invoice, "currency": self.currency, "lines": wire}
        more = {"recognition": recognition, "due_at": due, "balance_applied": self.money(balance)}
        self.send("invoice.issued", data | more)

    def do_credit(self, invoice: str, share: str, to: str, **how: Any) -> None:
        line: Event = {"line": "1", "amount": self.money(how["amount"])}
        tax = self.money(how["tax"])
        if tax is not None:
            line["tax"] = tax
        known = self.model.customers[self.customer].invoices.get(invoice)
        if known is not None and share != "given":
            first = known.lines[0]
            paid = sum(amount for _, amount, _, _ in first.credit)
            taxed = sum(tax for _, _, tax, _ in first.credit)
            more = share == "beyond"
            line["amount"] = _decimal(first.amount + more * (paid - taxed), self.currency)
            line["tax"] = _decimal(first.tax + more * taxed, self.currency)
        self.count += 1
        note = {"credit_note": f"n{self.count}", "invoice": invoice, "to": to}
        self.send("credit_note.issued", note | {"lines": [line]})

    def do_pay(self, invoice: str, amount: str) -> None:
        known = self.model.customers[self.customer].invoices.get(invoice)
        if known is not None and amount == "100":
            left = sum(line.gross - line.paid for line in known.lines)
            amount = _decimal(left, self.currency)
        self.send("invoice.paid", {"invoice": invoice, "amount": self.money(amount)})

    def do_call_off(self, invoice: str, what: str, used: str | None) -> None:
        self.send(f"invoice.{what}", {"invoice": invoice, "used_portion": used})

    def do_give_back(self, block: str) -> None:
        self.send("credit.refunded", {"block": block, "reason": "r"})

    def do_use(self) -> None:
        self.send("usage.recorded", {"meter": "api.calls", "quantity": "50"})

    def do_wait(self, by: int) -> None:
        self.now += by

    def do_policy(self, keys: Event) -> None:
        self.publish_policy(keys=keys, back=0)


def _decimal(minor: int, currency: str) -> str:
    return str(minor) if currency == "JPY" else f"{minor // 100}.{minor % 100:02d}"


@given(st.sampled_from(["ada", "bo"]), st.lists(_steps, min_size=8, max_size=30))
def test_credit_pays_invoices_as_in_the_model(customer: str, steps: list[tuple[str, Any]]):
    """Each block, line, account and balance, after each step; the invariants at the end."""
    story = Story(customer)
    for what, how in steps:
        story.do(what, how)
    story.teardown()
