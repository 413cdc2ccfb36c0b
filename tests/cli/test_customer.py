"""`creditfold customer`: what a customer has, now, then and later."""

from __future__ import annotations

import pytest

from cli.support import NOON, START, documents, event, invoke, published, usage
from creditfold.contract.sums import total


@pytest.fixture
def directory(tmp_path):
    return published(tmp_path / "d", usage("u1", "3"), usage("u2", "100"))


def show(directory, *args: object):
    result = invoke("customer", "show", "ada", "--data-dir", directory, "-o", "json", *args)
    assert 0 == result.exit_code, result.output
    return documents(result.stdout)[0]


def test_balances_blocks_overage_invoices_and_last_outcomes_in_one_document(directory) -> None:
    view = show(directory)

    assert {"USD": "0"} == view["usable"]
    assert {"USD": "41.5"} == view["overage"]
    block = view["blocks"][0]
    assert ("b1", "10", "10", "0") == tuple(
        block[name] for name in ("block", "quantity", "drawn", "available")
    )
    invoice = view["invoices"][0]
    assert ("i1", "9.6", "9.6") == (invoice["invoice"], invoice["gross"], invoice["paid"])
    assert "u2" == view["last"][-1]["cause"]["id"]


def test_the_table_shows_the_same(directory) -> None:
    result = invoke("customer", "show", "ada", "--data-dir", directory)

    assert 0 == result.exit_code
    for text in ("41.5", "b1", "used up", "█", "9.6", "Next", "trace u2"):
        assert text in result.stdout


def test_open_holds_and_what_may_be_spent_are_shown(tmp_path) -> None:
    directory = published(
        tmp_path / "d",
        event("l1", "customer.updated", {"credit_limits": {"USD": "2"}}, time=NOON),
        event(
            "h1",
            "hold.placed",
            {"hold": "H1", "unit": "USD", "quantity": "11", "expires_at": "2026-03-05T00:00:00Z"},
            time=NOON,
        ),
    )

    assert ({"USD": "10"}, {"USD": "1"}) == tuple(
        show(directory, "--at", NOON)[name] for name in ("held", "spendable")
    )
    result = invoke("customer", "show", "ada", "--data-dir", directory, "--at", NOON)
    for text in ("Open holds", "H1", "10 of b1", "1 USD", "may spend"):
        assert text in result.stdout


def test_credit_for_invoices_is_told_apart_and_what_it_paid_is_shown(tmp_path) -> None:
    gift = {"block": "g1", "kind": "promotional", "unit": "USD", "quantity": "7"}
    bill = {"invoice": "i2", "currency": "USD", "lines": [{"line": "1", "amount": "4"}]}
    directory = published(
        tmp_path / "d",
        event("g1", "credit.granted", gift | {"draws_on": "invoice"}, time=NOON),
        event("i2", "invoice.issued", bill, time=NOON),
    )

    view = show(directory, "--at", NOON)
    assert ({"USD": "10"}, {"USD": "3"}) == (view["usable"], view["for_invoices"])
    invoice = next(each for each in view["invoices"] if each["invoice"] == "i2")
    assert ("4", "4", "0") == (invoice["gross"], invoice["credit"], invoice["open"])
    result = invoke("customer", "show", "ada", "--data-dir", directory, "--at", NOON)
    for text in ("for invoices", "by credit", "applied to invoices"):
        assert text in result.stdout
    result = invoke("trace", "i2", "--data-dir", directory)
    assert "line 1 of invoice i2" in result.stdout


def test_what_was_blended_is_told_with_where_it_came_from(tmp_path) -> None:
    grant = {"block": "n1", "kind": "paid", "unit": "USD", "quantity": "5", "blends": ["b1"]}
    directory = published(tmp_path / "d", event("n1", "credit.granted", grant, time=NOON))

    old, new = show(directory, "--at", NOON)["blocks"]
    assert ("b1", "0", "10") == (old["block"], old["available"], old["rolled_out"])
    assert (["b1"], "15", "15") == (new["blends"], new["quantity"], new["available"])
    assert old["value"] == new["value_now"] == new["carrying"]
    result = invoke("customer", "show", "ada", "--data-dir", directory, "--at", NOON)
    assert "paid with b1, active" in " ".join(result.stdout.split())
    result = invoke("trace", "n1", "--data-dir", directory)
    for text in ("available → rolled_out", "R-BLEND", "rolled1-rolled0"):
        assert text in result.stdout


