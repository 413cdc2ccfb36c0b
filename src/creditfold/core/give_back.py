"""What an invoice line gives back: unused credit first, in its order; the rest is a concession.

What goes back leaves the line (amount, tax and what is booked of both) and the block that it sold
(value and funding) alike, so either side still says how far the other is paid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from creditfold.core import revenue
from creditfold.core.chart import Account
from creditfold.core.draft import Draft
from creditfold.core.entries import Place
from creditfold.core.exact import half_even
from creditfold.core.invoice_lines import shares
from creditfold.core.invoice_state import INVOICE, BilledLine
from creditfold.core.release import release, share
from creditfold.core.state import BLOCK, Block

UNALLOTTED = ""
"""Stands among a line's blocks for what a program has still to grant."""


class Back(Struct, frozen=True):
    """The rules and accounts of one way to give back, and where the units go."""

    rule: str
    credit: Account
    used_rule: str
    used: Account
    place: Place


def paid_net(line: BilledLine) -> int:
    """What is paid of the line without its tax."""
    return paid_parts(line)[0]


def paid_parts(line: BilledLine) -> tuple[int, int]:
    """What is paid of the line: without its tax, and its tax."""
    tax = half_even(line.taxed * line.paid, line.booked) if line.booked else 0
    return line.paid - tax, tax


def open_booked(line: BilledLine) -> tuple[int, int]:
    """What is booked and not paid of the line: without its tax, and its tax."""
    net, tax = paid_parts(line)
    return line.booked - line.taxed - net, line.taxed - tax


def sold_within(line: BilledLine, block_id: str, net: int) -> int:
    """How far the first `net` minor units of the line fund the block."""
    reach = net + line.conceded
    return sum(
        min(reach, end) - start
        for each, start, end in shares(line)
        if each == block_id and reach > start
    )


def taxed_on(line: BilledLine, net: int) -> int:
    """The tax that goes back with `net` of what is booked, so that what stays keeps its rate."""
    booked = line.booked - line.taxed
    return line.taxed - half_even(line.taxed * (booked - net), booked)


def unused_value(draft: Draft, block_id: str) -> int:
    """What the block could still give back, in minor units; before its grant all that funds it."""
    block: Block = draft.get(BLOCK, block_id)
    if draft.terms(block_id) is None:
        return block.sold
    return share(block, block.unused) if block.unused else 0


def unused_funded(draft: Draft, block_id: str) -> int:
    """As far as it is funded: what left with other units took its funding along."""
    block: Block = draft.get(BLOCK, block_id)
    return min(unused_value(draft, block_id), block.funded)


def take_off(
    draft: Draft,
    back: Back,
    invoice: str,
    currency: str,
    line: BilledLine,
    net: int,
    tax: int,
    blocks: Iterable[tuple[str, int]],
) -> tuple[BilledLine, Sequence[tuple[str, int]]]:
    """Give `net` and `tax` of a line's booked part back, at most so much of each of these blocks.

    The line as it is then, and what went back of which block: its units are still to be released.
    """
    draft.begin_entry()
    sells, given, rest = _taken(line, net, blocks)
    for block_id, part in given:
        if block_id == UNALLOTTED:
            draft.post(
                back.rule,
                line.income,
                back.credit,
                part,
                currency,
                {"f": "net0-net1", "net0": net, "net1": net - part},
                invoice=invoice,
            )
        else:
            revenue.post_unfunding(draft, back.rule, back.credit, block_id, part, invoice)
    draft.post(
        back.used_rule,
        back.used,
        back.credit,
        rest,
        currency,
        {"f": "net-unused", "net": net, "unused": net - rest},
        product=line.product,
        invoice=invoice,
    )
    draft.post(
        back.rule,
        Account.TAX,
        back.credit,
        tax,
        currency,
        {"f": "tax0-tax1", "tax0": line.taxed, "tax1": line.taxed - tax},
        invoice=invoice,
    )
    amount = line.amount - net
    taxed = line.taxed - tax
    less = replace(
        line,
        amount=amount,
        tax=max(taxed, half_even(line.tax * amount, line.amount))
        if line.amount
        else line.tax - tax,
        booked=line.booked - net - tax,
        taxed=taxed,
        sells=tuple(sells.items()),
        conceded=line.conceded + rest,
    )
    return _still_to_come(less, given), given


