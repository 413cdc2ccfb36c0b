"""Each customer's hash chain, recomputed from the records with hashlib and json alone."""

from __future__ import annotations

import hashlib
import json

from properties.events import Event
from properties.records import Records

COORDINATES = ("topic", "partition", "offset")


def canonical(value: Event) -> bytes:
    """JSON with sorted keys and no white space, in UTF-8."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def content(outcome: Event) -> Event:
    """What is hashed: all but the hash itself, the recording time and the cause's coordinates."""
    kept = {key: value for key, value in outcome.items() if key not in ("hash", "recorded_at")}
    kept["cause"] = {k: v for k, v in outcome["cause"].items() if k not in COORDINATES}
    return kept


def chain_is_unbroken(records: Records) -> None:
    """I-30: seq counts from 1, each prev is the hash before, each hash recomputes.

    The chain covers the money as well: `emitted` hashes the postings and notices of an outcome.
    """
    heads: dict[str | None, tuple[int, str]] = {}
    notices: dict[str, list[Event]] = {}
    for record in records.all:
        if record["type"].startswith("creditfold.notice."):
            notices.setdefault(record["data"]["outcome"], []).append(record["data"])
    for step in records.steps():
        outcome = step.outcome
        seq, head = heads.get(outcome.get("customer"), (0, ""))
        assert seq + 1 == outcome["seq"], outcome
        assert head == outcome.get("prev", ""), outcome
        assert hashlib.sha256(canonical(content(outcome))).hexdigest() == outcome["hash"], outcome
        heads[outcome.get("customer")] = (outcome["seq"], outcome["hash"])
        told = notices.get(outcome["outcome"], [])
        sent = b"\n".join(map(canonical, (*step.lines, *told)))
        emitted = outcome.get("emitted", {"postings": 0, "notices": 0})
        assert len(step.lines) == emitted["postings"], outcome
        assert len(told) == emitted["notices"], outcome
        if "sha256" in emitted:
            assert hashlib.sha256(sent).hexdigest() == emitted["sha256"], outcome
