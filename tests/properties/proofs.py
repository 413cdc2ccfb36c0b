"""I-29: each posting's amount, worked out again from the operands in its proof."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from properties.events import Event
from properties.records import Records


def _number(proof: Event, name: str) -> Fraction:
    return Fraction(proof[name])


def _revenue(proof: Event, units: str) -> int:
    """HE(V*u/Q), or where E is expected, HE(V*u/max(E,u))."""
    over = max(_number(proof, "E"), _number(proof, units)) if "E" in proof else _number(proof, "Q")
    return round(_number(proof, "V") * _number(proof, units) / over) if over else 0


def draw(lines: list[Event], proof: Event) -> None:
    """Draws of a block sum to HE(V*u1/Q)-HE(V*u0/Q); what is funded of it goes against 2000."""
    u0, u1, funded = _revenue(proof, "u0"), _revenue(proof, "u1"), int(proof["funded"])
    paid = min(u1, funded) - min(u0, funded)
    by_rule = dict.fromkeys(("R-DRAW", "R-DRAW-UNFUNDED", "R-REOPEN"), 0)
    for line in lines:
        by_rule[line["rule"].removesuffix("-SLA")] += line["amount"]
        own = line["proof"]
        if "product_u" in own:
            share = _number(own, "V") * _number(own, "product_u") / _number(own, "Q")
            assert abs(int(own["product_posted"]) - share) < 2, line
    assert paid == by_rule["R-DRAW"], lines
    assert u1 - u0 - paid == by_rule["R-DRAW-UNFUNDED"], lines
    assert by_rule["R-REOPEN"] in (0, paid), lines


def expiry(lines: list[Event], proof: Event) -> None:
    """Breakage is what is funded and not used, less the breakage before."""
    left = max(0, int(proof["funded"]) - _revenue(proof, "u"))
    assert left - int(proof["breakage0"]) == _signed(lines, "4000", "4050", "4910"), lines


def funding(lines: list[Event], proof: Event) -> None:
    """Funding goes to what is unbilled first, then to the liability."""
    amount = int(proof["funded1"]) - int(proof["funded0"])
    unbilled = min(amount, max(0, int(proof["recognised"]) - int(proof["funded0"])))
    assert unbilled == _total([line for line in lines if line["credit"] == "1150"]), lines
    assert amount == _total(lines), lines


def booking(lines: list[Event], proof: Event) -> None:
    """A plain line's net, as far as it is booked."""
    assert int(proof["booked1"]) - int(proof["booked0"]) == _total(lines), lines


def tax(lines: list[Event], proof: Event) -> None:
    """The tax share by running total over the gross."""
    whole, gross = Fraction(int(proof["tax"])), int(proof["gross"])
    share = round(whole * int(proof["g1"]) / gross) - int(proof["tax0"])
    assert max(0, share) == _total(lines), lines


def whole_tax(lines: list[Event], proof: Event) -> None:
    """A line that is booked whole carries its tax whole."""
    assert int(proof["tax"]) == _total(lines), lines


def payment(lines: list[Event], proof: Event) -> None:
    """Cash settles what is booked."""
    assert int(proof["paid1"]) - int(proof["paid0"]) == _total(lines), lines


def accrual(lines: list[Event], proof: Event) -> None:
    """Overage posts the difference of the rounded cumulative."""
    scale = 10 ** lines[0]["exponent"]
    posted = round(_number(proof, "a1") * scale) - round(_number(proof, "a0") * scale)
    assert posted == _signed(lines, "4010"), lines


def backfill(lines: list[Event], proof: Event) -> None:
    """What credit repays of overage is taken back from the rounded cumulative."""
    scale = 10 ** lines[0]["exponent"]
    posted = round(_number(proof, "a0") * scale) - round(_number(proof, "a1") * scale)
    assert posted == _total(lines), lines


def arrears(lines: list[Event], proof: Event) -> None:
    """What was accrued leaves 1150, as far as it is billed."""
    assert min(int(proof["accrued"]), int(proof["billed"])) == _total(lines), lines


def arrears_above(lines: list[Event], proof: Event) -> None:
    """What is billed above the accrual is revenue."""
    assert max(0, int(proof["billed"]) - int(proof["accrued"])) == _total(lines), lines


def arrears_below(lines: list[Event], proof: Event) -> None:
    """What was accrued above the bill is taken back from revenue."""
    assert max(0, int(proof["accrued"]) - int(proof["billed"])) == _total(lines), lines


def arrears_taken_back(lines: list[Event], proof: Event) -> None:
    """What corrections took back beyond what was open comes out of 1150 again."""
    assert max(0, -int(proof["accrued"])) == _total(lines), lines


def respread(lines: list[Event], proof: Event) -> None:
    """After a change of value or units, usage revenue is brought to HE(V*u/Q) of now."""
    after = _revenue(proof, "u")
    assert after - int(proof["usage0"]) == _signed(lines, "4000"), lines


def breakage_above(lines: list[Event], proof: Event) -> None:
    """What is funded above all that the rest is worth, less the breakage before."""
    above = max(0, int(proof["funded"]) - int(proof["V"]))
    assert above - int(proof["breakage0"]) == _signed(lines, "4000", "4050", "4910"), lines


def _signed(lines: list[Event], *accounts: str) -> int:
    """Credits less debits of the accounts."""
    return sum(line["amount"] * (1 if line["credit"] in accounts else -1) for line in lines)


def concession(lines: list[Event], proof: Event) -> None:
    """What is given back is given back whole."""
    assert int(proof["V"]) == _total(lines), lines


