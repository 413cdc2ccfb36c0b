"""A customer's balances as of an instant, as `creditfold.balance.snapshot.v1` tells them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from creditfold.contract.snapshots import (
    BlockBalance,
    OpenHold,
    OpenTopUps,
    Snapshot,
    UnpaidLine,
)
from creditfold.core import revenue
from creditfold.core.catalog import Catalog
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.exact import decimal
from creditfold.core.fold import fold_due
from creditfold.core.holds import spendable
from creditfold.core.invoice_state import INVOICE, Invoice
from creditfold.core.overlay import Overlay
from creditfold.core.programs import look
from creditfold.core.state import (
    ACCOUNT,
    BLOCK,
    HOLD,
    PROFILE,
    TERMS,
    Account,
    Block,
    Hold,
    Profile,
    State,
    Terms,
)
from creditfold.core.times import rfc3339
from creditfold.core.top_up_state import TOP_UP, TopUps
from creditfold.partition import standing


def snapshot(state: State, catalog: Catalog, customer: str, at: int) -> Snapshot | None:
    """The balances, or None for a customer that does not exist.

    What is due by `at` must have been folded. Money is in decimal strings; `overage` is what is
    neither repaid nor invoiced, by the unit of its price or `meter:<meter>`.
    """
    account: Account | None = state.get((customer, ACCOUNT, ""))
    if account is None:
        return None

    def text(unit: str, amount: int) -> str:
        if unit.startswith("meter:"):
            return decimal(amount, catalog.meters[unit.removeprefix("meter:")].exponent)
        exponent = catalog.exponent(unit)
        assert exponent is not None
        return decimal(amount, exponent)

    def texts(amounts: Mapping[str, int]) -> dict[str, str]:
        return {unit: text(unit, amount) for unit, amount in sorted(amounts.items())}

    profile: Profile = state.get((customer, PROFILE, ""))
    blocks = tuple(_blocks(state, customer))
    units = {block.block: block.unit for block in blocks}
    holds = list(state.scan(customer, HOLD))
    held: Counter[str] = Counter()
    for block_id, amount in (part for _, hold in holds for part in hold.parts):
        held[units[block_id]] += amount
    return Snapshot(
        at=rfc3339(at),
        blocks=blocks,
        usable=texts(account.usable),
        for_invoices=texts(_for_invoices(state, customer)),
        overage=texts(account.overage),
        unpaid=texts(account.unpaid),
        held=texts(held),
        holds=tuple(_hold(id_, hold, units, text) for id_, hold in holds),
        top_ups=tuple(
            _top_ups(unit, known, text, at) for unit, known in state.scan(customer, TOP_UP)
        ),
        credit_limits=texts(profile.credit_limits),
        spendable=texts(spendable(account, profile, catalog.policy(at)[0], at)),
        programs=tuple(standing.programs(state, customer)),
        subscriptions=tuple(standing.subscriptions(state, catalog, customer, at)),
        next_statement=standing.next_statement(state, customer),
        commitments=tuple(standing.commitments(state, customer, at)),
    )


def _hold(
    id_: str, hold: Hold, units: Mapping[str, str], text: Callable[[str, int], str]
) -> OpenHold:
    return OpenHold(
        hold=id_,
        expires_at=rfc3339(hold.expires_at),
        blocks={block_id: text(units[block_id], amount) for block_id, amount in hold.parts},
        unit=hold.unit if hold.credit else None,
        on_credit=text(hold.unit, hold.credit) if hold.credit else None,
    )


def _top_ups(unit: str, known: TopUps, text: Callable[[str, int], str], at: int) -> OpenTopUps:
    terms = known.terms
    return OpenTopUps(
        unit=unit,
        threshold=None if terms is None else text(unit, terms.threshold),
        pending={notice: text(unit, amount) for notice, amount in sorted(known.pending.items())},
        next_at=rfc3339(known.next_at) if known.next_at > at else None,
    )


def balance_at(state: State, catalog: Catalog, customer: str, at: int) -> Snapshot | None:
    """The balances once what is due by `at` has been folded; the state itself stays as it is."""
    ahead = Overlay(state, {})
    while True:
        while changes := look(ahead, catalog, customer, at):
            ahead.changes |= changes
        step = fold_due(ahead, catalog, customer, at, at)
        if step is None:
            break
        ahead.changes |= step.changes
    return snapshot(ahead, catalog, customer, at)


def _for_invoices(state: State, customer: str) -> Counter[str]:
    """What is available of credit that draws on invoices, by currency."""
    found: Counter[str] = Counter()
    for block_id, terms in state.scan(customer, TERMS):
        if not terms.pays_usage:
            block: Block = state.get((customer, BLOCK, block_id))
            found[terms.unit] += block.available
    return found


def _blocks(state: State, customer: str) -> Iterator[BlockBalance]:
    for block_id, terms in state.scan(customer, TERMS):
        block: Block = state.get((customer, BLOCK, block_id))
        waits = terms.waits and block.issued
        waits_for = tuple(_waits_for(state, customer, block)) if waits else None
        yield _block(block_id, terms, block, waits_for)


def _waits_for(state: State, customer: str, block: Block) -> Iterator[UnpaidLine]:
    """The lines that sell the block and are not booked whole."""
    for invoice_id, line_id in block.lines:
        invoice: Invoice = state.get((customer, INVOICE, invoice_id))
        for line in invoice.lines:
            if line.line == line_id and line.booked < line.gross:
                yield UnpaidLine(invoice=invoice_id, line=line_id)


def _block(
    block_id: str, terms: Terms, block: Block, waits_for: tuple[UnpaidLine, ...] | None
) -> BlockBalance:
    def units(amount: int) -> str:
        return decimal(amount, terms.exponent)

    def money(minor: int) -> str:
        return decimal(minor, MINOR_EXPONENT[terms.currency])

    recognised = revenue.usage_revenue(block) + revenue.breakage(block)
    return BlockBalance(
        block=block_id,
        kind=terms.kind,
        transferred_from=terms.transferred_from,
        program=None if terms.enrolment is None else terms.enrolment.partition(":")[0],
        rolled_from=terms.rolled_from,
        blends=terms.blends or None,
        draws_on=None if terms.pays_usage else "invoice",
        effective_at=rfc3339(terms.starts),
        waits_for=waits_for,
        expires_at=None if terms.expires_at is None else rfc3339(terms.expires_at),
        unit=terms.unit,
        quantity=units(block.quantity),
        issued=units(block.issued),
        available=units(block.available),
        held=units(block.held),
        drawn=units(block.drawn),
        expired=units(block.expired),
        voided=units(block.voided),
        refunded=units(block.refunded),
        rolled_out=units(block.rolled_out),
        transferred_out=units(block.transferred_out),
        applied=units(block.applied),
        value=money(terms.value),
        value_now=money(block.value),
        recognised=money(recognised),
        carrying=money(revenue.carrying(block)),
        failed_period=None
        if terms.failed_period is None
        else (rfc3339(terms.failed_period.start), rfc3339(terms.failed_period.end)),
    )
