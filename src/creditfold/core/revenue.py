"""Revenue of a block: one cumulative rule, posted as differences (ASC 606-10-55-48, 606-10-45-1).

With Q units worth V minor units, u of them drawn and F minor units funded:

    usage revenue   U = HE(V * u / Q)             account 4000
    breakage        B = max(0, F - V), and max(0, F - U) once nothing remains     account 4050
    liability       max(0, F - U - B)             account 2000
    unbilled        max(0, U + B - F)             account 1150

Q and V are those of now: what was voided, refunded, rolled out or transferred out has left with its
share of the value. Every posting is one of these less what is posted of it, so batching, replay and
order of payment never change a total, and no account for rounding exists.

A material right (an option, loyalty points) is earned by what is expected to be drawn: of its
units a part is unlikely to be, so U = HE(V * u / max(E, u)), its lapse is 4000 too, and its
liability 2010 (ASC 606-10-55-42..48, Example 52). An estimate counts from the next draw on.

An SLA or goodwill credit that compensates a failure is granted funded, against 4910: V minor units
of price are given back. Its liability is 2030, and what lapses of it reverses 4910 (ASC
606-10-32-5..9), or is breakage by policy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from creditfold.core.chart import Account
from creditfold.core.draft import Draft
from creditfold.core.exact import decimal, half_even, pow10
from creditfold.core.facts import Kind
from creditfold.core.split import pairs, split
from creditfold.core.state import Block, Terms

DRAW = "R-DRAW"
DRAW_UNFUNDED = "R-DRAW-UNFUNDED"
DRAW_SLA = "R-DRAW-SLA"
EXPIRE_SLA = "R-EXPIRE-SLA"
EXPIRE = "R-EXPIRE"
RESET = "R-RESET"
REOPEN = "R-REOPEN"
CORRECT = "R-CORRECT"
DRAW_PROPORTIONAL = "R-DRAW-PROP"
REESTIMATE = "R-REESTIMATE"

_RIGHT: Final = Kind.MATERIAL_RIGHT  # as `entries.ORIGIN`
_CREDITS, _UNBILLED, _USAGE = Account.CREDITS, Account.UNBILLED, Account.USAGE


def usage_revenue(block: Block) -> int:
    """U, in minor units of the block's currency; 0 for a block whose grant has not arrived."""
    value, expected = block.pace
    return half_even(value * block.drawn, expected) if block.drawn else 0


def drawn_value(block: Block) -> int:
    """What of its value the units that were drawn had: what the others have, leaves with them."""
    return half_even(block.worth * block.drawn, block.units) if block.drawn else 0


def transferable(block: Block) -> int:
    """What is billed or paid of the units that are not drawn."""
    return max(0, block.funded - drawn_value(block) - breakage(block))


def breakage(block: Block) -> int:
    """B, in minor units."""
    earnable = block.worth if block.remaining else usage_revenue(block)
    return max(0, block.funded - earnable) if block.quantity else 0


def carrying(block: Block) -> int:
    """What account 2000 holds for the block."""
    return max(0, block.funded - usage_revenue(block) - breakage(block))


def unbilled(block: Block) -> int:
    """What account 1150 holds for the block."""
    return max(0, posted_usage(block) + block.breakage - block.funded)


def liability(terms: Terms) -> Account:
    """The account in which the block's carrying value stands."""
    if terms.lapses_to:
        return Account.SERVICE_CREDITS
    right = terms.kind is _RIGHT
    return Account.MATERIAL_RIGHTS if right else _CREDITS


def lapse(terms: Terms) -> Account:
    """The account that takes what is funded and expires."""
    if terms.lapses_to:
        return Account(terms.lapses_to)
    return _USAGE if terms.kind is _RIGHT else Account.BREAKAGE


def has_price(block: Block, terms: Terms) -> bool:
    """Whether what is drawn earns anything: a line may yet fund a program's block, or more roll."""
    return bool(block.worth) or terms.enrolment is not None or terms.rolled_from is not None


