"""Revenue of a block: one cumulative rule, posted as differences (ASC 606-10-55-48, 606-10-45-1).

With Q units granted for V minor units, u of them drawn and F minor units funded:

    usage revenue   U = HE(V * u / Q)             account 4000
    breakage        B = max(0, F - U) once nothing of the block remains, else 0     account 4050
    liability       max(0, F - U - B)             account 2000
    unbilled        max(0, U + B - F)             account 1150

Every posting is the difference of these before and after, so batching, replay and order of
payment never change a total, and no account for rounding exists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from creditfold.core.chart import Account
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.draft import Draft
from creditfold.core.exact import decimal, half_even
from creditfold.core.state import ACCRUAL, Accrual, Block, Terms

DRAW = "R-DRAW"
DRAW_UNFUNDED = "R-DRAW-UNFUNDED"
OVERAGE = "R-OVERAGE"
EXPIRE = "R-EXPIRE"
REOPEN = "R-REOPEN"


def usage_revenue(terms: Terms | None, block: Block) -> int:
    """U, in minor units of the block's currency; 0 for a block whose grant has not arrived."""
    return 0 if terms is None else half_even(terms.value * block.drawn, terms.quantity)


def breakage(terms: Terms | None, block: Block) -> int:
    """B, in minor units."""
    if terms is None or block.remaining:
        return 0
    return max(0, block.funded - usage_revenue(terms, block))


def carrying(terms: Terms | None, block: Block) -> int:
    """What account 2000 holds for the block."""
    return max(0, block.funded - usage_revenue(terms, block) - breakage(terms, block))


