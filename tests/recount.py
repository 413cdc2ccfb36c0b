"""An independent recount of a fact log: exact fractions, one pass, and not one line of creditfold.

    python tests/recount.py facts.jsonl                  prints what each customer should have
    python tests/recount.py facts.jsonl records.jsonl    compares it with what `simulate` gave

Per customer: what is usable and what is open overage per unit, and revenue per account in minor
units, at the time of the last fact. It reads facts in the order of their time, with duplicates
and facts of unknown customers or meters among them, and assumes: default burn order, usage never
late, one rate card version without `where`, blocks without scope, two decimals to each currency,
no payment of more than an invoice, credit for invoices that is free or billed whole on issue and
pays tax too, blends of blocks that no hold has, lines over periods of whole seconds, earned by
time, commitments in the customer's currency, of terms in days from the start on, earned as they
end, material rights that no blend has, with one rate of breakage from the start on, and programs
for everyone or for a plan that grant until the next of their dates, every so many days from their
first grant on or by the calendar of UTC, a first or last part whole or by the second.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

Row = dict[str, Any]

NEVER = datetime.max.replace(tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


class Customer:
    def __init__(self, currency: str) -> None:
        self.currency = currency
        self.blocks: list[Row] = []
        self.invoices: dict[str, Row] = {}
        self.for_invoices: list[Row] = []
        self.blends: list[tuple[Row, Row]] = []
        self.by_credit: dict[str, int] = defaultdict(int)
        self.overage: list[Row] = []
        self.accrued: dict[str, Fraction] = defaultdict(Fraction)
        self.spent: list[tuple[datetime, Fraction]] = []
        self.commitments: list[Row] = []
        self.since: dict[str, datetime] = {}
        self.ended: dict[str, datetime] = {}
        self.covers: dict[tuple[str, str], Row] = {}


class Recount:
    def __init__(self) -> None:
        self.customers: dict[str, Customer] = {}
        self.prices: dict[str, dict[str, Fraction]] = {}
        self.programs: dict[str, Row] = {}
        self.unlikely = Fraction(0)
        self.steps: dict[str, int] = {"USD": 10**10}
        self.seen: set[tuple[str | None, str, str]] = set()
        self.now = datetime.min.replace(tzinfo=UTC)

    def read(self, fact: Row) -> None:
        kind = fact["type"].removeprefix("creditfold.").removesuffix(".v1")
        data, who = fact["data"], fact.get("subject")
        self.now = datetime.fromisoformat(fact["time"])
        identity = (who, fact["source"], fact["id"])
        if identity in self.seen:
            return
        if kind == "meter.declared":
            self.prices[data["meter"]] = {}
        elif kind == "unit.declared":
            self.steps[data["unit"]] = 10 ** data.get("exponent", 6)
        elif kind == "rate_card.published":
            for rate in data["rates"]:
                self.prices[rate["meter"]][rate["unit"]] = Fraction(rate["per_unit"])
        elif kind == "policy.published":
            rates = data["keys"].get("breakage.rate", {})
            self.unlikely = Fraction(rates.get("material_right", "0"))
        elif kind == "program.published":
            self.programs[data["program"]] = data
        elif kind == "customer.created":
            self.customers[who] = Customer(data["currency"])
            self.customers[who].since["customer"] = self.now
        elif who in self.customers:
            if kind == "usage.recorded" and data["meter"] not in self.prices:
                return
            self.allot(who)
            getattr(self, kind.replace(".", "_"))(self.customers[who], data)
        elif who is not None:
            return
        self.seen.add(identity)

    def allot(self, who: str) -> None:
        """What programs have granted by now, to subscriptions of their plan or to the customer."""
        customer = self.customers[who]
        for program in self.programs.values():
            plan, first = (
                program["who"].get("eq"),
                datetime.fromisoformat(program["effective_from"]),
            )
            for subject, since in customer.since.items():
                if (subject == "customer") != (plan is None):
                    continue
                if plan is not None and not subject.endswith(f" on {plan}"):
                    continue
                name = who if plan is None else subject.partition(" ")[0]
                until = min(self.now, customer.ended.get(name, self.now))
                key = (program["program"], subject)
                at = max(first, since)
                cover = customer.covers.setdefault(key, {"count": 0, "from": at, "until": at})
                while cover["until"] <= until:
                    self.cover(customer, program, name, cover)

    def cover(self, customer: Customer, program: Row, name: str, cover: Row) -> None:
        """The next grant of a program, for a period or what is left of it."""
        at, every = cover["until"], timedelta(days=int(program["every"].strip("PD")))
        origin = cover["from"]
        if program.get("anchor") == "calendar":
            origin = MONDAY if every.days % 7 == 0 else EPOCH
        begin = origin + (at - origin) // every * every
        cover |= {"count": cover["count"] + 1, "until": begin + every, "every": every}
        cover["since"] = at if by_second(program, "first") else begin
        grant = program["grant"] | {"block": f"{program['program']}:{name}:{cover['count']}"}
        grant |= {"effective_at": at.isoformat(), "expires_at": (begin + every).isoformat()}
        grant["quantity"] = str(self.part(program, cover, cover["until"]))
        if "value" in grant:
            whole = Fraction(grant["value"]["amount"]) * 100
            minor = round(whole * ratio(cover["until"] - cover["since"], every))
            grant["value"] = {"amount": str(Fraction(minor, 100))}
        self.credit_granted(customer, grant)
        cover["block"] = customer.blocks[-1]

    def part(self, program: Row, cover: Row, until: datetime) -> Fraction:
        """What the program grants for the time until then, half even to a step of its unit."""
        step = self.steps[program["grant"]["unit"]]
        share = ratio(until - cover["since"], cover["every"])
        return Fraction(round(Fraction(program["grant"]["quantity"]) * share * step), step)

    def subscription_cancelled(self, customer: Customer, data: Row) -> None:
        """What is unused beyond the share of the time until now goes, with its price."""
        name = data["subscription"]
        customer.ended[name] = self.now
        for (program_id, subject), cover in customer.covers.items():
            program = self.programs[program_id]
            mine = subject.startswith(f"{name} on ") and by_second(program, "last")
            if not (mine and self.now < cover["until"]):
                continue
            block, part = cover["block"], self.part(program, cover, self.now)
            excess = min(block["left"], block["quantity"] - part)
            used, all_ = self.used(block), block["quantity"] - block["left"] + excess
            block["value"] -= round(block["value"] * all_ / block["quantity"]) - used
            block |= {"quantity": block["quantity"] - excess, "left": block["left"] - excess}

    def credit_granted(self, customer: Customer, data: Row) -> None:
        begin = datetime.fromisoformat(data["effective_at"]) if "effective_at" in data else self.now
        end = datetime.fromisoformat(data["expires_at"]) if "expires_at" in data else None
        priority, paid = data.get("priority", 10**9), data["kind"] == "paid"
        right = data["kind"] == "material_right"
        blocks = customer.for_invoices if "draws_on" in data else customer.blocks
        blocks.append(
            {
                "id": data["block"],
                "owed": 0,
                "unit": data["unit"],
                "begin": begin,
                "end": end,
                "order": (priority, end or NEVER, paid or right, begin, data["block"]),
                "bought": paid,
                "right": right,
                "value": Fraction(data.get("value", {"amount": "0"})["amount"]) * 100,
                "quantity": Fraction(data["quantity"]),
                "left": Fraction(data["quantity"]),
            }
        )
        for name in data.get("blends", []):
            self.blend(customer, next(each for each in blocks if each["id"] == name), blocks[-1])

    def blend(self, customer: Customer, old: Row, new: Row) -> None:
        """All that is left of a block goes on in another, with what of its price is not earned."""
        used, left = self.used(old), old["left"]
        new["value"] += old["value"] - used
        new["quantity"] += left
        new["left"] += left
        old |= {"value": used, "quantity": old["quantity"] - left, "left": Fraction(0)}
        customer.blends.append((old, new))

    def follow(self, customer: Customer, funded: dict[str, int]) -> None:
        """What pays for more of a block than stays there goes after what was blended."""
        for old, new in customer.blends:
            part = max(0, funded[old["id"]] - old["value"])
            funded[old["id"]] -= part
            funded[new["id"]] += part

    def used(self, block: Row) -> int:
        """What of its price is earned by usage, in cents."""
        drawn, all_ = block["quantity"] - block["left"], block["quantity"]
        if block["right"]:
            all_ = max(drawn, all_ * (1 - self.unlikely))
        return round(block["value"] * drawn / all_) if drawn else 0

    def usage_recorded(self, customer: Customer, data: Row) -> None:
        quantity, meter = Fraction(data["quantity"]), data["meter"]
        costs = {unit: price * quantity for unit, price in self.prices[meter].items()}
        asked, rest = "", Fraction(0)
        for block in sorted(customer.blocks, key=lambda each: each["order"]):
            alive = block["begin"] <= self.now and (block["end"] is None or self.now < block["end"])
            if not (alive and block["left"] and block["unit"] in costs):
                continue
            owed = self.owed(costs, asked, rest, block["unit"])
            if owed:
                asked, part = block["unit"], min(owed, block["left"])
                block["left"] -= part
                if block["bought"]:
                    self.spend(customer, costs, block["unit"], part)
                rest = owed - part
                if not rest:
                    return
        amount = self.owed(costs, asked, rest, customer.currency)
        self.spend(customer, costs, customer.currency, amount)
        before = round(customer.accrued[meter] * 100)
        customer.accrued[meter] += amount
        posted = round(customer.accrued[meter] * 100) - before
        over = {"meter": meter, "time": self.now, "amount": amount, "posted": posted, "open": True}
        customer.overage.append(over)

    def owed(self, costs: dict[str, Fraction], asked: str, rest: Fraction, unit: str) -> Fraction:
        """The rest in another unit, half even to its step; all of it where nobody was asked."""
        if asked in ("", unit):
            return rest if asked else costs[unit]
        step = self.steps[unit]
        return Fraction(round(costs[unit] * rest / costs[asked] * step), step)

    def spend(
        self, customer: Customer, costs: dict[str, Fraction], unit: str, part: Fraction
    ) -> None:
        """What bought credit pays, or the customer owes, counts at its price in their currency."""
        money, step = customer.currency, self.steps[customer.currency]
        if unit != money:
            part = Fraction(round(costs[money] * part / costs[unit] * step), step)
        customer.spent.append((self.now, part))

    def subscription_started(self, customer: Customer, data: Row) -> None:
        customer.since[f"{data['subscription']} on {data['plan']}"] = self.now
        if "commitment" in data:
            self.commit(customer, data["subscription"], data["commitment"])

    def commit(self, customer: Customer, name: str, least: Row) -> None:
        days = timedelta(days=int(least["term"].strip("PD")))
        rate, least = Fraction(least.get("rate", "1")), Fraction(least["quantity"])
        terms = {"of": name, "begin": self.now, "days": days, "least": least, "rate": rate}
        customer.commitments.append(terms)

    def missed(self, customer: Customer, funded: dict[str, int]) -> int:
        """Of each term that is over, what was committed to less what was spent or lapsed in it."""
        total = 0
        for terms in customer.commitments:
            begin, rate = terms["begin"], terms["rate"]
            last = customer.ended.get(terms["of"], self.now)
            while begin <= last and (end := begin + terms["days"]) <= self.now:
                counted = sum(
                    (part for at, part in customer.spent if begin <= at < end), Fraction(0)
                )
                for block in customer.blocks:
                    mine = block["bought"] and block["unit"] == customer.currency
                    if mine and block["end"] is not None and begin < block["end"] <= end:
                        counted += self.lapsed(block, funded[block["id"]])
                total += max(0, round(terms["least"] * rate * 100) - round(counted * rate * 100))
                begin = end
        return total

    def lapsed(self, block: Row, funded: int) -> Fraction:
        """What of the rest was paid for, half even to a step of the unit."""
        used = self.used(block)
        unearned, step = block["value"] - used, self.steps[block["unit"]]
        if unearned <= 0:
            return Fraction(0)
        share = min(max(0, funded - used), unearned) / Fraction(unearned)
        return Fraction(round(block["left"] * share * step), step)

    def invoice_issued(self, customer: Customer, data: Row) -> None:
        lines = []
        for line in data["lines"]:
            net, tax = (round(Fraction(line.get(part, "0")) * 100) for part in ("amount", "tax"))
            accrued = None
            if "arrears_for" in line:
                accrued = sum(self.bill(customer, span) for span in line["arrears_for"])
            sells = [sale["block"] for sale in line.get("sells", [])]
            for block in customer.for_invoices:
                block["owed"] += net if block["id"] in sells else 0
            worth, period = 0, line.get("period")
            if not sells:
                net, tax, worth = self.pay_with_credit(customer, net, tax)
            if period is None:
                customer.by_credit["4030" if accrued is None else "4010"] += worth
            lines.append({"net": net, "tax": tax, "sells": sells, "accrued": accrued})
            lines[-1] |= {"period": period, "worth": net + worth}
        rule = data.get("recognition", "on_issue")
        customer.invoices[data["invoice"]] = {"rule": rule, "lines": lines, "paid": 0}

    def pay_with_credit(self, customer: Customer, net: int, tax: int) -> tuple[int, int, int]:
        """What credit leaves of a line, and what it was bought for, but for the tax: income."""
        income = 0
        for block in sorted(customer.for_invoices, key=lambda each: each["order"]):
            alive = block["begin"] <= self.now and (block["end"] is None or self.now < block["end"])
            ready = int(block["left"] * 100) if alive and block["owed"] == block["value"] else 0
            part = min(net + tax, ready)
            if not part:
                continue
            taxed = round(Fraction(tax * part, net + tax))
            worth = round(block["value"] * (Fraction(part, 100) / block["left"]))
            block["left"] -= Fraction(part, 100)
            block["owed"] -= worth
            block["value"] -= worth
            income += worth - taxed
            net, tax = net - (part - taxed), tax - taxed
        return net, tax, income

    def plain(self, line: Row, booked: int) -> int:
        """What is booked, or the part of a period that was over as it or the last month ended."""
        period = line["period"]
        if period is None:
            return booked
        start, end = datetime.fromisoformat(period["from"]), datetime.fromisoformat(period["to"])
        month = self.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        mark = end if end <= self.now else max(start, month)
        second = timedelta(seconds=1)
        return round(line["worth"] * Fraction((mark - start) // second, (end - start) // second))

    def bill(self, customer: Customer, span: Row) -> int:
        start, end = datetime.fromisoformat(span["from"]), datetime.fromisoformat(span["to"])
        cleared = 0
        for over in customer.overage:
            if over["open"] and over["meter"] == span["meter"] and start <= over["time"] < end:
                over["open"] = False
                cleared += over["posted"]
        return cleared

    def invoice_paid(self, customer: Customer, data: Row) -> None:
        customer.invoices[data["invoice"]]["paid"] += round(Fraction(data["amount"]) * 100)

    def row(self, who: str) -> Row:
        self.allot(who)
        customer = self.customers[who]
        funded: dict[str, int] = defaultdict(int)
        earned: dict[str, int] = defaultdict(int)
        for invoice in customer.invoices.values():
            paid = invoice["paid"]
            for line in invoice["lines"]:
                gross = line["net"] + line["tax"]
                part = min(paid, gross)
                paid -= part
                booked = part if invoice["rule"] == "on_payment" else gross
                net = booked - (round(Fraction(line["tax"] * booked, gross)) if gross else 0)
                if line["accrued"] is not None:
                    earned["4010"] += line["net"] - line["accrued"]
                elif line["sells"]:
                    (block,) = line["sells"]
                    funded[block] += net
                else:
                    earned["4030"] += self.plain(line, net)
        earned["4010"] += sum(round(amount * 100) for amount in customer.accrued.values())
        self.follow(customer, funded)
        usable: dict[str, Fraction] = defaultdict(Fraction)
        for block in customer.blocks:
            used = self.used(block)
            earned["4000"] += used
            if block["end"] is not None and block["end"] <= self.now:
                if block["left"]:
                    account = "4000" if block["right"] else "4050"
                    earned[account] += max(0, funded[block["id"]] - used)
            elif block["begin"] <= self.now:
                usable[block["unit"]] += block["left"]
        for block in customer.for_invoices:
            if block["end"] is not None and block["end"] <= self.now and block["left"]:
                earned["4050"] += block["owed"]
        for account, amount in customer.by_credit.items():
            earned[account] += amount
        earned["4020"] += self.missed(customer, funded)
        still_open = sum((each["amount"] for each in customer.overage if each["open"]), Fraction(0))
        return {
            "customer": who,
            "overage": {customer.currency: str(still_open)} if still_open else {},
            "revenue": {account: amount for account, amount in sorted(earned.items()) if amount},
            "usable": {unit: str(amount) for unit, amount in sorted(usable.items()) if amount},
        }


def by_second(program: Row, which: str) -> bool:
    """Whether the program gives a first or last part of a period its share alone."""
    return program.get("proration", {}).get(which) == "by_second"


def ratio(part: timedelta, whole: timedelta) -> Fraction:
    return Fraction(part // timedelta(microseconds=1), whole // timedelta(microseconds=1))


def recount(facts: Iterable[Row]) -> list[Row]:
    """One row a customer, by customer; amounts of units are exact, as fractions in text."""
    count = Recount()
    for fact in facts:
        count.read(fact)
    return [count.row(who) for who in sorted(count.customers)]


def stated(records: Iterable[Row]) -> list[Row]:
    """The same rows from revenue postings and balance snapshots."""
    revenue: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    rows = {}
    for record in records:
        data = record["data"]
        if record["type"] == "creditfold.revenue.posting.v1":
            revenue[data["customer"]][data["credit"]] += data["amount"]
            revenue[data["customer"]][data["debit"]] -= data["amount"]
        elif record["type"] == "creditfold.balance.snapshot.v1":
            rows[record["subject"]] = {
                "customer": record["subject"],
                **{
                    name: {u: str(Fraction(n)) for u, n in data[name].items() if Fraction(n)}
                    for name in ("overage", "usable")
                },
            }
    for who, row in rows.items():
        row["revenue"] = {a: n for a, n in sorted(revenue[who].items()) if a[0] == "4" and n}
    return [rows[who] for who in sorted(rows)]


def _lines(path: str) -> Iterable[Row]:
    with Path(path).open() as lines:
        yield from map(json.loads, lines)


def main() -> int:
    mine = recount(_lines(sys.argv[1]))
    if len(sys.argv) == 2:
        for row in mine:
            print(json.dumps(row, sort_keys=True))
        return 0
    theirs = stated(_lines(sys.argv[2]))
    differing = [pair for pair in zip(mine, theirs, strict=True) if pair[0] != pair[1]]
    for left, right in differing[:3]:
        print("recount", json.dumps(left, sort_keys=True))
        print("stated ", json.dumps(right, sort_keys=True))
    print(f"{len(mine)} customers, {len(differing)} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
