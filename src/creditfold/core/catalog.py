"""Units, meters, rate cards and policies: versions of each, and which one is in force when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise, product
from typing import NamedTuple, Protocol, TypeVar

from msgspec import Struct

from creditfold.core.calendar import END, Zone
from creditfold.core.currencies import CURRENCY_EXPONENT
from creditfold.core.facts import MeterDeclared, Rate, RateCardPublished, UnitDeclared
from creditfold.core.policy import Policy
from creditfold.core.policy_facts import PolicyPublished
from creditfold.core.predicate import Predicate, Value, holds
from creditfold.core.program_facts import Program
from creditfold.core.state import Chain, Price, State

UNIT = "unit"
METER = "meter"
CARD = "rate_card"
POLICY = "policy"
CLOCK = "clock"
PROGRAM = "program"


class _Dated(Protocol):
    @property
    def effective_from(self) -> int: ...


_T = TypeVar("_T", bound=_Dated)


def in_force(versions: Sequence[_T], time: int) -> _T | None:
    """The newest known version whose `effective_from` is not after `time`."""
    for version in reversed(versions):
        if version.effective_from <= time:
            return version
    return None


class CardVersions(Struct, frozen=True):
    """All versions of one rate card, oldest first."""

    versions: tuple[RateCardPublished, ...]


class PolicyVersion(Struct, frozen=True):
    """A published policy resolved against the one before it, and when the log learned of it."""

    version: int
    recorded_at: int
    effective_from: int
    policy: Policy
    published: PolicyPublished
    hash: str


class PolicyVersions(Struct, frozen=True):
    """All policy versions, oldest first."""

    versions: tuple[PolicyVersion, ...]


class ProgramVersion(Struct, frozen=True):
    """A version of a program: whom it grants what; without terms it has ended.

    `round` counts the publications of all programs: a customer's log learns of them in turn.
    """

    version: int
    round: int
    recorded_at: int
    effective_from: int
    effective_to: int | None = None
    who: Predicate | None = None
    terms: Program | None = None

    @property
    def by_subscription(self) -> bool:
        """Whether it grants to each subscription. All versions of a program agree."""
        return self.terms is not None and self.terms.by_subscription(self.who)


class Span(Struct, frozen=True):
    """What a program says in [begin, end): nothing, or whom it grants what (None: everybody)."""

    begin: int
    end: int
    terms: Program | None
    who: Predicate | None


class ProgramVersions(Struct, frozen=True):
    """All versions of one program, oldest first."""

    versions: tuple[ProgramVersion, ...]


class Clock(Struct, frozen=True):
    """Whether the wall clock may move this partition's log."""

    held: bool


class _Rate(NamedTuple):
    """What one step of a meter costs in steps of a unit, and the rate as it is written."""

    unit: str
    exponent: int
    factor: int
    text: str
    where: Predicate | None


class _Prepared:
    """A version of a rate card with its rates by meter, in their order."""

    __slots__ = ("effective_from", "owner", "rates")

    def __init__(self, version: RateCardPublished, catalog: Catalog) -> None:
        self.effective_from = version.effective_from
        self.owner = version.owner
        self.rates: dict[str, list[_Rate]] = {}
        for rate in version.rates:
            self.rates.setdefault(rate.meter, []).append(_prepared(rate, catalog))


def _prepared(rate: Rate, catalog: Catalog) -> _Rate:
    exponent, per_unit = catalog.exponent(rate.unit), rate.per_unit
    assert exponent is not None, f"a rate in undeclared unit {rate.unit} was published"
    rest = exponent - catalog.meters[rate.meter].exponent - per_unit.decimals
    assert rest >= 0, f"an inexact rate for {rate.meter} in {rate.unit} was published"
    factor = per_unit.coefficient * 10**rest
    return _Rate(rate.unit, exponent, factor, str(per_unit), rate.where)