def split(
    products: Mapping[str, tuple[int, int]], amount: int, value: int, quantity: int
) -> list[tuple[str, int]]:
    """Minor units by product that sum to `amount`, by the cumulative largest remainder.

    `products` holds [units drawn so far, revenue posted so far]. Whole residuals go first, then
    one unit each to the largest; ties by product. Never negative, and each product stays within
    two minor units of its exact share, which "whoever crosses the cent gets it" does not.
    """
    if len(products) == 1:
        (product,) = products
        return [(product, amount)]
    residual = {p: value * units - posted * quantity for p, (units, posted) in products.items()}
    by_size = sorted(residual, key=lambda p: (-residual[p], p))
    given = dict.fromkeys(by_size, 0)
    for product in by_size:
        whole = min(amount, max(0, residual[product] // quantity))
        given[product] = whole
        residual[product] -= whole * quantity
        amount -= whole
    while amount:
        for product in sorted(residual, key=lambda p: (-residual[p], p))[:amount]:
            given[product] += 1
            residual[product] -= quantity
            amount -= 1
    return sorted((product, units) for product, units in given.items() if units)


def post_draw(
    draft: Draft, block_id: str, terms: Terms, amount: int, product: str, *, reopened: bool
) -> None:
    """Recognise what drawing `amount` more steps for `product` earned; call it after the move.

    What `reopened` credit earns first takes its breakage back (R-REOPEN).
    """
    if terms.value == 0:
        return
    block = draft.edit_block(block_id)
    drawn = block.drawn
    before = half_even(terms.value * (drawn - amount), terms.quantity)
    after = half_even(terms.value * drawn, terms.quantity)
    units, posted = block.products.get(product, (0, 0))
    products = {**block.products, product: (units + amount, posted)}
    earned: list[tuple[str, int]] = []
    if after > before:
        earned = split(products, after - before, terms.value, terms.quantity)
        for name, minor in earned:
            units, posted = products[name]
            products[name] = (units, posted + minor)
    block.products = products
    if not earned:
        return
    draft.begin_entry()
    proof: dict[str, str | int] = {
        "f": "HE(V*u1/Q)-HE(V*u0/Q)",
        "V": terms.value,
        "Q": decimal(terms.quantity, terms.exponent),
        "u0": decimal(drawn - amount, terms.exponent),
        "u1": decimal(drawn, terms.exponent),
        "funded": block.funded,
    }
    funded = min(after, block.funded) - min(before, block.funded)
    if reopened:
        draft.post(
            REOPEN, Account.BREAKAGE, Account.CREDITS, funded, terms.currency, proof, block=block_id
        )
    debits = [
        (DRAW, Account.CREDITS, funded),
        (DRAW_UNFUNDED, Account.UNBILLED, after - before - funded),
    ]
    for (rule, debit), product_, minor in _pairs(debits, earned):
        line_proof = proof
        if len(products) > 1:
            units, posted = products[product_]
            line_proof = {
                **proof,
                "product_u": decimal(units, terms.exponent),
                "product_posted": posted,
            }
        draft.post(
            rule,
            debit,
            Account.USAGE,
            minor,
            terms.currency,
            line_proof,
            block=block_id,
            product=product_,
        )


def _pairs(
    debits: list[tuple[str, Account, int]], credits_: list[tuple[str, int]]
) -> Iterator[tuple[tuple[str, Account], str, int]]:
    """Pair debits with credits of the same sum greedily, in the order of both."""
    rest = list(credits_)
    for rule, account, total in debits:
        open_ = total
        while open_:
            product, minor = rest[0]
            part = min(open_, minor)
            yield (rule, account), product, part
            open_ -= part
            if part == minor:
                rest.pop(0)
            else:
                rest[0] = (product, minor - part)


def post_expiry(draft: Draft, block_id: str, terms: Terms, effective: int) -> None:
    """The whole funded remainder is breakage (method `remote`, ASC 606-10-55-48)."""
    block = draft.edit_block(block_id)
    newly = breakage(terms, block)
    draft.begin_entry()
    draft.post(
        EXPIRE,
        Account.CREDITS,
        Account.BREAKAGE,
        newly,
        terms.currency,
        _breakage_proof(terms, block, newly),
        effective=effective,
        block=block_id,
    )


def _breakage_proof(terms: Terms, block: Block, newly: int) -> dict[str, str | int]:
    return {
        "f": "max(0,funded-HE(V*u/Q))-breakage0",
        "V": terms.value,
        "Q": decimal(terms.quantity, terms.exponent),
        "u": decimal(block.drawn, terms.exponent),
        "funded": block.funded,
        "breakage0": breakage(terms, block) - newly,
    }


def post_funding(
    draft: Draft, rule: str, debit: Account, block_id: str, amount: int, invoice: str
) -> None:
    """`amount` more of the block is unconditional or paid: unbilled first, then the liability."""
    block = draft.edit_block(block_id)
    terms = draft.terms(block_id)
    recognised = usage_revenue(terms, block) + breakage(terms, block)
    before = block.funded
    block.funded += amount
    proof: dict[str, str | int] = {
        "f": "funded1-funded0",
        "funded0": before,
        "funded1": block.funded,
        "recognised": recognised,
    }
    unbilled = min(amount, max(0, recognised - before))
    for account, part in ((Account.UNBILLED, unbilled), (Account.CREDITS, amount - unbilled)):
        draft.post(
            rule, debit, account, part, block.currency, proof, block=block_id, invoice=invoice
        )


def post_late_funding(draft: Draft, block_id: str, amount: int, invoice: str) -> None:
    """What has just funded a block of which nothing remains is breakage at once."""
    terms = draft.terms(block_id)
    if terms is None:
        return
    block = draft.edit_block(block_id)
    newly = min(amount, breakage(terms, block))
    draft.begin_entry()
    draft.post(
        EXPIRE,
        Account.CREDITS,
        Account.BREAKAGE,
        newly,
        terms.currency,
        _breakage_proof(terms, block, newly),
        block=block_id,
        invoice=invoice,
    )


def accrue(
    draft: Draft, meter: str, product: str, currency: str, amount: int, exponent: int
) -> int:
    """Post priced overage to unbilled receivable as it is used; the minor units posted.

    The cumulative is per currency and meter: post = HE(a1) - HE(a0) (ASC 606-10-55-18).
    """
    key = f"{currency} {meter}"
    accrual: Accrual = draft.get(ACCRUAL, key) or Accrual()
    before = int(accrual.amount)
    total = before + amount
    step = 10 ** (exponent - MINOR_EXPONENT[currency])
    posted = half_even(total, step)
    draft.put(ACCRUAL, key, Accrual(str(total), posted))
    draft.begin_entry()
    draft.post(
        OVERAGE,
        Account.UNBILLED,
        Account.OVERAGE,
        posted - accrual.posted,
        currency,
        {
            "f": "HE(a1)-HE(a0)",
            "a0": decimal(before, exponent),
            "a1": decimal(total, exponent),
        },
        product=product,
    )
    return posted - accrual.posted
