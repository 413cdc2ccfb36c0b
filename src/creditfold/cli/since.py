"""What later facts have changed of a usage: late, corrected and retracted usage, and credit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from creditfold.contract.sums import total


def since(
    event: str, applied: list[dict[str, Any]], others: Iterable[dict[str, Any]]
) -> dict[str, Any] | None:
    """What the usage draws now, and each outcome that changed it; None where none has.

    Entries name a usage by its id: what takes back another source's usage of that id is left out.
    """
    own = {outcome["outcome"] for outcome in applied}
    customers = {outcome.get("customer") for outcome in applied}
    changes = []
    for outcome in others:
        if outcome["status"] != "applied" or outcome["outcome"] in own:
            continue
        moved = {
            "entries": [e for e in _draws(outcome) if _is_of(e, event, own)],
            "overage": [o for o in outcome.get("overage", ()) if o.get("usage") == event],
        }
        if outcome.get("customer") in customers and any(moved.values()):
            names = ("outcome", "cause", "effective_at", "recorded_at")
            changes.append({**{name: outcome[name] for name in names}, **moved})
    if not changes:
        return None
    drawn: dict[str, list[str]] = {}
    uncovered: list[str] = []
    for outcome in (*applied, *changes):
        for entry in (e for e in _draws(outcome) if e.get("usage") == event):
            sign = "" if entry["to"] == "drawn" else "-"
            drawn.setdefault(entry["block"], []).append(sign + entry["quantity"])
        overage = outcome.get("overage", ())
        uncovered += [o["quantity"] for o in overage if o.get("usage", event) == event]
    nets = {block: total(*amounts) for block, amounts in drawn.items()}
    return {
        "draws": {block: amount for block, amount in nets.items() if amount != "0"},
        "uncovered": total(*uncovered),
        "changes": changes,
    }


def _draws(outcome: dict[str, Any]) -> list[dict[str, Any]]:
    return [e for e in outcome.get("entries", ()) if "drawn" in (e["from"], e["to"])]


def _is_of(entry: dict[str, Any], event: str, own: set[str]) -> bool:
    return entry.get("usage") == event and entry.get("reverses") in {None, *own}