class Catalog:
    """The catalog at a point of a partition's log; built anew when a catalog fact applies.

    `zone` gives the rules of a time zone: they are configuration, as the catalog is.
    """

    def __init__(self, state: State, zone: Callable[[str], Zone]) -> None:
        self.zone = zone
        self.units: dict[str, UnitDeclared] = dict(state.scan("", UNIT))
        declared = {unit: known.exponent for unit, known in self.units.items()}
        self.exponent: Callable[[str], int | None] = {**CURRENCY_EXPONENT, **declared}.get
        """Decimals of the unit in the ledger, or None for a unit that nobody declared."""
        self.meters: dict[str, MeterDeclared] = dict(state.scan("", METER))
        self.cards: dict[str, CardVersions] = dict(state.scan("", CARD))
        policies: PolicyVersions | None = state.get(("", POLICY, ""))
        self.policies = policies.versions if policies else ()
        clock: Clock | None = state.get(("", CLOCK, ""))
        self.held = clock.held if clock else False
        self.chain: Chain = state.get(("", "chain", "")) or Chain(0, "")
        self.initial = Policy()
        self.late_window_max = max(
            each.late_window for each in (self.initial, *(v.policy for v in self.policies))
        )
        self._kept_since = _kept_since(self.initial.late_window, self.policies)
        self.states = any(v.policy.statement_every is not None for v in self.policies)
        self.draw_orders = {self.initial.draw_order, *(v.policy.draw_order for v in self.policies)}
        """Every burn order that was ever in force."""
        self._unpublished = self.initial, self.initial.hash
        self.programs: dict[str, tuple[ProgramVersion, ...]] = {
            program: known.versions for program, known in state.scan("", PROGRAM)
        }
        rounds = {
            version.round: (version.recorded_at, program)
            for program, versions in self.programs.items()
            for version in versions
        }
        self.rounds = [rounds[number] for number in sorted(rounds)]
        self._spans: dict[tuple[str, int], tuple[Span, ...]] = {}
        self._unit_of_meter: dict[str, list[UnitDeclared]] = {}
        for unit in self.units.values():
            if unit.meter is not None:
                self._unit_of_meter.setdefault(unit.meter, []).append(unit)
        # Ties of cards go by their id.
        self._cards_of: dict[tuple[str | None, str | None], list[list[_Prepared]]] = {}
        for _, card in sorted(self.cards.items()):
            prepared = [_Prepared(version, self) for version in card.versions]
            for owner in dict.fromkeys(version.owner for version in card.versions):
                self._cards_of.setdefault(owner, []).append(prepared)
        self.prices_plans = any(plan is not None for _, plan in self._cards_of)

    def kept_since(self, now: int) -> int:
        """From when on every journal has all that there was, however much it has dropped by now."""
        return max(self._kept_since, now - self.late_window_max)

    def policy(self, time: int, known_before: int | None = None) -> tuple[Policy, str]:
        """The policy in force for a fact of this time, and its hash.

        What falls due is judged by the policies that were recorded before its instant, so that it
        does not matter how long after it the clock comes round to it.
        """
        for version in reversed(self.policies):
            known = known_before is None or version.recorded_at < known_before
            if known and version.effective_from <= time:
                return version.policy, version.hash
        return self._unpublished

    def spans(self, program: str, looked: int) -> tuple[Span, ...]:
        """What the program says over time to who has learned of so many publications."""
        found = self._spans.get((program, looked))
        if found is None:
            found = self._spans[program, looked] = self._made(program, looked)
        return found

    def _made(self, program: str, looked: int) -> tuple[Span, ...]:
        published = self.programs.get(program, ())
        versions = tuple(version for version in published if version.round <= looked)
        dates = {version.effective_from for version in versions}
        dates |= {version.effective_to for version in versions if version.effective_to is not None}
        return tuple(_span(versions, begin, end) for begin, end in pairwise((*sorted(dates), END)))

    def prices(
        self,
        customer: str,
        meter: MeterDeclared,
        quantity: int,
        properties: Mapping[str, Value],
        time: int,
        plans: Sequence[str] = (),
    ) -> dict[str, Price]:
        """What this usage costs in each unit that prices it; quantity in steps of the meter.

        Exact: a rate that could not be was refused when it was published. The customer's card
        wins over those of its plans, they over the default ones, and within a card the first
        matching rate, per unit.
        """
        found: dict[str, Price] = {}
        for unit in self._unit_of_meter.get(meter.meter, ()):
            amount = quantity * 10 ** (unit.exponent - meter.exponent)
            found[unit.unit] = Price(unit.unit, unit.exponent, amount, "1")
        for owner in ((customer, None), *product((None,), plans), (None, None)):
            for versions in self._cards_of.get(owner, ()):
                version = in_force(versions, time)
                if version is None or version.owner != owner:
                    continue
                for name, exponent, factor, text, where in version.rates.get(meter.meter, ()):
                    if name not in found and (where is None or holds(where, properties)):
                        found[name] = Price(name, exponent, quantity * factor, text)
        return found


def _kept_since(widest: int, policies: Sequence[PolicyVersion]) -> int:
    """What was outside a late window before it was widened may have been dropped."""
    since = -(2**62)
    for version in policies:
        if version.policy.late_window > widest:
            since = version.recorded_at - widest
            widest = version.policy.late_window
    return since


def _span(versions: Sequence[ProgramVersion], begin: int, end: int) -> Span:
    version = in_force(versions, begin)
    if version is None or (version.effective_to is not None and begin >= version.effective_to):
        return Span(begin, end, None, None)
    return Span(begin, end, version.terms, version.who)
