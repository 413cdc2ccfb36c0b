"""The invariants of revenue.md 3, each a function over output records alone.

None imports creditfold or knows the fold's state: what they see is what an auditor sees. Each
raises AssertionError with the record that breaks it. `check_all` runs them, proofs and the chain.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from properties.chain import chain_is_unbroken
from properties.events import MINUTE, Event, balances, instant
from properties.proofs import i29_every_proof_recomputes
from properties.records import Records

CHART = {
    *(
        "1000",
        "1100",
        "1150",
        "1160",
        "2000",
        "2010",
        "2020",
        "2030",
        "2040",
        "2110",
        "2150",
        "2200",
    ),
    *("4000", "4010", "4020", "4030", "4050", "4910", "4920", "6500"),
}


_USES = ("usage.recorded.v1", "hold.settled.v1")
"""Types of facts that draw."""


def i01_every_entry_balances(records: Records) -> None:
    """Two-sided lines balance by their shape: each amount is a positive integer of the chart."""
    lines: dict[str, list[int]] = {}
    for line in records.postings:
        assert type(line["amount"]) is int, line
        assert line["amount"] > 0, line
        assert line["debit"] != line["credit"] or "credit_block" in line, line
        assert {line["debit"], line["credit"]} <= CHART, line
        lines.setdefault(line["entry"], []).append(line["line"])
    for entry, numbers in lines.items():
        assert list(range(1, len(numbers) + 1)) == numbers, (entry, numbers)


def i03_all_of_a_block_is_in_its_places(records: Records) -> None:
    """Q is the sum of all places, none below zero, after every outcome."""
    for step, lots, touched in records.replay():
        for key in touched:
            lot = lots[key]
            assert all(part >= 0 for part in lot.places.values()), (lot, step.outcome)
            assert lot.quantity == sum(lot.places.values()), (lot, step.outcome)


def i04_balances_are_the_sum_of_the_blocks(records: Records) -> None:
    """What an outcome says is usable is what the entries leave available."""
    unit: dict[tuple[str, str], str] = {}
    pays_invoices = {key for key, terms in records.terms.items() if "draws_on" in terms}
    for step, lots, _ in records.replay():
        customer = step.outcome.get("customer")
        for entry in step.entries:
            if (customer, entry["block"]) not in pays_invoices:
                unit[customer, entry["block"]] = entry["unit"]
        if customer is None or "balances" not in step.outcome:
            continue
        usable: dict[str, Fraction] = {}
        for key, lot in lots.items():
            if key[0] == customer and key in unit and lot.places["available"]:
                usable[unit[key]] = usable.get(unit[key], Fraction(0)) + lot.places["available"]
        stated = {u: Fraction(n) for u, n in step.outcome["balances"].items() if Fraction(n)}
        assert usable == stated, step.outcome


def i05_one_net_position_per_block(records: Records) -> None:
    """-bal(2000, 2030) = max(0, funded-recognised), bal(1150) = max(0, recognised-funded)."""
    for step, lots, touched in records.replay():
        for key in touched:
            lot = lots[key]
            unbilled = max(0, lot.recognised - lot.funded)
            assert lot.carrying == lot.owed, (lot, step.outcome)
            assert unbilled == lot.accounts["1150"], (lot, step.outcome)


def i06_the_liability_is_the_sum_of_carrying_values(records: Records) -> None:
    """The control account ties out to the unit ledger: per block, per customer and in total."""
    by_customer: Counter[str] = Counter()
    for (customer, _), lot in records.lots().items():
        assert lot.carrying == lot.owed, lot
        by_customer[customer] += lot.carrying
    booked: Counter[str] = Counter()
    for (customer, _, account), amount in balances(records.postings).items():
        if account in ("2000", "2010", "2030"):
            booked[customer] -= amount
    for customer in by_customer.keys() | booked.keys():
        assert by_customer[customer] == booked[customer], customer
    assert by_customer.total() == booked.total()


def i07_nothing_of_a_price_is_lost(records: Records) -> None:
    """Over its life, what funded a block is usage + breakage + carrying, less what is unbilled."""
    for lot in records.lots().values():
        usage, breakage = lot.used, lot.lapsed
        carrying, unbilled = lot.owed, lot.accounts["1150"]
        assert lot.funded == usage + breakage + carrying - unbilled, lot
        if lot.quantity and lot.funded == lot.value:
            assert lot.value == usage + breakage + carrying - unbilled, lot


def i10_unbilled_is_accrued_less_billed(records: Records) -> None:
    """1150 outside of blocks = overage and shortfalls accrued - billed, whatever its sign."""
    exact: dict[tuple[str, str, str], Fraction] = {}
    missed: dict[tuple[str, str], int] = {}
    accrued: Counter[tuple[str, str]] = Counter()
    billed: Counter[tuple[str, str]] = Counter()
    booked: Counter[tuple[str, str]] = Counter()
    for step in records.steps():
        customer = step.outcome.get("customer", "")
        for over in step.outcome.get("overage", []):
            if "unit" not in over:
                continue
            scale = 10 ** {"JPY": 0, "KWD": 3}.get(over["unit"], 2)
            key = (customer, over["unit"], over["meter"])
            before = exact.get(key, Fraction(0))
            exact[key] = before + Fraction(over["amount"]) * scale
            accrued[customer, over["unit"]] += round(exact[key]) - round(before)
        for each in step.outcome.get("shortfalls", []):
            key_, currency = (customer, each["id"]), each["currency"]
            scale = 10 ** {"JPY": 0, "KWD": 3}.get(currency, 2)
            amount = int(Fraction(each["amount"]) * scale)
            accrued[customer, currency] += amount - missed.get(key_, 0)
            missed[key_] = amount
        for line in step.lines:
            owner = (customer, line["currency"])
            over_time = "invoice" in line and line["rule"] != "R-BILL-ARREARS"
            if over_time or "block" in line:
                continue
            if "1150" in (line["debit"], line["credit"]):
                sign = 1 if line["debit"] == "1150" else -1
                booked[owner] += sign * line["amount"]
                if line["rule"] == "R-BILL-ARREARS":
                    billed[owner] -= sign * line["amount"]
        for owner in [key for key in accrued if key[0] == customer]:
            figures = (accrued[owner], billed[owner], booked[owner])
            assert figures[0] - figures[1] == figures[2], (owner, figures, step.outcome)


def an_invoice_is_deferred_or_unbilled(records: Records) -> None:
    """2020 of an invoice is never a debit, and what is earned of it and not booked no credit."""
    booked: dict[tuple[str, str], Counter[tuple[str, bool]]] = {}
    for step in records.steps():
        touched = set()
        for line in step.lines:
            if "invoice" in line and line["rule"] != "R-BILL-ARREARS":
                key = (step.outcome.get("customer", ""), line["invoice"])
                accounts = booked.setdefault(key, Counter())
                accounts[line["debit"], "block" in line] += line["amount"]
                accounts[line["credit"], "block" in line] -= line["amount"]
                touched.add(key)
        for key in touched:
            deferred = booked[key]["2020", False] + booked[key]["2020", True]
            unbilled = booked[key]["1150", False]
            assert deferred <= 0 <= unbilled, (key, deferred, unbilled, step.outcome)


def shortfalls_are_earned_once(records: Records) -> None:
    """4020 of a term that ended is what its last outcome says, and nothing is conditional."""
    stated: dict[tuple[str, str], Fraction] = {}
    booked: dict[tuple[str, str], Counter[str]] = {}
    for step in records.steps():
        customer = step.outcome.get("customer", "")
        for line in step.lines:
            if "shortfall" in line["proof"]:
                accounts = booked.setdefault((customer, line["proof"]["shortfall"]), Counter())
                accounts[line["debit"]] += line["amount"]
                accounts[line["credit"]] -= line["amount"]
                assert line["proof"]["shortfall"].startswith(line["contract"]), line
        for each in step.outcome.get("shortfalls", []):
            scale = 10 ** {"JPY": 0, "KWD": 3}.get(each["currency"], 2)
            stated[customer, each["id"]] = Fraction(each["amount"]) * scale
            missing = Fraction(each["committed"]) - Fraction(each["counted"])
            assert max(Fraction(0), missing) == Fraction(each["quantity"]), each
        for key, amount in stated.items():
            accounts = booked.get(key, Counter())
            assert (amount, 0) == (-accounts["4020"], accounts["1160"]), (key, step.outcome)


def i11_usage_revenue_depends_on_what_is_drawn_alone(records: Records) -> None:
    """Recognised usage of a block is HE(V*u/Q) for the u drawn so far, after every outcome."""
    for step, lots, touched in records.replay():
        for key in touched:
            lot = lots[key]
            assert lot.usage_revenue == lot.used, (lot, step.outcome)


def i12_never_more_than_the_price(records: Records) -> None:
    """0 <= usage <= recognised <= V, and no block is funded above its value."""
    for step, lots, touched in records.replay():
        for key in touched:
            lot = lots[key]
            if lot.quantity:
                recognised = lot.used + lot.lapsed
                assert 0 <= lot.used <= recognised <= lot.value, (lot, step.outcome)
                assert lot.funded <= lot.value, (lot, step.outcome)


def i13_a_dead_block_carries_nothing(records: Records) -> None:
    """Where nothing remains to be used, no liability account holds anything for the block."""
    for step, lots, touched in records.replay():
        for key in touched:
            lot = lots[key]
            if lot.quantity and not lot.remaining:
                assert lot.owed == 0, (lot, step.outcome)


def i14_what_remains_of_a_paid_block_is_carried(records: Records) -> None:
    """A funded block with units left carries them, down to half a minor unit of their price."""
    for step, lots, touched in records.replay():
        for key in touched:
            lot = lots[key]
            if lot.remaining and lot.funded == lot.worth and lot.owed == 0:
                left = lot.worth * (lot.expected - lot.places["drawn"]) / lot.expected
                assert left <= Fraction(1, 2), (lot, step.outcome)


def i15_products_share_a_draw_within_two_cents(records: Records) -> None:
    """Products sum to the block, and each is less than two minor units from its exact share."""
    for step, lots, touched in records.replay():
        for key in touched:
            lot = lots[key]
            assert lot.earned.total() == lot.used, (lot, step.outcome)
            for product, units in lot.by_product.items():
                exact = lot.worth * Fraction(units) / lot.expected if units else 0
                assert abs(lot.earned[product] - exact) < 2, (product, lot, step.outcome)


def i17_a_concession_costs_what_was_used_of_it(records: Records) -> None:
    """4910 = used + owed under 2030 + gone elsewhere, less what lapsed into 4050."""
    for lot in records.lots().values():
        if lot.contra:
            used, owed = lot.paid_invoices - lot.accounts["4000"], -lot.accounts["2030"]
            assert lot.accounts["4910"] == used + owed + lot.passed - lot.accounts["4050"], lot
            assert 0 == lot.accounts["2000"] == lot.accounts["1150"], lot
        else:
            assert 0 == lot.accounts["4910"], lot


def i21_every_id_is_unique(records: Records) -> None:
    """No outcome, entry, overage or posting id is given out twice: redelivery adds no line."""
    for ids in (
        [o["outcome"] for o in records.applied],
        [e["entry"] for o in records.applied for e in o.get("entries", [])],
        [v["id"] for o in records.applied for v in o.get("overage", [])],
        [line["posting"] for line in records.postings],
    ):
        twice = [id_ for id_, count in Counter(ids).items() if count > 1]
        assert not twice, twice
    causes = {o["outcome"] for o in records.applied}
    orphans = [line for line in records.postings if line["cause"] not in causes]
    assert not orphans, orphans


def i24_every_usage_is_drawn_or_overage(records: Records) -> None:
    """What moved to another unit is the stated share of its cost, and nothing applied vanishes."""
    for outcome in records.applied:
        moved: list[Event] = [
            record
            for record in (*outcome.get("entries", []), *outcome.get("overage", []))
            if "owed" in record
        ]
        for record in moved:
            owed = record["owed"]
            share = Fraction(owed["from_rest"]) / Fraction(owed["from_cost"])
            exact = Fraction(owed["cost"]) * share
            assert abs(Fraction(owed["quantity"]) - exact) <= Fraction(1, 2), (record, outcome)
            paid = Fraction(record["amount"] if "id" in record else record["quantity"])
            assert paid <= Fraction(owed["quantity"]), (record, outcome)
        if outcome["cause"].get("type", "").endswith("usage.recorded.v1"):
            drawn = [e for e in outcome.get("entries", []) if e["to"] == "drawn"]
            assert drawn or outcome.get("overage"), outcome


def usage_is_conserved(records: Records, facts: list[Event], decimals: dict[str, int]) -> None:
    """I-24 against the inputs: per usage, the drawn shares and the uncovered share sum to one.

    Over all outcomes: what late or corrected usage changed of others counts for those. An entry of
    `a` of a unit whose full cost is `c` covers a/c. Exact where one unit pays; where a rest was
    restated in other units, within half a step of each of them. What nobody owes is counted in
    steps of the meter, so of what came late or changed less than half a step leaves no trace. Ids
    are of one source.
    """
    quantity: dict[tuple[str, str], list[Fraction]] = {}
    for fact in facts:
        kind, data = fact["type"].split(".")[2], fact["data"]
        id_ = fact["id"] if kind in ("recorded", "settled") else data["usage"]["id"]
        used = Fraction(data["quantity"]) if "quantity" in data else Fraction(0)
        quantity.setdefault((fact["subject"], id_), []).append(used)
    moved: dict[tuple[str, str], list[tuple[int, Event]]] = {}
    forgiving: set[str] = set()
    for outcome in records.applied:
        customer, cause = outcome.get("customer", ""), outcome["cause"]
        for over in outcome.get("overage", []):
            if over.get("policy") in ("block", "buffer"):
                forgiving.add(customer)
            usage = over.get("usage", cause.get("id", ""))
            moved.setdefault((customer, usage), []).append((1, over))
        for entry in outcome.get("entries", []):
            sign = (entry["to"] == "drawn") - (entry["from"] == "drawn")
            if sign:
                moved.setdefault((customer, entry["usage"]), []).append((sign, entry))
    applied = Counter(
        (outcome["customer"], outcome["cause"]["id"])
        for outcome in records.applied
        if outcome["cause"].get("type", "").endswith(_USES)
    )
    rated = {(f["subject"], f["id"]): f["data"].get("amount") for f in facts}
    for key, times in applied.items():
        if times > 1:
            continue  # entries name usage by its id, and this one came back after it was forgotten
        moves, sums = moved.get(key, []), []
        for used in quantity[key]:
            covered, slack = _covered(moves, used, rated.get(key), decimals)
            if used and key[0] in forgiving:
                slack += Fraction(1, 2) / used
            sums.append((covered, slack))
        assert any(abs(covered - 1) <= slack for covered, slack in sums), (sums, key, moves)


def _covered(
    moves: list[tuple[int, Event]], used: Fraction, rated: Event | None, decimals: dict[str, int]
) -> tuple[Fraction, Fraction]:
    """Which share of a used quantity the moves account for, and how exactly they can."""
    if not used:  # retracted: nothing may be left
        left = sum(s * Fraction(m.get("amount", m["quantity"])) for s, m in moves)
        return 1 + left, Fraction(0)
    covered, slack = Fraction(0), Fraction(0)
    several = len({move.get("unit") for _, move in moves}) > 1
    for sign, move in moves:
        if "unit" not in move:
            covered += sign * Fraction(move["quantity"]) / used
            slack += Fraction(1, 2) / used if several else 0
            continue
        if "rate" in move:
            cost = used * Fraction(move["rate"])
        else:  # the product rated it: the price is in the fact
            assert rated is not None, move
            cost = Fraction(rated["quantity"])
        if several and cost:
            slack += Fraction(1, 2 * 10 ** decimals[move["unit"]]) / cost
        covered += sign * Fraction(move.get("amount", move["quantity"])) / cost if cost else 1
    return covered, slack


def _times(records: Records) -> dict[tuple[str, str], int]:
    """When usage was, but for what came back after it was forgotten: entries name it by its id."""
    times: dict[tuple[str, str], list[int]] = {}
    for outcome in records.applied:
        if outcome["cause"].get("type", "").endswith(_USES):
            key = (outcome["customer"], outcome["cause"]["id"])
            times.setdefault(key, []).append(instant(outcome["effective_at"]))
    return {key: found[0] for key, found in times.items() if len(found) == 1}


def i25_no_draw_outside_the_interval(records: Records) -> None:
    """What is drawn was valid at the usage's event time, or held for it since it was.

    What a usage has given back since is left out: the block may have been ended before its time. A
    reset ends a program's block behind what was used at its instant, or ahead of the log by then.
    """
    net: Counter[tuple[str, str, str]] = Counter()
    for outcome in records.applied:
        for entry in outcome.get("entries", []):
            sign = (entry["to"] == "drawn") - (entry["from"] == "drawn")
            if sign and entry["from"] != "held":
                key = (outcome["customer"], entry["block"], entry["usage"])
                net[key] += sign * Fraction(entry["quantity"])
    times = _times(records)
    for outcome in records.applied:
        for entry in outcome.get("entries", []):
            if entry["to"] != "drawn":
                continue
            if net[outcome["customer"], entry["block"], entry["usage"]] <= 0:
                continue
            terms = records.terms[outcome["customer"], entry["block"]]
            time = times.get((outcome["customer"], entry["usage"]))
            if time is None:
                continue
            if "repays" in entry:
                if "clock" not in outcome["cause"]:
                    continue  # it stands for a repayment at an instant that only the past knows
                time = instant(outcome["effective_at"])
            assert instant(terms["effective_at"]) <= time, (entry, outcome)
            if terms.get("expires_at") is not None and entry["from"] != "held":
                end = instant(terms["expires_at"])
                ahead = 5 * MINUTE if "program" in terms else -1
                assert time <= end + ahead, (entry, outcome)


def what_is_held_is_with_the_holds(records: Records) -> None:
    """What entries put into a hold and did not take out is what the snapshot says it has."""
    found: Counter[tuple[str, str, str]] = Counter()
    for outcome in records.applied:
        for entry in outcome.get("entries", []):
            sign = {"from": -1, "to": 1}
            for side in ("from", "to"):
                if entry[side] == "held":
                    key = (outcome["customer"], entry["hold"], entry["block"])
                    found[key] += sign[side] * Fraction(entry["quantity"])
    stated = {
        (customer, hold["hold"], block): Fraction(amount)
        for customer, snapshot in records.snapshots.items()
        for hold in snapshot["holds"]
        for block, amount in hold["blocks"].items()
    }
    assert stated == {key: amount for key, amount in found.items() if amount}


def notices_say_what_the_ledger_shows(records: Records) -> None:
    """Each new block is told as granted, and each balance that fell to zero as depleted, once."""
    told: Counter[tuple[str, str, str]] = Counter()
    for record in records.all:
        if record["type"].startswith("creditfold.notice."):
            data = record["data"]
            told[data["outcome"], data["what"], data.get("block", data.get("unit", ""))] += 1
    before: dict[tuple[str, str], Fraction] = {}
    expected: Counter[tuple[str, str, str]] = Counter()
    for outcome in records.applied:
        for entry in outcome.get("entries", []):
            if (entry["from"], entry["to"]) == ("origin", "issued"):
                expected[outcome["outcome"], "granted", entry["block"]] += 1
        for unit, text in outcome.get("balances", {}).items():
            key = (outcome["customer"], unit)
            if before.get(key, Fraction(0)) and not Fraction(text):
                expected[outcome["outcome"], "depleted", unit] += 1
            before[key] = Fraction(text)
    found = {key: count for key, count in told.items() if key[1] in ("granted", "depleted")}
    assert dict(expected) == found


def snapshots_are_the_ledger(records: Records) -> None:
    """Each place, value and carrying value in the snapshots is what the records add up to."""
    lots = records.lots()
    assert records.terms.keys() == {key for key, lot in lots.items() if lot.granted}
    for key, block in records.terms.items():
        lot = lots[key]
        for place, amount in lot.places.items():
            assert amount == Fraction(block[place]), (key, place)
        assert lot.quantity == Fraction(block["quantity"]), key
        assert lot.recognised == records.minor(key[0], block["recognised"]), (key, block)
        assert lot.carrying == records.minor(key[0], block["carrying"]), (key, block)


ALL = (
    i17_a_concession_costs_what_was_used_of_it,
    i21_every_id_is_unique,
    i01_every_entry_balances,
    i03_all_of_a_block_is_in_its_places,
    i04_balances_are_the_sum_of_the_blocks,
    i05_one_net_position_per_block,
    i06_the_liability_is_the_sum_of_carrying_values,
    i07_nothing_of_a_price_is_lost,
    i10_unbilled_is_accrued_less_billed,
    an_invoice_is_deferred_or_unbilled,
    shortfalls_are_earned_once,
    i11_usage_revenue_depends_on_what_is_drawn_alone,
    i12_never_more_than_the_price,
    i13_a_dead_block_carries_nothing,
    i14_what_remains_of_a_paid_block_is_carried,
    i15_products_share_a_draw_within_two_cents,
    i24_every_usage_is_drawn_or_overage,
    i25_no_draw_outside_the_interval,
    i29_every_proof_recomputes,
    what_is_held_is_with_the_holds,
    notices_say_what_the_ledger_shows,
    snapshots_are_the_ledger,
    chain_is_unbroken,
)


def check_all(records: Records) -> None:
    """Every invariant; the first that does not hold raises."""
    for invariant in ALL:
        invariant(records)
