"""The fold against an independent recount, over a few thousand usages of twenty customers."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

from creditfold.partition.simulation import Simulation
from properties.events import (
    DAY,
    HOUR,
    MINUTE,
    START,
    Event,
    balances,
    fact,
    instant,
    outcomes,
    postings,
    snapshots,
    text,
)
from properties.invariants import check_all
from properties.records import Records

METERS = {"calls": ("api", "0.05", "0.4"), "tokens": ("llm", "0.00012345", "0.001")}
USAGES = 4_000
EVERYONE = {"field": "customer.id", "exists": True}
PRO = {"field": "subscription.plan", "eq": "pro"}
WORTH = {"amount": "2.50", "currency": "USD"}


def demo(seed: int) -> list[Event]:
    """Paid and promotional blocks in USD and credits, some expiring; more used than was bought."""
    chance = random.Random(seed)
    facts = [
        fact("meter.declared", {"meter": m, "version": 1, "product": p}, id=f"m-{m}", at=START)
        for m, (p, _, _) in METERS.items()
    ]
    unit = {"unit": "credits", "version": 1, "exponent": 6}
    rates = [
        {"meter": meter, "unit": unit, "per_unit": price}
        for meter, (_, usd, credits_) in METERS.items()
        for unit, price in (("USD", usd), ("credits", credits_))
    ]
    card = {"rate_card": "list", "version": 1, "effective_from": text(START), "rates": rates}
    facts.append(fact("unit.declared", unit, id="unit", at=START))
    facts.append(fact("rate_card.published", card, id="card", at=START))
    keys = {"breakage.rate": {"material_right": "0.2"}}
    said = {"author": "a", "approver": "b", "evidence": "e", "reason": "r"}
    policy = {"version": 1, "effective_from": text(START), "keys": keys} | said
    facts.append(fact("policy.published", policy, id="policy", at=START))
    share = {"anchor": "calendar", "proration": {"first": "by_second", "last": "by_second"}}
    for program, grant, who, more in (
        ("all", {"kind": "promotional", "quantity": "3"}, EVERYONE, {}),
        ("part", {"kind": "promotional", "quantity": "5"}, EVERYONE, share),
        ("pro", {"kind": "included", "quantity": "25"}, PRO, {}),
        ("pay", {"kind": "paid", "quantity": "7", "value": WORTH}, PRO, share),
        ("cut", {"kind": "included", "quantity": "9.7"}, PRO, share),
    ):
        grant |= {"unit": chance.choice(["USD", "credits"]), "expires": "period_end"}
        rule = {"program": program, "version": 1, "grant": grant, "who": who} | more
        rule |= {"every": f"P{chance.randint(1, 9)}D"}
        rule |= {"effective_from": text(START + chance.randint(0, 90) * HOUR)}
        facts.append(fact("program.published", rule, id=f"p-{program}", at=START))
    customers = [f"c-{n:02d}" for n in range(20)]
    for who in customers:
        begin = {"currency": "USD", "time_zone": "UTC"}
        facts.append(fact("customer.created", begin, id="new", at=START, customer=who))
        for number in range(chance.randint(0, 5)):
            facts += _block(chance, who, f"b{number}")
        if chance.random() < 0.5:
            facts += _blend(chance, who)
        if chance.random() < 0.3:
            facts += _for_invoices(chance, who)
        elif chance.random() < 0.7:
            least = {"unit": "USD", "quantity": str(chance.randint(20, 400)), "term": "P7D"}
            least |= chance.choice([{}, {"rate": "0.777"}])
            plan = chance.choice(["p", "pro"])
            start = {"subscription": "s", "plan": plan, "period": "month", "commitment": least}
            facts.append(fact("subscription.started", start, id="s", at=START, customer=who))
            if chance.random() < 0.5:
                at = START + chance.randint(4 * 24, 25 * 24) * HOUR + 7 * MINUTE
                end = {"subscription": "s"}
                facts.append(fact("subscription.cancelled", end, id="end", at=at, customer=who))
    for number in range(USAGES):
        at = START + DAY + number * 10 * MINUTE
        meter = chance.choice(sorted(METERS))
        quantity = chance.randint(1, 60) if meter == "calls" else chance.randint(1, 90_000)
        data = {"meter": meter, "quantity": str(quantity)}
        who = chance.choice(customers)
        facts.append(fact("usage.recorded", data, id=f"u{number}", at=at, customer=who))
    return sorted(facts, key=lambda each: instant(each["time"]))


def _blend(chance: random.Random, who: str) -> list[Event]:
    """A block that is sold, and hours of usage later a cheaper one that takes the rest of it."""
    unit, at = chance.choice(["USD", "credits"]), START + HOUR
    facts = []
    for block, more in (("first", {"priority": 1}), ("then", {"blends": ["first"], "priority": 2})):
        amount = f"{chance.randint(50, 300)}.{chance.randint(0, 99):02d}"
        data: Event = {"block": block, "kind": "paid", "unit": unit}
        data |= {"quantity": str(chance.randint(1500, 2500)), **more}
        data["value"] = {"amount": amount, "currency": "USD"}
        if chance.random() < 0.5:
            data["expires_at"] = text(START + chance.randint(3, 25) * DAY)
        line = {"line": "1", "amount": amount, "sells": [{"block": block}]}
        bill = {"invoice": f"in-{block}", "currency": "USD", "lines": [line]}
        facts += [
            fact("credit.granted", data, id=block, at=at, customer=who),
            fact("invoice.issued", bill, id=f"i-{block}", at=at, customer=who),
        ]
        at = START + DAY + 12 * HOUR
    return facts


def _for_invoices(chance: random.Random, who: str) -> list[Event]:
    """Credit for invoices, given and sold, and invoices that it pays in part or whole."""
    common = {"unit": "USD", "draws_on": "invoice"}
    given = {"block": "gift", "kind": "promotional", "quantity": f"{chance.randint(1, 90)}.005"}
    sold = {"block": "bought", "kind": "paid", "quantity": str(chance.randint(50, 150))}
    price = f"{chance.randint(20, 200)}.{chance.randint(0, 99):02d}"
    worth = {"value": {"amount": price, "currency": "USD"}}
    ends = {"expires_at": text(START + chance.randint(5, 20) * DAY)}
    line = {"line": "1", "amount": price, "sells": [{"block": "bought"}]}
    sale = {"invoice": "in-bought", "currency": "USD", "lines": [line]}
    at = START + HOUR
    facts = [
        fact("credit.granted", given | common, id="gift", at=at, customer=who),
        fact("credit.granted", sold | common | worth | ends, id="bought", at=at, customer=who),
        fact("invoice.issued", sale, id="i-bought", at=at, customer=who),
    ]
    for number in range(3):
        amount = f"{chance.randint(1, 80)}.{chance.randint(0, 99):02d}"
        plain: Event = {"line": "1", "amount": amount, "tax": f"{chance.randint(0, 9)}.07"}
        if number:
            begin = START + chance.randint(-20, 20) * DAY
            end = begin + chance.randint(1, 60) * DAY + HOUR
            plain["period"] = {"from": text(begin), "to": text(end)}
        bill = {"invoice": f"plain{number}", "currency": "USD", "lines": [plain]}
        facts.append(
            fact("invoice.issued", bill, id=f"i-plain{number}", at=START + 2 * HOUR, customer=who)
        )
    return facts


def _block(chance: random.Random, who: str, block: str) -> list[Event]:
    kind = chance.choice(["paid", "paid", "paid", "promotional", "promotional", "material_right"])
    unit, size = chance.choice(["USD", "credits"]), chance.choice([1, 1, 40])
    data: Event = {"block": block, "unit": unit, "quantity": str(chance.randint(5, 400) * size)}
    data["kind"] = kind
    data["effective_at"] = text(START + chance.randint(2, 20) * HOUR)
    if chance.random() < 0.7:
        end = START + chance.randint(2, 25) * DAY + chance.randint(0, 23) * HOUR
        data["expires_at"] = text(end)
    if chance.random() < 0.3:
        data["priority"] = chance.randint(1, 3)
    if kind == "promotional":
        return [fact("credit.granted", data, id=block, at=START + HOUR, customer=who)]
    amount = f"{chance.randint(1, 300)}.{chance.randint(0, 99):02d}"
    data["value"] = {"amount": amount, "currency": "USD"}
    line = {"line": "1", "amount": amount, "sells": [{"block": block}]}
    bill = {"invoice": f"in-{block}", "currency": "USD", "lines": [line]}
    paid_up = {"invoice": f"in-{block}", "amount": amount}
    return [
        fact("credit.granted", data, id=block, at=START + HOUR, customer=who),
        fact("invoice.issued", bill, id=f"i-{block}", at=START + HOUR, customer=who),
        fact("invoice.paid", paid_up, id=f"p-{block}", at=START + 2 * HOUR, customer=who),
    ]


def test_a_recount_that_shares_no_code_comes_to_the_same_figures(tmp_path: Path):
    """Usable, overage and revenue per customer, of the fold and of recount.py run as a program."""
    facts = demo(20_261_122)
    log = tmp_path / "facts.jsonl"
    log.write_text("".join(json.dumps(each) + "\n" for each in facts))
    told = subprocess.run(
        [sys.executable, "-I", str(Path(__file__).with_name("recount.py")), str(log)],
        check=True,
        capture_output=True,
        text=True,
    )
    counted = {row["customer"]: row for row in map(json.loads, told.stdout.splitlines())}

    fold = Simulation()
    out = [record for each in facts for record in fold.feed(each)]
    end = facts[-1]["time"]
    out += fold.sweep(end) + fold.snapshots(end)
    assert {"applied"} == {o["status"] for o in outcomes(out)}
    books = balances(postings(out))
    stated = snapshots(out)
    assert counted.keys() == stated.keys()
    for who, row in counted.items():
        assert _exact(row["usable"]) == _exact(stated[who]["usable"]), who
        assert _exact(row["overage"]) == _exact(stated[who]["overage"]), who
        revenue = {a: -n for (c, _, a), n in books.items() if c == who and a[0] == "4"}
        assert row["revenue"] == revenue, who
    check_all(Records(out))
    assert any(row["overage"] for row in counted.values())
    granted = {b["block"].partition(":")[0] for each in stated.values() for b in each["blocks"]}
    assert {"all", "part", "pro", "pay", "cut"} <= granted
    cut = {e["block"].partition(":")[0] for o in outcomes(out) for e in o.get("entries", ())
           if e["to"] == "voided"}  # fmt: skip
    assert {"pay", "cut"} == cut
    assert any("4050" in row["revenue"] for row in counted.values())
    assert any("4020" in row["revenue"] for row in counted.values())
    assert any("credits" in row["usable"] for row in counted.values())
    rules = {line["rule"] for line in postings(out)}
    assert {"R-APPLY-CREDIT", "R-BLEND", "R-DRAW-PROP"} <= rules


def test_the_demo_is_recounted_with_its_duplicates_refusals_and_part_payments(tmp_path: Path):
    """The bundled slice of the trace, through the commands that the README names."""
    facts, records = tmp_path / "facts.jsonl", tmp_path / "records.jsonl"
    cli = [sys.executable, "-m", "creditfold"]
    with facts.open("wb") as out:
        subprocess.run([*cli, "demo", "--facts-only"], stdout=out, check=True)
    with records.open("wb") as out:
        subprocess.run([*cli, "simulate", str(facts)], stdout=out, check=True)
    judge = [sys.executable, "-I", str(Path(__file__).with_name("recount.py"))]
    told = subprocess.run(
        [*judge, str(facts), str(records)], capture_output=True, text=True, check=False
    )
    assert (0, "200 customers, 0 differ\n") == (told.returncode, told.stdout)
    assert "R-EXPIRE" in records.read_text()
    records.write_text(records.read_text().replace('"amount":1,', '"amount":2,', 1))
    told = subprocess.run(
        [*judge, str(facts), str(records)], capture_output=True, text=True, check=False
    )
    assert (1, "200 customers, 1 differ") == (told.returncode, told.stdout.splitlines()[-1])


def _exact(amounts: dict[str, str]) -> dict[str, Fraction]:
    return {unit: Fraction(amount) for unit, amount in amounts.items() if Fraction(amount)}
