"""Every state record survives its way to disk and back, and keys sort by kind, customer and id."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditfold.core import (
    catalog,
    commitment_facts,
    commitment_state,
    facts,
    invoice_state,
    journal,
    overage_state,
    policy_facts,
    program_facts,
    program_state,
    state,
    statement_state,
    top_up_state,
    uncovered,
)
from creditfold.core.calendar import Every, Until
from creditfold.core.counted import Usage
from creditfold.core.draft import Move
from creditfold.core.entries import Place
from creditfold.core.exact import Exact
from creditfold.core.predicate import AllOf, AnyOf, Not, Op, Test
from creditfold.core.scope import Filter, Scope
from creditfold.partition import rounds
from creditfold.partition.codec import _TYPES, decode_key, decode_record, encode_key, encode_record

WHERE = AllOf(
    (AnyOf((Test("a", Op.IN, ("x", True, Exact(-5, 2))),)), Not(Test("b", Op.EXISTS, (False,))))
)
SCOPE = Scope(Filter(("p",), ("m",), WHERE), Filter(where=WHERE))
BIG = 2**63 - 1
KEYS = policy_facts.PolicyKeys(
    ("id",),
    5,
    facts.Recognition.ON_DUE,
    policy_facts.SlaTreatment.NET,
    policy_facts.SlaExpiry.BREAKAGE,
    policy_facts.GoodwillTreatment.NET,
    overage_default=facts.OveragePolicy.BLOCK,
    overdraft_cover=policy_facts.OverdraftCover.NONE,
    thresholds=(
        policy_facts.Threshold("u", Exact(1, 1)),
        policy_facts.Threshold("u", percent=Exact(5, 0)),
    ),
    expiring_before=7,
    late_order=policy_facts.LateOrder.ARRIVAL,
    late_after=policy_facts.LateAfter.OVERAGE,
    expired_block=policy_facts.ExpiredBlock.REOPEN,
    statement_every=Every(months=1),
)
POLICY = policy_facts.PolicyPublished(1, 5, KEYS, "a", "r", "b", "e")
TEMPLATE = facts.CreditGranted("", facts.Kind.INCLUDED, "u", Exact(1, 0))
PROGRAM = program_facts.Program(
    TEMPLATE,
    Until.PERIOD_END,
    Every(days=7),
    program_facts.LocalTime(5, "UTC"),
    program_facts.Proration(True, True),
    True,
    True,
    facts.OveragePolicy.BLOCK,
)
ROLLOVER = facts.Rollover(Exact(1, 0), Exact(5, 1), Exact(2, 0), 3, Every(days=1), 4)
PROGRAM_ONCE = program_facts.Program(TEMPLATE, Every(months=1))
PRICE = state.Price("u", 6, 5, "0.5")
PROFILE = state.Profile("UTC", {}, {}, {"default": facts.OveragePolicy.CARRY})
UNPAID = uncovered.Unpaid("u", 8, 9, facts.OveragePolicy.CARRY, ("c", 7))
USAGE = Usage("u", "m", "p", 3, "s")
REPAID = uncovered.Repaid("o", USAGE, 4, "c", "0.5", 5, 6, (("b", 7, None),))
TERMS = state.Terms(facts.Kind.PAID, "USD", 10, BIG, 0, "USD", 1, 2)
AGREED = commitment_state.Agreed("u", 6, BIG, 5, Exact(1, 2), "USD")
GIVEN = uncovered.GivenOverage(facts.OveragePolicy.BLOCK, uncovered.Reach("u", SCOPE), 5)
PLACED = facts.HoldPlaced("h", Exact(1, 0), 5, "u", "m", {"p": "q"})
LEFT = Move("b", Place.AVAILABLE, Place.ROLLED_OUT, 3, 4)
IMAGE = journal.Image(state.BLOCK, "b", b"\x00")

FULL = {
    state.ACCOUNT: [state.Account("USD", 1), state.Account("USD", BIG, 7, "ab", 0, 3, {"é": BIG},
                                                           {"meter:m": 1}, {"USD": 2}, 3,
                                                           {"USD": 9}, {"USD": 4}, ("USD",),
                                                           ("s:shortfall:1",), "f", "b", 5,
                                                           {"USD": 6}, "s")],
    state.PROFILE: [state.Profile("UTC", {}),
                    state.Profile("UTC", {"s": "", "b": False, "n": Exact(-BIG, 18)}, {"u": 5},
                                  {"default": facts.OveragePolicy.CARRY}, {"p:s": GIVEN}, 1,
                                  ("s",), ("p",))],
    state.TERMS: [
        state.Terms(facts.Kind.PAID, "USD", 10, BIG, 0, "USD", 1, 2),
        state.Terms(facts.Kind.SLA, "u", 0, 1, 0, "USD", 1, 2, 3, -4, SCOPE, "why",
                    facts.Period(0, BIG), "4910", "p:c", True,
                    ROLLOVER, "a", 5, state.Periods(-1, Every(months=1), "UTC"), "d:b",
                    facts.DrawsOn.INVOICE, BIG, 4, ("b",), BIG),
    ],
    state.BLOCK: [state.Block(), state.Block(
        *range(1, 15), currency="USD", products={"p": (BIG, 1)}, breakage=14,
        lines=(("i", "1"),), rolled_into="b~1", unlikely=Exact(5, 2),
        blended_into=(("c", BIG), ("d", 1)),
    )],
    state.WALLET: [state.Wallet(()), state.Wallet(("id",), ("a", "b"))],
    state.AGENDA: [state.Agenda(), state.Agenda(((5, state.Phase.EXPIRY, "b"),
                                                 (BIG, state.Phase.INVOICE_DUE, "i\0")))],
    state.PASSED: [state.Passed()],
    state.SEEN: [state.Seen(b"\x00\xff"), state.Seen(b"", 5, 6, 7)],
    state.HOLD: [state.Hold(5, ()),
                 state.Hold(BIG, (("b", BIG),), "USD", 7, "m", {"s": True})],
    top_up_state.TOP_UP: [
        top_up_state.TopUps(None),
        top_up_state.TopUps(
            top_up_state.TopUpTerms(BIG, 1, None, 0, BIG, 2), {"n": BIG}, "n", BIG
        ),
        top_up_state.TopUps(top_up_state.TopUpTerms(0, None, BIG, 1, 2, 0)),
    ],
    invoice_state.INVOICE: [
        invoice_state.Invoice("USD", facts.Recognition.ON_PAYMENT, ()),
        invoice_state.Invoice("USD", facts.Recognition.ON_DUE, (
            invoice_state.BilledLine("1", 1, 2),
            invoice_state.BilledLine("2", 5, 4, 3, 2, "p", (("b", 5),), True, 6, 7,
                                      (invoice_state.Applied("b", BIG, 1, 2),),
                                      invoice_state.Tranches("p:c", 1, 2, BIG, 3, 4, 5, True),
                                      invoice_state.Ratable(1, 2, True, "s", BIG, 3, True)),
        ), 8, True),
    ],
    invoice_state.FUNDED: [invoice_state.Funded((("i", "1"),))],
    invoice_state.FUNDING: [invoice_state.Funding("b")],
    overage_state.ACCRUAL: [overage_state.Accrual(str(2**70), "2")],
    overage_state.OVERAGE: [
        overage_state.OpenOverage("m", "p", 1, "meter:m", 2, ((1, 3), (2, -1))),
    ],
    statement_state.STATEMENT: [
        statement_state.Statement(1, 2, BIG),
        statement_state.Statement(2, 3, 4, open=False, shortfalls=(("s:shortfall:1", BIG),)),
    ],
    statement_state.TALLY: [
        statement_state.Tally({}),
        statement_state.Tally({("used",): (str(2**70), "0"), ("overage", "bill"): ("1", "0")}),
    ],
    overage_state.CARRIED: [
        overage_state.Carried(USAGE, 3, 2, {}, ()),
        overage_state.Carried(USAGE, 3, 2, {"s": Exact(1, 1)}, (PRICE,), ("u", 1)),
    ],
    invoice_state.BALANCE: [invoice_state.Balance(BIG)],
    invoice_state.CREDIT_NOTE: [invoice_state.CreditNote("i")],
    state.TRANSFER: [state.Transfer("c", "b", BIG, 1, False)],
    state.CHAIN: [state.Chain(3, "ab")],
    state.JOURNAL: [
        journal.Use("s", "i", 1, 2, "m", "p", 3, 4, 5, {"a": Exact(1, 2)}, (PRICE,), 6, 7,
                    "h", True, "s", (("b", 7),), UNPAID, (IMAGE,)),
        journal.Command(1, 2, (IMAGE,), (LEFT,), (("b", TERMS),),
                        ("e",), PLACED, "h", PROFILE, ("o",), (uncovered.Reach("u", SCOPE),),
                        (REPAID,), (journal.Money("b", 1, -2),), (LEFT,)),
        journal.FellDue((IMAGE,), (REPAID,), (LEFT,)),
    ],
    catalog.UNIT: [facts.UnitDeclared("u", 1, 6), facts.UnitDeclared("u", 1, 6, "n", "m")],
    catalog.METER: [facts.MeterDeclared("m", 1, "p", 0), facts.MeterDeclared("m", 1, "p", 3, "l")],
    catalog.CARD: [catalog.CardVersions((facts.RateCardPublished("c", 1, 5, (
        facts.Rate("m", "u", Exact(1, 18), WHERE), facts.Rate("m", "u", Exact(0, 0))), "cust"),
        facts.RateCardPublished("c", 2, 5, (), plan="p")))],
    catalog.POLICY: [catalog.PolicyVersions((catalog.PolicyVersion(
        1, 4, 5, catalog.Policy().changed(KEYS), POLICY, "hash"),))],
    catalog.PROGRAM: [catalog.ProgramVersions((
        catalog.ProgramVersion(1, 1, 2, 3, 4, WHERE, PROGRAM),
        catalog.ProgramVersion(2, 3, 4, 5)))],
    commitment_state.COMMITTED: [
        commitment_state.Committed(AGREED, Every(12), None, "UTC"),
        commitment_state.Committed(AGREED, Every(12), commitment_facts.ShortfallMethod.PROPORTIONAL,
                                   "UTC", -5, -1, 2, 7),
    ],
    commitment_state.COMMITMENT_TERM: [
        commitment_state.CommitmentTerm("s", AGREED, 1, 2, False),
        commitment_state.CommitmentTerm("s", AGREED, 1, 2, True, str(2**70), 5, 4, True, (50, 80),
                                        ((1, 5), (2, -1))),
    ],
    program_state.ENROLMENT: [
        program_state.Enrolment(1, 2, 3),
        program_state.Enrolment(1, 2, 3, program_state.Cut("b", BIG, 1, 2), True),
    ],
    program_state.ATTACHMENT: [
        program_state.Attachment(False, 0),
        program_state.Attachment(True, 1, 2, 3, PROGRAM_ONCE),
    ],
    program_state.SUBSCRIPTION: [
        program_state.Subscription("p", Every(1), 2, 3, {}),
        program_state.Subscription(
            "p", Every(1, 2, 3), 2, 3, {"s": True}, program_state.SubscriptionStatus.PAUSED, 4,
            program_state.Pending(5, program_state.SubscriptionStatus.CANCELLED,
                                  program_facts.SubscriptionChanged("s", "q", Every(days=7), 1,
                                                                    {"a": None}, True)),
            ((-1, "o"), (3, None), (4, "p")), ("api", "llm"),
        ),
    ],
    rounds.ROUND: [rounds.Round(), rounds.Round(1, 2, "c")],
    catalog.CLOCK: [catalog.Clock(held=True), catalog.Clock(held=False)],
}  # fmt: skip
ROWS = [(kind, record) for kind, records in FULL.items() for record in records]


def test_every_kind_of_record_has_its_row_here():
    assert set(_TYPES) == set(FULL)


@pytest.mark.parametrize(("kind", "record"), ROWS)
def test_a_record_comes_back_equal_and_of_the_same_type(kind, record):
    again = decode_record(kind, encode_record(record))
    assert record == again
    assert type(record) is type(again)
    assert encode_record(record) == encode_record(again)


@pytest.mark.parametrize(("kind", "record"), ROWS)
def test_no_field_of_a_record_is_without_a_row_that_sets_it(kind, record):
    rows = [msgspec.structs.asdict(e) for e in FULL[kind] if type(e) is type(record)]
    defaults = {f.name: f.default for f in msgspec.structs.fields(type(record)) if not f.required}
    unset = [n for n, default in defaults.items() if all(row[n] == default for row in rows)]
    assert [] == unset


names = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8)
keys = st.tuples(names, st.sampled_from(sorted(_TYPES)), st.text(st.characters(codec="utf-8")))


@given(keys)
def test_a_key_comes_back_whatever_its_id_holds(key):
    assert key == decode_key(encode_key(key))


@given(keys, keys)
def test_keys_sort_by_kind_then_customer_then_id(left, right):
    def parts(key):
        return tuple(part.encode() for part in (key[1], key[0], key[2]))

    assert (parts(left) < parts(right)) == (encode_key(left) < encode_key(right))


@given(keys, names)
def test_the_records_of_one_customer_are_one_range(key, other):
    customer, kind, _ = key
    prefix = encode_key((customer, kind, ""))
    assert encode_key(key).startswith(prefix)
    if other != customer:
        assert not encode_key((other, kind, key[2])).startswith(prefix)
