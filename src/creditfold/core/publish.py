"""Catalog facts: units, meters, rate cards, policies and the clock of an import."""

from __future__ import annotations

from typing import Any, TypeAlias

from creditfold.core.bodies import CatalogBody
from creditfold.core.catalog import (
    CARD,
    CLOCK,
    METER,
    POLICY,
    PROGRAM,
    UNIT,
    CardVersions,
    Catalog,
    Clock,
    PolicyVersion,
    PolicyVersions,
    ProgramVersion,
    ProgramVersions,
)
from creditfold.core.currencies import CURRENCY_EXPONENT
from creditfold.core.facts import (
    ClockHeld,
    ClockReleased,
    MeterDeclared,
    Rate,
    RateCardPublished,
    UnitDeclared,
)
from creditfold.core.policy_facts import PolicyPublished
from creditfold.core.program_facts import ProgramEnded, ProgramPublished
from creditfold.core.programs import never_grants, subject_changed, unusable
from creditfold.core.rejections import Code, Rejection, highest
from creditfold.core.state import Key

Change: TypeAlias = tuple[Key, Any]


def publish(catalog: Catalog, body: CatalogBody, now: int) -> Change | Rejection:
    """The catalog record that the fact sets. What was granted or posted before stays as it is."""
    match body:
        case UnitDeclared():
            return _unit(catalog, body)
        case MeterDeclared():
            return _meter(catalog, body)
        case RateCardPublished():
            return _rate_card(catalog, body)
        case ProgramPublished():
            return _program(catalog, body, now)
        case ProgramEnded():
            return _program_end(catalog, body, now)
        case PolicyPublished():
            return _policy(catalog, body, now)
        case ClockHeld():
            return ("", CLOCK, ""), Clock(held=True)
        case ClockReleased():
            return ("", CLOCK, ""), Clock(held=False)


def _not_rising(what: str, version: int, known: int) -> Rejection:
    return Rejection(
        Code.VERSION_NOT_RISING,
        f"{what} is at version {known}: publish {known + 1} or higher, not {version}",
    )


def _unit(catalog: Catalog, body: UnitDeclared) -> Change | Rejection:
    known = catalog.units.get(body.unit)
    if known is not None and body.version <= known.version:
        return _not_rising(f"unit {body.unit}", body.version, known.version)
    if body.unit in CURRENCY_EXPONENT:
        return Rejection(
            Code.UNIT_IS_CURRENCY,
            f"{body.unit} is a currency and needs no declaration: name the unit differently",
        )
    if known is not None and (body.exponent, body.meter) != (known.exponent, known.meter):
        return Rejection(
            Code.EXPONENT_CHANGED,
            f"unit {body.unit} has exponent {known.exponent} and meter {known.meter}, and keeps "
            "them: declare another unit",
        )
    if body.meter is not None:
        meter = catalog.meters.get(body.meter)
        if meter is None:
            return Rejection(
                Code.UNKNOWN_METER, f"unit {body.unit} counts meter {body.meter}: declare it first"
            )
        if meter.exponent > body.exponent:
            return Rejection(
                Code.RATE_NOT_EXACT,
                f"meter {body.meter} has {meter.exponent} decimals, unit {body.unit} "
                f"{body.exponent}: one could not be one of the other",
            )
    return ("", UNIT, body.unit), body


def _meter(catalog: Catalog, body: MeterDeclared) -> Change | Rejection:
    known = catalog.meters.get(body.meter)
    if known is not None and body.version <= known.version:
        return _not_rising(f"meter {body.meter}", body.version, known.version)
    if known is not None and body.exponent != known.exponent:
        return Rejection(
            Code.EXPONENT_CHANGED,
            f"meter {body.meter} has exponent {known.exponent} and keeps it: declare another meter",
        )
    return ("", METER, body.meter), body


