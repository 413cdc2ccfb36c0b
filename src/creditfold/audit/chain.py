"""The chains, recomputed from the records alone: no fold is asked, so this is a second opinion.

Three things are linked. A customer's chain covers the content of every applied outcome. Each
outcome holds a digest of its postings and notices, and of the input that caused it. Each batch
header holds a digest over all that its batch sent and over the header before it. A change of one
cent in any stored record breaks one of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Protocol

from msgspec import Struct

from creditfold.contract.decode import decode
from creditfold.contract.encode import digest
from creditfold.contract.envelope import Undecodable, read_record
from creditfold.contract.topics import DEAD_LETTERS, LEDGER, NOTICES, REVENUE
from creditfold.log.records import Output, Record

_COORDINATES = ("topic", "partition", "offset")
_GENESIS: tuple[int, str] = (0, "")


class Log(Protocol):
    """One partition of a recorded log."""

    def read(self, topic: str, start: int = 0) -> Iterator[Record]:
        """The records of a topic from an offset on."""


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


def check(log: Log) -> Chains:
    """Recompute every digest of the partition."""
    return _Check(log).run()


class _Check:
    def __init__(self, log: Log) -> None:
        self._log = log
        self._sent = {t.name: log.read(t.name) for t in (REVENUE, NOTICES, DEAD_LETTERS)}
        self._inputs: dict[str, Iterator[Record]] = {}
        self._heads: dict[str, tuple[int, str]] = {}
        self._batch: list[Output] = []
        self._prev = ""
        self._claimed: tuple[int, str] | None = None
        self.chains = Chains(heads={}, findings=[])

    def run(self) -> Chains:
        for record in self._log.read(LEDGER.name):
            self.chains.records += 1
            data = _parsed(record)
            if data is None:
                self._find(record, "the record is not JSON")
            elif "batch" in data:
                self._header(record, data)
            else:
                self._outcome(record, data)
        self._close_batch()
        for topic, rest in self._sent.items():
            for record in rest:
                self.chains.findings.append(Finding(topic, record.offset, "no outcome sent this"))
        self.chains.heads = {customer: head for customer, (_, head) in self._heads.items()}
        return self.chains

    def _header(self, record: Record, data: dict[str, Any]) -> None:
        before = self._close_batch()
        self.chains.headers += 1
        if data.get("prev") != before:
            self._find(record, "prev is not the digest of the batch before")
        self._batch = []
        self._prev = str(data.get("prev"))
        self._claimed = (record.offset, str(data.get("out")))

    def _close_batch(self) -> str:
        if self._claimed is None:
            return ""
        offset, claimed = self._claimed
        if digest(self._prev, self._batch) != claimed:
            self.chains.findings.append(
                Finding(LEDGER.name, offset, "out is not the digest of what the batch sent")
            )
        self._claimed = None
        return claimed

    def _send(self, record: Record) -> None:
        self._batch.append(Output(record.topic, record.key, record.value or b"", record.headers))

    def _outcome(self, record: Record, data: dict[str, Any]) -> None:
        self.chains.outcomes += 1
        self._send(record)
        status = data.get("status")
        if status == "applied":
            self._link(record, data)
        if status == "dead_letter":
            self._take(record, DEAD_LETTERS.name, 1)
        else:
            self._cause(record, data.get("cause", {}))
        emitted = data.get("emitted") or {"postings": 0, "notices": 0}
        lines = self._take(record, REVENUE.name, emitted["postings"])
        lines += self._take(record, NOTICES.name, emitted["notices"])
        if lines and hashlib.sha256(b"\n".join(lines)).hexdigest() != emitted.get("sha256"):
            self._find(record, "its postings and notices are not those that it sent")

    def _link(self, record: Record, data: dict[str, Any]) -> None:
        owner = data.get("customer", "")
        seq, head = self._heads.get(owner, _GENESIS)
        if (data.get("seq"), data.get("prev")) != (seq + 1, head):
            self._find(record, f"the chain of {owner or 'the catalog'} does not continue here")
        content = {name: data[name] for name in data.keys() - {"hash", "recorded_at"}}
        content["cause"] = {
            name: value for name, value in data["cause"].items() if name not in _COORDINATES
        }
        if _digest(content) != data.get("hash"):
            self._find(record, "hash is not the digest of the outcome's content")
        self._heads[owner] = (data.get("seq", seq + 1), data.get("hash", ""))

    def _cause(self, record: Record, cause: dict[str, Any]) -> None:
        """The input that is named must be the one that was folded."""
        if "topic" not in cause:
            return  # the clock has no record
        found = self._input(cause["topic"], cause["offset"])
        if found is None:
            self._find(record, f"its input {cause['topic']}@{cause['offset']} is missing")
            return
        try:
            envelope = read_record(found.key, found.value, found.headers)
            content = decode(envelope, found.timestamp).content.hex()
        except Undecodable as error:
            content = f"unreadable: {error.detail}"
        if content != cause.get("content"):
            why = f"its input {found.topic}@{found.offset} is not what was folded"
            self._find(record, why)

    def _input(self, topic: str, offset: int) -> Record | None:
        """Inputs of a topic are answered in the order of their offsets."""
        records = self._inputs.setdefault(topic, self._log.read(topic))
        for record in records:
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
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