def post_draw(
    draft: Draft, block_id: str, terms: Terms, amount: int, product: str, *, reopened: bool
) -> None:
    """Recognise what drawing `amount` more steps for `product` earned; call it after the move.

    What `reopened` credit earns first takes its breakage back (R-REOPEN).
    """
    block = draft.edit_block(block_id)
    if draft.units_only or not has_price(block, terms):
        return
    units, posted = block.products.get(product, (0, 0))
    block.products = {**block.products, product: (units + amount, posted)}
    if terms.kind is _RIGHT:
        post_correction(draft, block_id, terms, less=REESTIMATE)
        return
    before, after = posted_usage(block), usage_revenue(block)
    earned = _earn(block, after - before)
    if not earned:
        return
    draft.begin_entry()
    proof: dict[str, str | int] = {
        "f": "HE(V*u1/Q)-HE(V*u0/Q)",
        "V": block.worth,
        "Q": decimal(block.units, terms.exponent),
        "u0": decimal(block.drawn - amount, terms.exponent),
        "u1": decimal(block.drawn, terms.exponent),
        "funded": block.funded,
    }
    funded = min(after, block.funded) - min(before, block.funded)
    if reopened:
        block.breakage -= funded
        draft.post(
            REOPEN, lapse(terms), liability(terms), funded, terms.currency, proof, block=block_id
        )
    debits = [
        ((DRAW_SLA if terms.lapses_to else DRAW, liability(terms)), funded),
        ((DRAW_UNFUNDED, _UNBILLED), after - before - funded),
    ]
    for (rule, debit), product_, minor in pairs(debits, earned):
        draft.post(
            rule,
            debit,
            _USAGE,
            minor,
            terms.currency,
            _product_proof(block, terms, product_, proof),
            block=block_id,
            product=product_,
        )


def post_respread(draft: Draft, rule: str, block_id: str, terms: Terms) -> None:
    """The block's value or units changed: usage revenue and breakage follow at once."""
    if draft.units_only:
        return
    block = draft.edit_block(block_id)
    lower_breakage(draft, rule, block_id, terms)
    before = posted_usage(block)
    earned = _earn(block, usage_revenue(block) - before)
    _post_usage(draft, {False: (rule, rule), True: (rule, rule)}, block_id, terms, before, earned)
    post_breakage(draft, rule, block_id, terms)


def post_correction(draft: Draft, block_id: str, terms: Terms, *, less: str = CORRECT) -> None:
    """Usage of the block changed after the fact: what its products earn is dealt anew.

    Less of a product is R-CORRECT, more is a draw; what becomes or was breakage expires or reopens.
    """
    block = draft.edit_block(block_id)
    draw = DRAW_SLA if terms.lapses_to else DRAW
    if terms.kind is _RIGHT:
        block.unlikely, draw = draft.right_breakage, DRAW_PROPORTIONAL
    lower_breakage(draft, REOPEN, block_id, terms)
    before = posted_usage(block)
    undealt = {product: (units, 0) for product, (units, _) in block.products.items()}
    dealt: dict[str, int] = {}
    if block.units:
        dealt.update(split(undealt, usage_revenue(block), *block.pace))
    earned = [
        (product, dealt.get(product, 0) - posted)
        for product, (_, posted) in sorted(block.products.items())
    ]
    block.products = {
        product: (units, dealt.get(product, 0)) for product, (units, _) in block.products.items()
    }
    rules = {False: (less, less), True: (draw, DRAW_UNFUNDED)}
    _post_usage(draft, rules, block_id, terms, before, earned)
    post_breakage(draft, expiry_rule(terms), block_id, terms)


def lower_breakage(draft: Draft, rule: str, block_id: str, terms: Terms) -> None:
    """Take breakage back before usage is posted, which then finds the liability that it earns."""
    block = draft.edit_block(block_id)
    if breakage(block) < block.breakage:
        post_breakage(draft, rule, block_id, terms)


def _post_usage(
    draft: Draft,
    rules: Mapping[bool, tuple[str, str]],
    block_id: str,
    terms: Terms,
    before: int,
    earned: Sequence[tuple[str, int]],
) -> None:
    """Post what products earn less, then what they earn more; `before` is all that was posted.

    `rules` are for less (False) and more (True): of what is funded, and of what is not.
    """
    block = draft.edit_block(block_id)
    recognised = before + block.breakage
    earned_by, operands = _target(block, terms)
    proof: dict[str, str | int] = {
        "f": f"{earned_by}-usage0",
        **operands,
        "usage0": before,
        "recognised0": recognised,
        "funded": block.funded,
    }
    draft.begin_entry()
    for up, (funded_rule, unfunded_rule) in rules.items():
        products = [(p, abs(minor)) for p, minor in earned if minor and (minor > 0) is up]
        total = sum(minor for _, minor in products)
        change = total if up else -total
        # Against the liability goes what is funded, against unbilled receivable the rest.
        against = abs(min(recognised + change, block.funded) - min(recognised, block.funded))
        recognised += change
        sides = [
            ((funded_rule, liability(terms)), against),
            ((unfunded_rule, _UNBILLED), total - against),
        ]
        for (rule, other), product, minor in pairs(sides, products):
            draft.post(
                rule,
                other if up else _USAGE,
                _USAGE if up else other,
                minor,
                terms.currency,
                _product_proof(block, terms, product, proof),
                block=block_id,
                product=product,
            )


def posted_usage(block: Block) -> int:
    """Usage revenue posted so far."""
    return sum([posted for _, posted in block.products.values()])