def _rate_card(catalog: Catalog, body: RateCardPublished) -> Change | Rejection:
    known = catalog.cards.get(body.rate_card)
    versions = known.versions if known else ()
    if versions and body.version <= versions[-1].version:
        return _not_rising(f"rate card {body.rate_card}", body.version, versions[-1].version)
    refusal = highest(
        _rate(catalog, rate, f"rate {number} of {body.rate_card}")
        for number, rate in enumerate(body.rates)
    )
    if refusal is not None:
        return refusal
    return ("", CARD, body.rate_card), CardVersions((*versions, body))


def _rate(catalog: Catalog, rate: Rate, name: str) -> Rejection | None:
    meter = catalog.meters.get(rate.meter)
    if meter is None:
        return Rejection(
            Code.UNKNOWN_METER, f"{name} is for meter {rate.meter}: publish meter.declared first"
        )
    exponent = catalog.exponent(rate.unit)
    if exponent is None:
        return Rejection(
            Code.UNKNOWN_UNIT, f"{name} is in unit {rate.unit}: publish unit.declared first"
        )
    if meter.exponent + rate.per_unit.decimals > exponent:
        return Rejection(
            Code.RATE_NOT_EXACT,
            f"{name}: {rate.per_unit} {rate.unit} for each {rate.meter} ({meter.exponent} "
            f"decimals) needs more than the {exponent} decimals of {rate.unit}",
        )
    return None


def _program(catalog: Catalog, body: ProgramPublished, now: int) -> Change | Rejection:
    versions = catalog.programs.get(body.program, ())
    refusal = (
        _rising(body, versions)
        or _same_subject(body, versions)
        or unusable(catalog, body.terms.grant)
        or never_grants(body.effective_from, body.effective_to)
    )
    if refusal is not None:
        return refusal
    version = ProgramVersion(
        body.version,
        len(catalog.rounds) + 1,
        now,
        body.effective_from,
        body.effective_to,
        body.who,
        body.terms,
    )
    return ("", PROGRAM, body.program), ProgramVersions((*versions, version))


def _same_subject(body: ProgramPublished, versions: tuple[ProgramVersion, ...]) -> Rejection | None:
    """A program that turned from customers to subscriptions would grant a period twice."""
    if not versions or versions[0].by_subscription == body.terms.by_subscription(body.who):
        return None
    return subject_changed(body.program, by_subscription=versions[0].by_subscription)


def _program_end(catalog: Catalog, body: ProgramEnded, now: int) -> Change | Rejection:
    versions = catalog.programs.get(body.program, ())
    refusal = _rising(body, versions)
    if refusal is not None:
        return refusal
    if not versions:
        return Rejection(
            Code.UNKNOWN_PROGRAM, f"program {body.program} was never published: check its id"
        )
    version = ProgramVersion(body.version, len(catalog.rounds) + 1, now, body.effective_from)
    return ("", PROGRAM, body.program), ProgramVersions((*versions, version))


def _rising(
    body: ProgramPublished | ProgramEnded, versions: tuple[ProgramVersion, ...]
) -> Rejection | None:
    if versions and body.version <= versions[-1].version:
        return _not_rising(f"program {body.program}", body.version, versions[-1].version)
    return None


def _policy(catalog: Catalog, body: PolicyPublished, now: int) -> Change | Rejection:
    versions = catalog.policies
    if versions and body.version <= versions[-1].version:
        return _not_rising("the policy", body.version, versions[-1].version)
    if body.keys.late_window is not None and body.effective_from < now:
        return Rejection(
            Code.WINDOW_IN_PAST,
            "late.window decides how long ids are remembered, and some are forgotten already: "
            "let effective_from be now or later",
        )
    before = versions[-1].policy if versions else catalog.initial
    policy = before.changed(body.keys)
    version = PolicyVersion(body.version, now, body.effective_from, policy, body, policy.hash)
    return ("", POLICY, ""), PolicyVersions((*versions, version))