def test_what_of_an_invoice_is_for_grants_to_come_is_told(tmp_path) -> None:
    grant = {"kind": "included", "unit": "USD", "quantity": "5", "expires": "period_end"}
    terms = {"grant": grant, "every": "month"}
    span = {"from": "2026-01-01T00:00:00Z", "to": "2026-06-01T00:00:00Z"}
    line = {"line": "1", "amount": "12", "funds": {"program": "p"} | span}
    bill = {"invoice": "i2", "currency": "USD", "lines": [line]}
    directory = published(
        tmp_path / "d",
        event("p", "program.attached", {"program": "p", "definition": terms}, time=NOON),
        event("i2", "invoice.issued", bill, time=NOON),
    )

    view = show(directory, "--at", NOON)
    invoice = next(each for each in view["invoices"] if each["invoice"] == "i2")
    (block,) = (each for each in view["blocks"] if each.get("program") == "p")
    assert "12" == total(invoice["for_grants_to_come"], block["value_now"])
    assert "0" != block["value_now"]


def test_what_of_an_invoice_is_for_time_to_come_is_told(tmp_path) -> None:
    """9 of 30 days were given as the month ended."""
    span = {"from": "2026-02-20T00:00:00Z", "to": "2026-03-22T00:00:00Z"}
    line = {"line": "1", "amount": "12", "period": span}
    bill = {"invoice": "i2", "currency": "USD", "lines": [line]}
    directory = published(tmp_path / "d", event("i2", "invoice.issued", bill, time=NOON))

    view = show(directory, "--at", NOON)
    invoice = next(each for each in view["invoices"] if each["invoice"] == "i2")
    assert ("8.4", "0") == (invoice["for_time_to_come"], invoice["for_grants_to_come"])
    result = invoke("customer", "show", "ada", "--data-dir", directory)
    assert "deferred" in result.stdout


def test_top_ups_and_what_was_asked_for_are_shown(tmp_path) -> None:
    top_up = {"threshold": "10", "target": "25", "cooldown": "PT1H"}
    directory = published(
        tmp_path / "d",
        event("t1", "customer.updated", {"top_ups": {"USD": top_up}}, time=NOON),
    )
    result = invoke("customer", "show", "ada", "--data-dir", directory, "--at", NOON)
    for text in ("Top-ups", "at or below", "15 by "):
        assert text in result.stdout


def test_a_trial_and_what_waits_for_its_payment_are_shown(tmp_path) -> None:
    start = {"subscription": "s", "plan": "pro", "period": "month"}
    grant = {"block": "b2", "kind": "paid", "unit": "USD", "quantity": "7", "usable": "when_funded"}
    price = {"value": {"amount": "7", "currency": "USD"}}
    trial = {"trial_until": "2026-03-09T00:00:00Z"}
    line = {"line": "4", "amount": "7", "sells": [{"block": "b2"}]}
    bill = {"invoice": "i2", "currency": "USD", "recognition": "on_payment", "lines": [line]}
    directory = published(
        tmp_path / "d",
        event("s9", "subscription.started", start | {"products": ["api"]} | trial),
        event("g2", "credit.granted", grant | price),
    )
    shown = ("customer", "show", "ada", "--data-dir", directory, "--at", NOON)
    result = invoke(*shown)
    for text in ("trial until", "pro api active 2026-03-09 00:00", "waits for an invoice line"):
        assert text in " ".join(result.stdout.split())
    published(directory, event("i2", "invoice.issued", bill))
    assert {"USD": "7"} == show(directory, "--at", NOON)["unpaid"]
    result = invoke(*shown)
    for text in ("waits for payment of", "i2 line 4"):
        assert text in " ".join(result.stdout.split())


def test_commitments_and_what_is_missing_of_them_are_shown(tmp_path) -> None:
    commitment = {"unit": "USD", "quantity": "100", "term": "P1D"}
    start = {"subscription": "s", "plan": "pro", "period": "month", "commitment": commitment}
    directory = published(
        tmp_path / "d",
        event("s9", "subscription.started", start),
        usage("u1", "16", time=NOON),
        usage("u2", "40", time="2026-03-03T12:00:00Z"),
    )
    assert [("s:shortfall:1", "0"), ("s:shortfall:2", "8"), ("s:shortfall:3", "20")] == [
        (each["shortfall"], each["counted"])
        for each in show(directory, "--at", "2026-03-03T12:00:00Z")["commitments"]
    ]
    result = invoke("customer", "show", "ada", "--data-dir", directory, "--at", "2026-03-03")
    for text in ("Commitments", "s:shortfall:2", "92 missing", "100 expected", "92 USD"):
        assert text in result.stdout


