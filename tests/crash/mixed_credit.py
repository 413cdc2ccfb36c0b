"""What customers do with credit: it waits for its payment, is held, changed, blended, sent away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from kafka_fixtures import rfc

from crash.traffic import DAY, NOBODY, Traffic
from creditfold.contract.envelope import Envelope

_GIVEN: Final = ("goodwill", "sla", "included", "material_right", "buffer")
_SOLD: Final = ("paid", "paid", "included", "material_right", "buffer")
_ALIKE: Final = ("kind", "unit")


class Credit(Traffic):
    """Traffic that remembers what it made for whom, and does something to it later."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._kept: dict[tuple[str, str], list[Any]] = defaultdict(list)

    def new(self, noun_verb: str, customer: str, data: dict[str, Any], behind: int = 0) -> Envelope:
        """As ever; what later facts may be about is kept."""
        if noun_verb == "credit.granted":
            self._keep("grant", customer, data)
        elif noun_verb == "invoice.issued":
            self._keep("invoice", customer, data["invoice"])
        return super().new(noun_verb, customer, data, behind)

    def grant(self, customer: str) -> Iterator[Envelope]:
        """As ever, or of a kind that nobody is billed for; some of it rolls over."""
        if self.chance.random() < 0.7:
            yield from super().grant(customer)
            return
        now = self.now()
        data: dict[str, Any] = {"block": f"free{self.made}", "kind": self.chance.choice(_GIVEN)}
        data |= {"unit": "USD", "quantity": str(self.chance.randint(5, 50))}
        if data["kind"] in {"goodwill", "sla"}:
            data["value"] = {"amount": data["quantity"], "currency": "USD"}
            data["failed_period"] = {"from": rfc(now - 2 * DAY), "to": rfc(now - DAY)}
        if data["kind"] == "material_right":
            data["value"] = {"amount": "4.40", "currency": "USD"}
        data |= self._end(1)
        yield self.new("credit.granted", customer, data)

    def _end(self, chance: float) -> dict[str, Any]:
        """It expires soon, or never; half of what does may roll over."""
        if self.chance.random() >= chance:
            return {}
        ends: dict[str, Any] = {"expires_at": rfc(self.soon_after(self.now()))}
        if self.chance.random() < 0.5:
            ends["rollover"] = {"percent": "60", "expires": "P1M"}
        return ends

    def _keep(self, what: str, customer: str, it: Any) -> None:
        self._kept[what, customer].append(it)

    def _one(self, what: str, customer: str) -> Any:
        """Any of what was made for the customer, or None."""
        kept = self._kept[what, customer]
        return self.chance.choice(kept) if kept else None

    def _take(self, what: str, customer: str) -> Any:
        """Any of it, which is then gone."""
        kept = self._kept[what, customer]
        return kept.pop(self.chance.randrange(len(kept))) if kept else None

    def _hold(self, customer: str) -> Iterator[Envelope]:
        hold, ends = f"h{self.made}", rfc(self.soon_after(self.now()))
        data: dict[str, Any] = {"hold": hold, "expires_at": ends}
        if self.chance.random() < 0.6:
            data |= self.used()
        else:
            data |= {"unit": self.chance.choice(("USD", "credits"))}
            data["quantity"] = str(self.chance.randint(1, 30))
        self._keep("hold", customer, hold)
        self._keep("named", customer, hold)
        yield self.new("hold.placed", customer, data)

    def _end_hold(self, customer: str) -> Iterator[Envelope]:
        """Settled for less or more, for nothing, or released; what is not ended times out."""
        hold = self._take("hold", customer)
        if hold is None:
            return
        drawn = self.chance.random()
        if drawn < 0.2:
            yield self.new("hold.released", customer, {"hold": hold})
        elif drawn < 0.3:
            yield self.new("hold.settled", customer, {"hold": hold, "quantity": 0})
        else:
            yield self.new("hold.settled", customer, self.used() | {"hold": hold})

    def _change_block(self, customer: str) -> Iterator[Envelope]:
        grant = self._one("grant", customer)
        if grant is None:
            return
        block = {"block": grant["block"]}
        data: dict[str, Any] = block | {"reason": "mix"}
        what = self.chance.choice(["voided", "adjusted", "adjusted", "refunded", "expiry_changed"])
        if what == "expiry_changed":
            later = self.now() + self.chance.randint(300, 600) * DAY
            data = block | {"expires_at": rfc(later)}
        elif what == "adjusted":
            data["quantity"] = str(self.chance.choice([-7, -1, 2, 9]))
        else:
            data["quantity"] = str(self.chance.randint(1, 9))
        yield self.new(f"credit.{what}", customer, data)

    def _wait(self, customer: str) -> Iterator[Envelope]:
        """Sell credit that waits for all of its payment; some is paid late, in parts, or never."""
        part = self._take("part", customer) if self.chance.random() < 0.7 else None
        if part is not None:
            invoice, cents = part
            paid = {"invoice": invoice, "amount": _money(cents)}
            yield self.new("invoice.paid", customer, paid)
            return
        parts = [self.chance.randint(1, 9_999) for _ in range(self.chance.choice((1, 1, 2)))]
        data = {"block": f"w{self.made}", "kind": self.chance.choice(_SOLD), "unit": "USD"}
        data |= {"quantity": str(self.chance.randint(5, 90)), "usable": "when_funded"}
        yield from self._sell(customer, data | self._end(0.4), parts)

    def _blend(self, customer: str) -> Iterator[Envelope]:
        """What is unused of some of the last credit goes on in more of the same kind."""
        last = self._kept["grant", customer][-6:]
        if not last:
            return
        old = self.chance.choice(last)
        like = {name: old[name] for name in ("kind", "unit", "failed_period") if name in old}
        alike = [g["block"] for g in last if all(g[name] == like[name] for name in _ALIKE)]
        blends = self.chance.sample(alike, min(len(alike), self.chance.choice((1, 1, 2))))
        data = like | {"block": f"bl{self.made}", "blends": blends}
        data |= {"quantity": str(self.chance.randint(5, 90))} | self._end(0.3)
        if old["kind"] == "paid":
            if self.chance.random() < 0.2:
                data["usable"] = "when_funded"
            yield from self._sell(customer, data, [self.chance.randint(1, 9_999)])
            return
        if "value" in old:
            data["value"] = {"amount": _money(self.chance.randint(1, 999)), "currency": "USD"}
        yield self.new("credit.granted", customer, data)

    def _sell(self, customer: str, data: dict[str, Any], parts: list[int]) -> Iterator[Envelope]:
        """A grant and its invoice, to be paid in parts."""
        price, bill = _money(sum(parts)), f"in-{data['block']}"
        data["value"] = {"amount": price, "currency": "USD"}
        yield self.new("credit.granted", customer, data)
        line = {"line": "1", "amount": price, "sells": [{"block": data["block"]}]}
        how = self.chance.choice(["on_issue", "on_due", "on_payment", "on_payment"])
        invoice = {"invoice": bill, "currency": "USD", "recognition": how, "lines": [line]}
        if how == "on_due":
            invoice["due_at"] = rfc(self.soon_after(self.now()))
        yield self.new("invoice.issued", customer, invoice)
        for part in parts:
            self._keep("part", customer, (bill, part))

    def _transfer(self, customer: str) -> Iterator[Envelope]:
        """Send some of a new block, of which most is left; now and then to nobody."""
        grants = self._kept["grant", customer][-3:]
        if not grants:
            return
        to = self.chance.choice(self.customers) if self.chance.random() < 0.9 else NOBODY
        if to != customer:
            data = {"transfer": f"t{self.made}", "to": to}
            data["block"] = self.chance.choice(grants)["block"]
            data["quantity"] = str(self.chance.randint(1, 9))
            yield self.new("credit.transferred", customer, data)


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