def unfunding(lines: list[Event], proof: Event) -> None:
    """What is given back leaves the liability first, then it is unbilled."""
    amount = int(proof["funded0"]) - int(proof["funded1"])
    owed = min(amount, max(0, int(proof["funded0"]) - int(proof["recognised"])))
    assert owed == _total([line for line in lines if line["debit"] in ("2000", "2010", "2030")]), (
        lines
    )
    assert amount == _total(lines), lines


def difference(one: str, less: str) -> Callable[[list[Event], Event], None]:
    """One operand less another."""

    def check(lines: list[Event], proof: Event) -> None:
        assert int(proof[one]) - int(proof[less]) == _total(lines), lines

    return check


def one(operand: str) -> Callable[[list[Event], Event], None]:
    """One operand whole."""

    def check(lines: list[Event], proof: Event) -> None:
        assert int(proof[operand]) == _total(lines), lines

    return check


def tax_of_value(lines: list[Event], proof: Event) -> None:
    """Of what credit was worth, the tax that it pays comes first."""
    assert min(int(proof["value"]), int(proof["tax"])) == _total(lines), lines


def income_of_value(lines: list[Event], proof: Event) -> None:
    """What credit was worth beyond the tax that it pays is the line's income."""
    assert max(0, int(proof["value"]) - int(proof["tax"])) == _total(lines), lines


def tax_of_income(lines: list[Event], proof: Event) -> None:
    """Credit that was worth less than the tax that it pays costs the line's income the rest."""
    assert max(0, int(proof["tax"]) - int(proof["value"])) == _total(lines), lines


def shortfall(lines: list[Event], proof: Event) -> None:
    """What is missing of a commitment, or is expected to be, less what was posted of it."""
    used = round(_number(proof, "u") * _number(proof, "rate") * 10 ** lines[0]["exponent"])
    whole = _number(proof, "V")
    if "E" in proof:
        whole = round(whole * _number(proof, "u") / max(_number(proof, "E"), _number(proof, "u")))
    assert max(0, whole - used) - int(proof["shortfall0"]) == _signed(lines, "4020"), lines


def no_longer_conditional(lines: list[Event], proof: Event) -> None:
    """What was earned before the term's end is owed from then on."""
    assert int(proof["shortfall0"]) == _total(lines), lines


def ratable(lines: list[Event], proof: Event) -> None:
    """A line is earned as its period goes by: what is booked first, the rest is unbilled."""
    share = Fraction(int(proof["gone"]), int(proof["of"])) if "gone" in proof else Fraction(1)
    assert 0 <= share <= 1, lines
    earned = round(int(proof["V"]) * share) - int(proof["earned0"])
    assert earned == _signed(lines, "4030"), lines
    deferred = int(proof["deferred"])
    unbilled = max(0, earned - deferred) - max(0, -deferred)
    booked = [line for line in lines if line["rule"] == "R-RATABLE"]
    assert earned - unbilled == _signed(booked, "4030"), lines
    assert all({"2020", "4030"} == {line["debit"], line["credit"]} for line in booked), lines


def rebalance(lines: list[Event], proof: Event) -> None:
    """What a line has below zero is unbilled, and no negative liability."""
    before, after = (max(0, -int(proof[name])) for name in ("deferred0", "deferred1"))
    assert before - after == _signed(lines, "1150"), lines


FORMULAS: dict[str, Callable[[list[Event], Event], None]] = {
    "HE(V*u1/Q)-HE(V*u0/Q)": draw,
    "max(0,funded-HE(V*u/Q))-breakage0": expiry,
    "max(0,funded-V)-breakage0": breakage_above,
    "HE(V*u/Q)-usage0": respread,
    "HE(V*u/max(E,u))-usage0": respread,
    "max(0,funded-HE(V*u/max(E,u)))-breakage0": expiry,
    "V": concession,
    "funded": one("funded"),
    "funded1-funded0": funding,
    "funded0-funded1": unfunding,
    "min(value,tax)": tax_of_value,
    "max(0,value-tax)": income_of_value,
    "max(0,tax-value)": tax_of_income,
    "net-unused": difference("net", "unused"),
    "net0-net1": difference("net0", "net1"),
    "tax0-tax1": difference("tax0", "tax1"),
    "booked-paid": difference("booked", "paid"),
    "payable0-payable1": difference("payable0", "payable1"),
    "booked1-booked0": booking,
    "max(0,HE(tax*g1/gross)-tax0)": tax,
    "tax": whole_tax,
    "paid1-paid0": payment,
    "rolled1-rolled0": difference("rolled1", "rolled0"),
    "HE(a1)-HE(a0)": accrual,
    "HE(a0)-HE(a1)": backfill,
    "min(accrued,billed)": arrears,
    "max(0,billed-accrued)": arrears_above,
    "max(0,accrued-billed)": arrears_below,
    "max(0,-accrued)": arrears_taken_back,
    "max(0,V-HE(u*rate))-shortfall0": shortfall,
    "max(0,HE(V*u/max(E,u))-HE(u*rate))-shortfall0": shortfall,
    "shortfall0": no_longer_conditional,
    "HE(V*gone/of)-earned0": ratable,
    "V-earned0": ratable,
    "max(0,-deferred1)-max(0,-deferred0)": rebalance,
    "early": one("early"),
    "delivered": one("delivered"),
}


def _total(lines: list[Event]) -> int:
    return sum(line["amount"] for line in lines)


def i29_every_proof_recomputes(records: Records) -> None:
    """Lines of one journal entry with one formula about one block or product prove one sum."""
    groups: dict[tuple[str | None, ...], list[Event]] = {}
    for line in records.postings:
        formula = line["proof"]["f"]
        assert formula in FORMULAS, line
        about = line.get("block") or line.get("product")
        groups.setdefault((line["cause"], line["entry"], formula, about), []).append(line)
    for (_, _, formula, _), lines in groups.items():
        FORMULAS[formula](lines, lines[0]["proof"])
