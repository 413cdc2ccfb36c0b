"""From what the fold gave out to records: the bytes depend on the arguments and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from pydantic import BaseModel

from creditfold.contract import outputs
from creditfold.contract.envelope import JSON, NAME_BYTES_MAX, SPEC_VERSION
from creditfold.contract.snapshots import Snapshot
from creditfold.contract.topics import (
    DEAD_LETTERS,
    LEDGER,
    NOTICES,
    REVENUE,
    TRANSFERS,
    event_type,
)
from creditfold.core.entries import Notice, Outcome, Posting, Sent, Status, canonical
from creditfold.log.records import Headers, Output

SOURCE = "creditfold"

_OUTCOME = event_type("ledger.outcome").encode()
_BATCH = event_type("ledger.batch").encode()
_POSTING = event_type("revenue.posting").encode()
_DEAD_LETTER = event_type("dead_letter.recorded").encode()
_SNAPSHOT = event_type("balance.snapshot")

_APPLIED: Final = Status.APPLIED  # as `entries.ORIGIN`

_packed = msgspec.msgpack.Encoder().encode

_VERSION_HEADER = ("ce_specversion", SPEC_VERSION.encode())
_SOURCE_HEADER = ("ce_source", SOURCE.encode())
_JSON_HEADER = ("content-type", JSON.encode())


def _record(
    topic: str, type_: bytes, id_: str, time: str, customer: str | None, value: bytes
) -> Output:
    key = None if customer is None else customer.encode()
    return Output(
        topic,
        key,
        value,
        (
            _VERSION_HEADER,
            ("ce_id", id_.encode()),
            _SOURCE_HEADER,
            ("ce_type", type_),
            ("ce_time", time.encode()),
            *(() if key is None else (("ce_subject", key),)),
            _JSON_HEADER,
        ),
    )


def outcome_record(outcome: Outcome) -> Output:
    """The ledger's record of an outcome.

    An applied outcome has its own id; a refusal, a duplicate and a dead letter are about an input
    that may come again, so their ids say what they are. A catalog fact goes to every partition
    and is answered on each: the id says on which.
    """
    id_, cause = outcome.outcome, outcome.cause
    if outcome.status is _APPLIED:
        id_ = id_ if outcome.customer is not None else f"{id_}.{cause.partition}"
    elif outcome.status is Status.DEAD_LETTER:
        id_ = coordinates(cause.topic or "", cause.partition or 0, cause.offset or 0)
    else:
        id_ = f"{id_}.{outcome.status.value}"
    time = outcome.effective_at or outcome.recorded_at
    assert time is not None, f"outcome {id_} is sent before it is recorded"
    return _record(LEDGER.name, _OUTCOME, id_, time, outcome.customer or None, canonical(outcome))


def posting_record(posting: Posting, effective_at: str, line: bytes) -> Output:
    """The revenue record of a posting that an outcome effective at that time made.

    `line` is the canonical posting, which the outcome's digest has been made of.
    """
    return _record(REVENUE.name, _POSTING, posting.posting, effective_at, posting.customer, line)


def notice_record(notice: Notice, line: bytes) -> Output:
    """The record of a notice, of the type that it names; `line` as of a posting."""
    type_ = event_type(f"notice.{notice.what}").encode()
    return _record(NOTICES.name, type_, notice.notice, notice.effective_at, notice.customer, line)


def transfer_record(sent: Sent, timestamp: int) -> Output:
    """The record that tells another customer; it was recorded when its cause was."""
    type_ = event_type(f"transfer.{sent.what}").encode()
    record = _record(
        TRANSFERS.name, type_, sent.id, sent.effective_at, sent.to, canonical(sent.data)
    )
    return record._replace(timestamp=timestamp)


def batch_record(batch: outputs.Batch, partition: int) -> Output:
    """The ledger's record of a batch header; it is no customer's and has no key."""
    id_ = f"{partition}/{batch.batch}"
    return _record(LEDGER.name, _BATCH, id_, batch.now, None, _plain(batch))


def sealed(batch: outputs.Batch, records: Iterable[Output]) -> outputs.Batch:
    """The header with its `out` set."""
    data = _data(batch)
    del data["out"]
    return batch.model_copy(update={"out": digest(canonical(data), records)})


def digest(header: bytes, records: Iterable[Output]) -> str:
    """A header's `out`: SHA-256 over the header without it and the batch's records, in order.

    The header holds the digest before it as `prev`. Each record is the MessagePack of [topic,
    key, value, [[header, value], …]], which says its own length, so no two sequences of records
    have the same input.
    """
    sha = hashlib.sha256(header)
    for record in records:
        sha.update(_packed(record[:4]))
    return sha.hexdigest()


def raw_content(key: bytes | None, value: bytes | None, headers: Headers) -> str:
    """The SHA-256 of a record that is no event: of the MessagePack of [key, value, headers]."""
    return hashlib.sha256(_packed((key, value, headers))).hexdigest()


def coordinates(topic: str, partition: int, offset: int) -> str:
    """The id of what became of a record that has none."""
    return f"{topic}/{partition}/{offset}"


def dead_letter_record(letter: outputs.DeadLetter, key: bytes | None) -> Output:
    """The record of a dead letter, under the original's key where that could be one.

    A longer key is no customer id; the letter holds it, and its record has none.
    """
    id_ = coordinates(letter.topic, letter.partition, letter.offset)
    record = _record(DEAD_LETTERS.name, _DEAD_LETTER, id_, letter.recorded_at, None, _plain(letter))
    return record._replace(key=key if key and len(key) <= NAME_BYTES_MAX else None)


def snapshot_line(customer: str, snapshot: Snapshot) -> bytes:
    """A customer's balances as one line of structured JSON, as `creditfold simulate` ends with."""
    return canonical(
        {
            "specversion": SPEC_VERSION,
            "id": f"{customer}@{snapshot.at}",
            "source": SOURCE,
            "type": _SNAPSHOT,
            "time": snapshot.at,
            "subject": customer,
            "datacontenttype": JSON,
            "data": _data(snapshot),
        }
    )


def structured(record: Output) -> bytes:
    """The record as one line of structured JSON, without the line feed."""
    event: dict[str, object] = {
        name[3:]: value.decode() for name, value in record.headers if name.startswith("ce_")
    }
    event["datacontenttype"] = JSON
    event["data"] = msgspec.Raw(record.value)
    return canonical(event)


def _data(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def _plain(model: BaseModel) -> bytes:
    return canonical(_data(model))