def _earn(block: Block, amount: int) -> list[tuple[str, int]]:
    """Split more (or less) usage revenue over the block's products, and note it."""
    if amount == 0:
        return []
    earned = split(block.products, amount, *block.pace)
    products = dict(block.products)
    for product, minor in earned:
        units, posted = products[product]
        products[product] = (units, posted + minor)
    block.products = products
    return earned


def _target(block: Block, terms: Terms) -> tuple[str, dict[str, str | int]]:
    """The formula of what the block has earned by usage, and its operands."""
    operands: dict[str, str | int] = {
        "V": block.worth,
        "Q": decimal(block.units, terms.exponent),
        "u": decimal(block.drawn, terms.exponent),
    }
    if block.unlikely is None:
        return "HE(V*u/Q)", operands
    unlikely = block.unlikely
    expected = block.units * (pow10(unlikely.decimals) - unlikely.coefficient)
    operands["E"] = decimal(expected, terms.exponent + unlikely.decimals)
    return "HE(V*u/max(E,u))", operands


def _product_proof(
    block: Block, terms: Terms, product: str, proof: dict[str, str | int]
) -> dict[str, str | int]:
    if len(block.products) == 1:
        return proof
    units, posted = block.products[product]
    return {**proof, "product_u": decimal(units, terms.exponent), "product_posted": posted}


def post_expiry(draft: Draft, block_id: str, terms: Terms, effective: int) -> None:
    """The whole funded remainder is breakage (method `remote`, ASC 606-10-55-48)."""
    post_breakage(draft, expiry_rule(terms), block_id, terms, effective=effective)


def expiry_rule(terms: Terms) -> str:
    """Why the rest of a block is earned: it was let off, its program's period ended, or it did."""
    if terms.lapses_to:
        return EXPIRE_SLA
    return RESET if terms.recurs else EXPIRE


def post_breakage(
    draft: Draft,
    rule: str,
    block_id: str,
    terms: Terms,
    *,
    effective: int | None = None,
    invoice: str | None = None,
) -> None:
    """Bring the block's breakage to what it should be."""
    if draft.units_only:
        return
    block = draft.edit_block(block_id)
    before, after = block.breakage, breakage(block)
    earned_by, operands = _target(block, terms)
    proof: dict[str, str | int] = {
        "f": f"max(0,funded-{earned_by})-breakage0",
        **operands,
        "funded": block.funded,
        "breakage0": before,
    }
    if block.remaining:
        proof = {
            "f": "max(0,funded-V)-breakage0",
            "V": block.worth,
            "funded": block.funded,
            "breakage0": before,
        }
    block.breakage = after
    up = after > before
    draft.begin_entry()
    draft.post(
        rule,
        liability(terms) if up else lapse(terms),
        lapse(terms) if up else liability(terms),
        abs(after - before),
        terms.currency,
        proof,
        effective=effective,
        block=block_id,
        invoice=invoice,
    )


def post_funding(
    draft: Draft, rule: str, debit: Account, block_id: str, amount: int, invoice: str | None = None
) -> None:
    """`amount` more of the block is unconditional or paid: unbilled first, then the liability."""
    block = draft.edit_block(block_id)
    terms = draft.terms(block_id)
    recognised = posted_usage(block) + block.breakage
    before = block.funded
    block.funded += amount
    proof: dict[str, str | int] = {
        "f": "funded1-funded0",
        "funded0": before,
        "funded1": block.funded,
        "recognised": recognised,
    }
    unbilled = min(amount, max(0, recognised - before))
    owed = _CREDITS if terms is None else liability(terms)
    for account, part in ((_UNBILLED, unbilled), (owed, amount - unbilled)):
        draft.post(
            rule, debit, account, part, block.currency, proof, block=block_id, invoice=invoice
        )


def post_unfunding(
    draft: Draft, rule: str, credit: Account, block_id: str, amount: int, invoice: str | None = None
) -> None:
    """`amount` of the block is no longer billed or paid: the liability first, then unbilled."""
    block = draft.edit_block(block_id)
    recognised = posted_usage(block) + block.breakage
    before = block.funded
    block.funded -= amount
    assert block.funded >= 0, f"block {block_id} would be funded by {block.funded}"
    proof: dict[str, str | int] = {
        "f": "funded0-funded1",
        "funded0": before,
        "funded1": block.funded,
        "recognised": recognised,
    }
    terms = draft.terms(block_id)
    debit = _CREDITS if terms is None else liability(terms)
    owed = min(amount, max(0, before - recognised))
    for account, part in ((debit, owed), (_UNBILLED, amount - owed)):
        draft.post(
            rule, account, credit, part, block.currency, proof, block=block_id, invoice=invoice
        )
