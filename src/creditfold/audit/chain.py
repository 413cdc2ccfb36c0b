"""The chains, recomputed from the records alone: no fold is asked, so this is a second opinion.

Three things are linked. A customer's chain covers the content of every applied outcome. Each
outcome holds a digest of its postings and notices, and of the input that caused it. Each batch
header holds a digest over itself, over all that its batch sent and over the header before it. A
change of one cent in any stored record breaks one of them.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from creditfold.audit.following import Following, Log, followed
from creditfold.contract.decode import decode
from creditfold.contract.encode import digest, raw_content
from creditfold.contract.envelope import Undecodable, read_record
from creditfold.contract.topics import DEAD_LETTERS, INPUTS, LEDGER, NOTICES, REVENUE
from creditfold.log.records import Output, Record

_COORDINATES = ("topic", "partition", "offset")
_GENESIS: tuple[int, str] = (0, "")
_INPUTS = {topic.name for topic in INPUTS}

_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Finding(Struct, frozen=True):
    """A link that does not hold."""

    topic: str
    offset: int | None
    why: str


class Chains(Struct):
    """What was checked, the head of each customer's chain, and every link that does not hold."""

    headers: int = 0
    outcomes: int = 0
    records: int = 0
    heads: dict[str, str] = {}
    findings: list[Finding] = []


class _Cause(Struct):
    """What an outcome says of its input; the clock has none."""

    topic: str | None = None
    offset: _Count = 0
    content: str | None = None


class _Emitted(Struct):
    """What an outcome says that it sent."""

    postings: _Count = 0
    notices: _Count = 0
    sha256: str = ""


class _Outcome(Struct):
    """What the chains need of an outcome."""

    status: str
    cause: _Cause
    customer: str = ""
    seq: _Count = 0
    prev: str = ""
    hash: str = ""
    emitted: _Emitted = msgspec.field(default_factory=_Emitted)


def check(log: Log) -> Chains:
    """Recompute every digest of the partition."""
    return _Check(log).run()


class _Check:
    def __init__(self, log: Log) -> None:
        self._log = log
        self._ledger = Following(log, LEDGER.name)
        self._sent = {t.name: Following(log, t.name) for t in (REVENUE, NOTICES, DEAD_LETTERS)}
        self._inputs: dict[str, Following] = {}
        self._heads: dict[str, tuple[int, str]] = {}
        self._batch: list[Output] = []
        self._head = b""
        self._claimed: tuple[int, str] | None = None
        self.chains = Chains(heads={}, findings=[])

    def run(self) -> Chains:
        for record in followed(self._ledger, self._sent.values()):
            self.chains.records += 1
            data = _parsed(record)
            if data is None:
                self._find(record, "the record is not JSON")
            else:
                try:
                    if "batch" in data:
                        self._header(record, data)
                    else:
                        self._outcome(record, data)
                except (msgspec.ValidationError, RecursionError) as error:
                    self._find(record, f"the record cannot be read: {error}")
        self._close_batch()
        for topic, records in self._sent.items():
            for record in records.rest():
                self.chains.findings.append(Finding(topic, record.offset, "no outcome sent this"))
        self.chains.heads = {customer: head for customer, (_, head) in self._heads.items()}
        return self.chains

    def _header(self, record: Record, data: dict[str, Any]) -> None:
        before = self._close_batch()
        self.chains.headers += 1
        if data.get("prev") != before:
            self._find(record, "prev is not the digest of the batch before")
        self._batch = []
        self._head = _canonical({name: data[name] for name in data.keys() - {"out"}})
        self._claimed = (record.offset, _hex(data.get("out")))

    def _close_batch(self) -> str:
        if self._claimed is None:
            return ""
        offset, claimed = self._claimed
        if digest(self._head, self._batch) != claimed:
            self.chains.findings.append(
                Finding(
                    LEDGER.name,
                    offset,
                    "out is not the digest of the header and its batch",
                )
            )
        self._claimed = None
        return claimed

    def _send(self, record: Record) -> None:
        self._batch.append(Output(record.topic, record.key, record.value or b"", record.headers))

    def _outcome(self, record: Record, data: dict[str, Any]) -> None:
        if self._claimed is None and not self._batch:
            self._find(record, "no batch header stands before it")
        self.chains.outcomes += 1
        self._send(record)
        outcome = msgspec.convert(data, _Outcome)
        if outcome.status == "applied":
            self._link(record, data, outcome)
        self._cause(record, outcome.cause)
        if outcome.status == "dead_letter":
            self._take(record, DEAD_LETTERS.name, 1)
        emitted = outcome.emitted
        lines = self._take(record, REVENUE.name, emitted.postings)
        lines += self._take(record, NOTICES.name, emitted.notices)
        if lines and hashlib.sha256(b"\n".join(lines)).hexdigest() != emitted.sha256:
            self._find(record, "its postings and notices are not those that it sent")

    def _link(self, record: Record, data: dict[str, Any], outcome: _Outcome) -> None:
        owner = outcome.customer
        seq, head = self._heads.get(owner, _GENESIS)
        if (outcome.seq, outcome.prev) != (seq + 1, head):
            self._find(record, f"the chain of {owner or 'the catalog'} does not continue here")
        content = {name: data[name] for name in data.keys() - {"hash", "recorded_at"}}
        content["cause"] = {
            name: value for name, value in data["cause"].items() if name not in _COORDINATES
        }
        if _digest(content) != outcome.hash:
            self._find(record, "hash is not the digest of the outcome's content")
        self._heads[owner] = (outcome.seq, outcome.hash)

    def _cause(self, record: Record, cause: _Cause) -> None:
        """The input that is named must be the one that was folded."""
        if cause.topic is None:
            return  # the clock has no record
        found = self._input(cause.topic, cause.offset)
        if found is None:
            self._find(record, f"its input {cause.topic}@{cause.offset} is missing")
            return
        try:
            envelope = read_record(found.key, found.value, found.headers)
            content = decode(envelope, found.timestamp).content.hex()
        except Undecodable:
            content = raw_content(found.key, found.value, found.headers)
        if content != cause.content:
            why = f"its input {found.topic}@{found.offset} is not what was folded"
            self._find(record, why)

    def _input(self, topic: str, offset: int) -> Record | None:
        """Inputs of a topic are answered in the order of their offsets."""
        if topic not in _INPUTS:
            return None
        if topic not in self._inputs:
            self._inputs[topic] = Following(self._log, topic)
        for record in self._inputs[topic]:
            if record.offset >= offset:
                return record if record.offset == offset else None
        return None

    def _take(self, outcome: Record, topic: str, count: int) -> list[bytes]:
        lines: list[bytes] = []
        for _ in range(count):
            record = next(self._sent[topic], None)
            if record is None:
                self._find(outcome, f"what it sent to {topic} is missing")
                break
            self.chains.records += 1
            self._send(record)
            lines.append(record.value or b"")
        return lines

    def _find(self, record: Record, why: str) -> None:
        self.chains.findings.append(Finding(record.topic, record.offset, why))


def _parsed(record: Record) -> dict[str, Any] | None:
    try:
        data = json.loads(record.value or b"")
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _hex(value: object) -> str:
    return value if isinstance(value, str) and value.isascii() else ""


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(content)).hexdigest()


def _canonical(content: dict[str, Any]) -> bytes:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="surrogatepass")