def _still_to_come(line: BilledLine, given: Sequence[tuple[str, int]]) -> BilledLine:
    """What the line still funds of a program, or has earned early, once that is given back."""
    part = dict(given).get(UNALLOTTED, 0)
    if part and line.tranches is not None:
        return replace(line, tranches=line.tranches.less(part))
    if part and line.ratable is not None:
        return replace(line, ratable=line.ratable.less(part))
    return line


def _taken(
    line: BilledLine, net: int, blocks: Iterable[tuple[str, int]]
) -> tuple[dict[str, int], list[tuple[str, int]], int]:
    """Take `net` off what a line sells, block by block: what it sells then, the parts, the rest."""
    sells, given, rest = dict(line.sells), [], net
    for block_id, most in blocks:
        part = min(rest, most)
        if part:
            rest -= part
            if block_id != UNALLOTTED:
                sells[block_id] -= part
            given.append((block_id, part))
    return sells, given, rest


def take_off_unbooked(
    draft: Draft,
    back: Back,
    invoice: str,
    line: BilledLine,
    net: int,
    blocks: Sequence[tuple[str, int]],
    tax: int | None = None,
    units: Mapping[str, int] | None = None,
) -> BilledLine:
    """Give `net` of what is not booked of a line back, and its tax unless that is told.

    Nothing was booked, so only used credit makes a posting: what stands unbilled for it.
    """
    sells, given, rest = _taken(line, net, blocks)
    give_back(draft, back, given, units)
    draft.begin_entry()
    conceded = 0
    booked = line.booked - line.taxed
    for block_id, start, end in shares(line):
        kept = max(0, min(booked + line.conceded, end) - start)
        used = min(rest, sells[block_id] - kept)
        unbilled = min(used, revenue.unbilled(draft.edit_block(block_id)))
        if unbilled:
            revenue.post_funding(draft, back.used_rule, back.used, block_id, unbilled, invoice)
        rest -= used
        conceded += unbilled
        sells[block_id] -= used - unbilled
    if line.ratable is not None:
        conceded = _unbilled(draft, back, invoice, line, given, rest)
    amount = line.amount - net
    if tax is not None:
        left = line.tax - tax
    elif net == line.unbooked:
        left = line.taxed
    else:
        left = max(line.taxed, half_even(line.tax * amount, line.amount))
    less = replace(
        line,
        amount=amount,
        tax=left,
        sells=tuple(sells.items()),
        conceded=line.conceded + conceded,
    )
    return _still_to_come(less, given)


def _unbilled(
    draft: Draft,
    back: Back,
    invoice: str,
    line: BilledLine,
    given: Sequence[tuple[str, int]],
    used: int,
) -> int:
    """What was earned and not booked of a line over a period is undone or conceded; the latter."""
    currency = draft.get(INVOICE, invoice).currency
    early = min(line.ratable.early, dict(given).get(UNALLOTTED, 0)) if line.ratable else 0
    conceded = min(used, max(0, -line.deferred - early))
    operands: dict[str, str | int] = {"early": early, "delivered": conceded}
    for formula, rule, debit in (
        ("early", back.rule, line.income),
        ("delivered", back.used_rule, back.used),
    ):
        draft.post(
            rule,
            debit,
            Account.UNBILLED,
            int(operands[formula]),
            currency,
            {"f": formula, **operands},
            product=line.product,
            invoice=invoice,
        )
    return conceded


def give_back(
    draft: Draft,
    back: Back,
    given: Iterable[tuple[str, int]],
    named: Mapping[str, int] | None = None,
) -> None:
    """Release the units whose value went back, and spread what is left over those that stay.

    They are so many as are worth the value, unless their number is `named`.
    """
    for block_id, value in given:
        terms = draft.terms(block_id)
        if terms is None:
            continue
        block = draft.edit_block(block_id)
        worth = share(block, block.unused)
        units = block.unused
        if named and block_id in named:
            units = named[block_id]
        elif value < worth:
            units = max(1, half_even(block.unused * value, worth))
        release(draft, block_id, terms, units, back.place, value)
        revenue.post_respread(draft, back.rule, block_id, terms)
