"""The story of an input: the records that hold it, and everything that names them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from creditfold.cli import history
from creditfold.cli.history import Log
from creditfold.cli.since import since
from creditfold.core.times import rfc3339
from creditfold.log.records import Record

if TYPE_CHECKING:
    from creditfold.broker.find import Found


def tell(log: Log, event: str, source: str | None = None) -> dict[str, Any] | None:
    """Inputs and outcomes with their postings and notices, or None where nothing names it.

    `event` is an event's id, or an id that creditfold made: of an outcome or of a part of one.
    """
    records = list(history.inputs(log, event, source))
    wanted = {(record.topic, record.offset) for record in records}
    outcomes = [
        outcome
        for outcome in history.outcomes(log, event, "dead_letter")  # a letter names no event
        if (outcome["cause"].get("topic"), outcome["cause"].get("offset")) in wanted
    ]
    if not records:
        made = event.partition(".")[0]
        outcomes = [o for o in history.outcomes(log, made) if made == o["outcome"]]
        records = [found for o in outcomes if (found := _cause(log, o["cause"])) is not None]
        if not outcomes:
            return None
    told = {
        "event": event,
        "inputs": [_input(record) for record in records],
        "outcomes": _with_postings(log, outcomes),
    }
    return _with_changes(told, event, history.outcomes(log, event))


def tell_found(event: str, found: Found) -> dict[str, Any] | None:
    """The same of what was found on Kafka, with each input's partition."""
    outcomes = [history.data(record) for record in found.outcomes]
    if not found.inputs and not outcomes:
        return None
    applied = {outcome["outcome"] for outcome in outcomes if outcome["status"] == "applied"}
    caused: dict[str, dict[str, list[Any]]] = {
        id_: {"postings": [], "notices": []} for id_ in applied
    }
    for kind, field, records in (
        ("postings", "cause", found.postings),
        ("notices", "outcome", found.notices),
    ):
        for record in records:
            line = history.data(record)
            if line[field] in applied:
                caused[line[field]][kind].append(line)
    told = {
        "event": event,
        "inputs": [{**_input(record), "partition": record.partition} for record in found.inputs],
        "outcomes": [
            {
                **outcome,
                **(
                    caused[outcome["outcome"]]
                    if outcome["status"] == "applied"
                    else {"postings": [], "notices": []}
                ),
            }
            for outcome in outcomes
        ],
        "complete": found.complete,
        "partitions": len(found.partitions),
        "scanned": found.scanned,
    }
    return _with_changes(told, event, map(history.data, found.changes))


def _with_changes(
    told: dict[str, Any], event: str, others: Iterable[dict[str, Any]]
) -> dict[str, Any]:
    """The story with what has changed since of the usage, if it was one."""
    applied = [o for o in told["outcomes"] if o["status"] == "applied" and o.get("customer")]
    changed = since(event, applied, others)
    return told if changed is None else {**told, "since": changed}


def _cause(log: Log, cause: dict[str, Any]) -> Record | None:
    if "topic" not in cause:
        return None
    found = next(log.read(cause["topic"], cause["offset"]), None)
    return found if found is not None and found.offset == cause["offset"] else None


def _input(record: Record) -> dict[str, Any]:
    return {
        "topic": record.topic,
        "offset": record.offset,
        "recorded_at": rfc3339(record.timestamp),
        "key": None if record.key is None else record.key.decode(errors="backslashreplace"),
        "source": history.header(record, "ce_source"),
        "id": history.header(record, "ce_id"),
        "type": history.header(record, "ce_type"),
        "time": history.header(record, "ce_time"),
        "data": history.data(record),
    }


def _with_postings(log: Log, outcomes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A duplicate bears the id of the outcome that it repeats: postings go with the applied one."""
    applied = [o["outcome"] for o in outcomes if o["status"] == "applied"]
    postings: dict[str, list[dict[str, Any]]] = {id_: [] for id_ in applied}
    notices: dict[str, list[dict[str, Any]]] = {id_: [] for id_ in applied}
    for posting in history.postings(log, applied):
        postings[posting["cause"]].append(posting)
    for notice in history.notices(log, applied):
        notices[notice["outcome"]].append(notice)
    return [
        {
            **outcome,
            "postings": postings[outcome["outcome"]] if outcome["status"] == "applied" else [],
            "notices": notices[outcome["outcome"]] if outcome["status"] == "applied" else [],
        }
        for outcome in outcomes
    ]
