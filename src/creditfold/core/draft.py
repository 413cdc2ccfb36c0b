"""The draft of one outcome: reads state, collects entries, postings and changed records."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from msgspec import Struct

from creditfold.core.catalog import Catalog
from creditfold.core.chart import Account as Ledger
from creditfold.core.counted import COVERED, OVERAGE, USED, Counted, Usage
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.entries import (
    AVAILABLE,
    DRAWN,
    ISSUED,
    ORIGIN,
    Entry,
    Notice,
    Overage,
    Owed,
    Place,
    Posting,
    Sent,
    Shortfall,
)
from creditfold.core.exact import Exact, decimal
from creditfold.core.facts import BILL
from creditfold.core.overlay import Overlay
from creditfold.core.policy import Policy
from creditfold.core.state import (
    ACCOUNT,
    AGENDA,
    BLOCK,
    TERMS,
    Account,
    Agenda,
    Block,
    Item,
    Key,
    Phase,
    State,
    Terms,
)
from creditfold.core.times import date, rfc3339
from creditfold.core.uncovered import Reach, Repaid

BOOK = "us_gaap"


class Move(Struct, frozen=True, array_like=True, gc=False):
    """An amount of a block from one place to another, and what of its value goes along."""

    block: str
    source: Place
    to: Place
    amount: int
    value: int = 0


class Promise(Struct):
    """What commands have taken of a block that another rolls into: units set aside, and value."""

    units: int = 0
    value: int = 0


class Draft(Struct, eq=False):
    """All that one fact or due item would do to a customer, until it is committed or dropped.

    Records are copied before they are changed, so a draft that is dropped (a rejection) leaves
    the state as it was.
    """

    _state: State
    catalog: Catalog
    customer: str
    outcome: str
    time: int
    now: int
    by_clock: bool = False
    units_only: bool = False
    """Whether it only finds out where units would be: nothing is entered, posted or told."""
    present: int = 0
    """The instant up to which the customer's log has been folded."""
    policy: Policy = Policy()
    """In force at its time."""
    account: Account = None  # type: ignore[assignment]  # there is none before it is opened
    """The customer's head, to be changed in place."""
    entries: list[Entry] = []
    overage: list[Overage] = []
    shortfalls: list[Shortfall] = []
    postings: list[Posting] = []
    notices: list[Notice] = []
    sent: list[Sent] = []
    changes: dict[Key, Any] = {}
    freed: bool = False
    """Whether credit may now repay what was carried."""
    carried_at: int | None = None
    """From when on credit may repay what this usage left open."""
    moves: list[Move] = []
    repaid: list[Repaid] = []
    counted: list[Counted] = []
    resets: tuple[str, ...] = ()
    """Enrolments whose blocks ended."""
    by_reset: set[int] = set()
    """Which of the moves ended them."""
    rolled: dict[tuple[str, str], int] = {}
    """What of a block's `value` and `funded` changed by a rollover."""
    promised: dict[str, Promise] = {}
    """What is to roll over of blocks, whatever usage has left."""
    aside: dict[str, int] = {}
    """What is set aside of blocks for commands: it is there, and neither used nor trimmed."""
    dropped: tuple[Reach, ...] = ()
    """Whose carried overage ended with them."""
    exhausted: bool = False
    stands: tuple[int, int] | None = None
    """Where in the journal the usage that is recorded stands."""
    _policy_hash: str = ""
    _journal: int = 0
    _line: int = 0

    def __post_init__(self) -> None:
        by_clock, time = self.by_clock, self.time
        self.present = time if by_clock else self.now
        self.policy, self._policy_hash = self.catalog.policy(time, time if by_clock else None)
        self._begin()

    def _begin(self) -> None:
        key = (self.customer, ACCOUNT, "")
        known = self._state.get(key)
        if known is not None:
            self.account = self.changes[key] = known.__copy__()

    @property
    def expired_by(self) -> int:
        """What expires up to this instant has been folded; a hold that ends goes before it."""
        return self.time - 1 if self.by_clock else self.now

    @property
    def right_breakage(self) -> Exact | None:
        """The part of a material right's units that the books expect nobody to draw, by now."""
        policy = self.policy if self.by_clock else self.catalog.policy(self.now)[0]
        return policy.right_breakage

    def send(self, what: str, to: str, data: dict[str, Any]) -> None:
        """Tell another customer, wherever it lives."""
        id_ = f"{self.outcome}.t{len(self.sent) + 1}"
        self.sent.append(Sent(id_, what, to, rfc3339(self.time), data))

    # Records

    def get(self, kind: str, id_: str = "") -> Any:  # noqa: ANN401  # the kind says which record
        """The record as this draft has left it, or None."""
        key = (self.customer, kind, id_)
        if key in self.changes:
            return self.changes[key]
        return self._state.get(key)

    def put(self, kind: str, id_: str, record: object) -> None:
        """Set the record; None deletes it."""
        self.changes[self.customer, kind, id_] = record

    def state(self) -> State:
        """All records as this draft has left them."""
        return Overlay(self._state, self.changes)

    def before(self, kind: str, id_: str) -> Any:  # noqa: ANN401  # the kind says which record
        """The record as it was before this draft, or None."""
        return self._state.get((self.customer, kind, id_))

    def scan(self, kind: str, start: str = "") -> Iterable[tuple[str, Any]]:
        """The records of a kind from an id on, as they were before this draft."""
        return self._state.scan(self.customer, kind, start)

    def restart(self) -> None:
        """Forget all that was drafted."""
        for drafted in (self.entries, self.overage, self.postings, self.notices):
            drafted.clear()
        self.moves.clear()
        self.repaid.clear()
        self.counted.clear()
        self.resets = ()
        self.by_reset.clear()
        self.rolled.clear()
        self.dropped = ()
        self.changes.clear()
        self.exhausted = self.freed = False
        self.carried_at = None
        self._journal = 0
        self._begin()

    def note_rolled(self, block: str, of: str, more: int) -> None:
        """So much more of its `value` or `funded` is with the block by a rollover."""
        self.rolled[block, of] = self.rolled.get((block, of), 0) + more

    def open(self, account: Account) -> None:
        """Let this be the customer's head from now on."""
        self.account = self.changes[self.customer, ACCOUNT, ""] = account

    def edit_block(self, block: str) -> Block:
        """A block's places and funding, to be changed in place; new where there is none."""
        key = (self.customer, BLOCK, block)
        record: Block | None = self.changes.get(key)
        if record is None:
            known = self._state.get(key)
            record = self.changes[key] = Block() if known is None else known.__copy__()
        return record

    def terms(self, block: str) -> Terms | None:
        """What the block was granted as; None where its grant has not arrived."""
        terms: Terms | None = self.get(TERMS, block)
        return terms

    def granted(self, block: str) -> Terms:
        """The terms of a block that has been granted."""
        terms: Terms | None = self.get(TERMS, block)
        assert terms is not None, f"block {block} is here without its terms"
        return terms

    # The agenda

    def schedule(self, *items: Item) -> None:
        """Add to what falls due."""
        agenda: Agenda = self.get(AGENDA) or Agenda()
        self._set_agenda(tuple(sorted((*agenda.items, *items))))

    def due(self, phase: Phase, subject: str) -> tuple[Item, ...]:
        """What is on the agenda for the subject in this phase."""
        agenda: Agenda = self.get(AGENDA) or Agenda()
        return tuple(item for item in agenda.items if item[1:] == (phase, subject))

    def unschedule(self, phase: Phase, subject: str) -> None:
        """Take an item off: it is being done, or has nothing left to do."""
        agenda: Agenda | None = self.get(AGENDA)
        if agenda is not None:
            self._set_agenda(tuple(i for i in agenda.items if i[1:] != (phase, subject)))

    def reschedule(self, phase: Phase, gone: Collection[str], items: Iterable[Item]) -> None:
        """Put items in the place of those of the phase whose subjects are gone."""
        agenda: Agenda = self.get(AGENDA) or Agenda()
        kept = (i for i in agenda.items if i[1] != phase or i[2] not in gone)
        changed = tuple(sorted((*kept, *items)))
        if changed != agenda.items:
            self._set_agenda(changed)

    def replace_agenda(self, items: Iterable[Item]) -> None:
        """What falls due, all of it."""
        self._set_agenda(tuple(sorted(items)))

    def _set_agenda(self, items: tuple[Item, ...]) -> None:
        self.put(AGENDA, "", Agenda(items) if items else None)
        self.account.next_due = items[0][0] if items else None

    # Units

    def move(
        self,
        block: str,
        terms: Terms,
        source: Place,
        to: Place,
        amount: int,
        *,
        usage: Usage | None = None,
        rate: str | None = None,
        owed: Owed | None = None,
        hold: str | None = None,
        repays: str | None = None,
        value: int | None = None,
        reverses: str | None = None,
        line: tuple[str, str] | None = None,
    ) -> None:
        """Enter a transfer of `amount` ledger steps of a block between two of its places.

        `value` is what leaves the block with them, in minor units; `line` is (invoice, line).
        """
        assert amount > 0, f"an entry of {amount} for block {block}"
        record = self.edit_block(block)
        account = self.account
        for place, change in ((source, -amount), (to, amount)):
            if place is ORIGIN:
                continue
            after = getattr(record, place) + change
            assert after >= 0, f"block {block} would hold {after} in {place}"
            setattr(record, place, after)
            if place is AVAILABLE and terms.pays_usage:
                self.freed |= change > 0
                usable = account.usable.get(terms.unit, 0) + change
                account.usable = {**account.usable, terms.unit: usable}
            elif place is ISSUED and terms.waits:
                self.await_payment(terms, change)
        self.moves.append(Move(block, source, to, amount, value or 0))
        if self.units_only:
            return
        names: tuple[str | None, str | None, str | None] = (None, None, None)
        if usage is not None:
            names = (usage.meter, usage.product, usage.id)
            drawn = amount if to is DRAWN else -amount
            self._count(usage, (COVERED, terms.kind, terms.unit), drawn)
        self.entries.append(
            Entry(  # by position: by name it takes five times as long
                f"{self.outcome}.{len(self.entries) + 1}",
                block,
                source,
                to,
                terms.unit,
                decimal(amount, terms.exponent),
                *names,
                rate,
                owed,
                hold,
                repays,
                None if value is None else decimal(value, MINOR_EXPONENT[terms.currency]),
                reverses,
                *(line or (None, None)),
            )
        )

    def await_payment(self, terms: Terms, change: int) -> None:
        """So much more or less that usage may have then waits for its payment."""
        if not terms.pays_usage:
            return
        account = self.account
        left = account.unpaid.get(terms.unit, 0) + change
        unpaid = {unit: n for unit, n in account.unpaid.items() if unit != terms.unit}
        account.unpaid = {**unpaid, terms.unit: left} if left else unpaid

    def uncover(self, over: Overage, usage: Usage, quantity: int, amount: int) -> None:
        """Enter more or less of a usage that no block covers, in steps of its meter and unit."""
        cell = (OVERAGE, over.policy or BILL, over.unit or "", over.rate or "")
        self._count(usage, cell, quantity, amount if over.unit else 0)
        self.overage.append(over)

    def use(self, usage: Usage, quantity: int) -> None:
        """Say that so much more or less was used, in steps of the meter."""
        self._count(usage, (USED,), quantity)

    def _count(self, usage: Usage, cell: tuple[str, ...], quantity: int, amount: int = 0) -> None:
        if self.catalog.states:
            self.counted.append(Counted(usage, cell, quantity, amount))

    # Money

    def begin_entry(self) -> None:
        """The postings that follow belong to a new journal entry."""
        self._journal += 1
        self._line = 0

    def post(
        self,
        rule: str,
        debit: Ledger,
        credit: Ledger,
        amount: int,
        currency: str,
        proof: dict[str, str | int],
        *,
        effective: int | None = None,
        block: str | None = None,
        credit_block: str | None = None,
        product: str | None = None,
        invoice: str | None = None,
        contract: str | None = None,
    ) -> None:
        """Post `amount` minor units from debit to credit; an amount of zero is left out."""
        if amount == 0 or self.units_only:
            return
        assert amount > 0, f"{rule} would post {amount}"
        self._line += 1
        day = date(self.time if effective is None else effective)
        self.postings.append(
            Posting(  # by position, as an entry
                f"{self.outcome}.p{len(self.postings) + 1}",
                f"{self.outcome}.j{self._journal}",
                self._line,
                self.customer,
                BOOK,
                rule,
                day,
                day[:7],
                debit,
                credit,
                amount,
                currency,
                MINOR_EXPONENT[currency],
                self.outcome,
                self._policy_hash,
                proof,
                block,
                credit_block,
                product,
                invoice,
                contract,
            )
        )