def test_statements_are_shown_with_what_they_bill_and_traced_line_by_line(tmp_path) -> None:
    policy = {
        "version": 1,
        "effective_from": "2026-01-01T00:00:00Z",
        "keys": {"statement.every": "day"},
        "author": "a",
        "reason": "r",
    }
    stated = event("p1", "policy.published", policy, subject=None)
    directory = published(
        tmp_path / "d",
        stated,
        usage("u1", "30", time=NOON),
        usage("u2", "1", time="2026-03-05T00:00:00Z"),
    )
    view = show(directory)
    assert ["ada:statement:1"] == [each["id"] for each in view["statements"]]
    assert "ada:statement:2" == view["next_statement"]["statement"]
    result = invoke("customer", "show", "ada", "--data-dir", directory)
    for text in ("Statements", "ada:statement:1", "5 USD", "Next statement"):
        assert text in result.stdout
    assert "ada:statement:1" not in str(show(directory, "--at", NOON)["statements"])
    (sent,) = [o["outcome"] for o in view["last"] if o["cause"].get("due") == "statement 1"]
    result = invoke("trace", sent, "--data-dir", directory)
    for text in ("statement ada:statement:1", "10 USD paid", "10 at 0.5"):
        assert text in result.stdout


def test_the_past_is_as_it_was_known(directory) -> None:
    assert {"USD": "10"} == show(directory, "--at", START)["usable"]
    assert NOON == show(directory, "--at", NOON)["at"]


def test_the_future_is_what_comes_if_nothing_happens(tmp_path) -> None:
    directory = published(tmp_path / "d", usage("u1", "4"))

    assert {"USD": "8"} == show(directory)["usable"]
    later = show(directory, "--at", "2026-03-10")
    assert "8" == later["blocks"][0]["expired"]
    assert "8" == later["blocks"][0]["recognised"], "6.40 of it is breakage"
    assert {"USD": "8"} == show(directory)["usable"], "looking ahead has changed nothing"


def test_what_expires_next_is_named(tmp_path) -> None:
    directory = published(tmp_path / "d", usage("u1", "4"))

    assert "b1" == show(directory)["expires_next"]["block"]
    table = invoke("customer", "show", "ada", "--data-dir", directory).stdout
    assert "8 USD of block b1 at 2026-03-10T00:00:00Z" in table


def test_an_unknown_customer_is_refused_with_advice(directory) -> None:
    result = invoke("customer", "show", "nobody", "--data-dir", directory)

    assert 1 == result.exit_code
    assert "" == result.stdout
    assert "customer list" in result.stderr


def test_a_customer_that_did_not_exist_yet_is_unknown_then(directory) -> None:
    result = invoke("customer", "show", "ada", "--at", "2026-02-01", "--data-dir", directory)

    assert 1 == result.exit_code


def test_a_wrong_time_is_wrong_use(directory) -> None:
    result = invoke("customer", "show", "ada", "--at", "soon", "--data-dir", directory)

    assert 2 == result.exit_code
    assert "RFC 3339" in result.stderr


def test_markup_in_an_id_is_shown_as_it_is(tmp_path) -> None:
    name = "[red]x[/red]"
    directory = published(
        tmp_path / "d", event("s9", "customer.created", {"currency": "USD"}, name)
    )

    assert name in invoke("customer", "list", "--data-dir", directory).stdout
    assert name in invoke("customer", "show", name, "--data-dir", directory).stdout


def test_the_list_names_all_in_both_outputs(directory) -> None:
    table = invoke("customer", "list", "--data-dir", directory)
    rows = documents(invoke("customer", "list", "--data-dir", directory, "-o", "json").stdout)

    assert "ada" in table.stdout
    assert "41.5 USD" in table.stdout
    assert ["ada"] == [row["customer"] for row in rows]
    assert {"USD": "41.5"} == rows[0]["overage"]
