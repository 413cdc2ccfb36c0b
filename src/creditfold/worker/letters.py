"""Dead letters: what could not be read, decoded for people, and sent again with a corrected key.

Only a key can be corrected here. A value that is wrong has to be sent anew by its producer, since
an auditor must find on the log what the producer sent.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Iterator
from enum import StrEnum

import msgspec
from msgspec import Struct

from creditfold.broker.connection import Connection, Where, connection
from creditfold.broker.kafka_log import KafkaLog
from creditfold.broker.plan import APPLICATION, equal_count
from creditfold.contract.decode import INPUTS
from creditfold.contract.envelope import Envelope, Undecodable, read_record
from creditfold.contract.instants import parse_instant
from creditfold.contract.outputs import DeadLetter, Original
from creditfold.contract.partitions import partition_of
from creditfold.contract.topics import DEAD_LETTERS, topic_of
from creditfold.core.entries import Status
from creditfold.log.records import Record
from creditfold.worker.resend import (
    Coordinates,
    FactKey,
    Sender,
    answers,
    fact_key,
    fetch,
    first,
    folded,
    waiting,
)
from creditfold.worker.retry import ALL, Selection


class Letter(Struct, frozen=True):
    """A dead letter in a list: why, and where the record lies that could not be read."""

    code: str
    detail: str
    topic: str
    partition: int
    offset: int
    recorded_at: str


class Shown(Struct, frozen=True):
    """A dead letter's record as text, where it is text; `whole` says whether nothing is cut."""

    letter: Letter
    key: str | None
    headers: tuple[tuple[str, str | None], ...]
    value: str | None
    whole: bool


class LetterFate(StrEnum):
    """What a retry did with a letter."""

    SENT = "sent"
    ANSWERED = "answered"
    WAITING = "waiting"
    UNREADABLE = "unreadable"
    GONE = "gone"


class LetterRetry(Struct, frozen=True):
    """What a retry did, or with `dry_run` would do; of each letter also why it was left out."""

    dry_run: bool
    counts: dict[str, int]
    letters: tuple[tuple[Letter, LetterFate, str], ...]


def letters(kafka: Where, selection: Selection = ALL) -> Iterator[Letter]:
    """The selected letters, in order within each partition; a letter names no customer."""
    for _, letter in _stored(connection(kafka), selection):
        yield _plain(letter)


def show(kafka: Where, where: Coordinates) -> Shown | None:
    """The letter about the record at these coordinates, decoded; None where there is none."""
    to = connection(kafka)
    for _, letter in _stored(to, ALL, where.partition):
        if (letter.topic, letter.offset) == (where.topic, where.offset):
            cut = [part for part in (letter.key, letter.value) if part and part.base64 is None]
            return Shown(
                letter=_plain(letter),
                key=_text(letter.key),
                headers=tuple((each.name, _decoded(each.base64)) for each in letter.headers),
                value=_text(letter.value),
                whole=not cut and not letter.headers_left_out,
            )
    return None


def retry_letters(
    kafka: Where,
    selection: Selection = ALL,
    *,
    only: Coordinates | None = None,
    key: str | None = None,
    application: str = APPLICATION,
    dry_run: bool = False,
) -> LetterRetry:
    """Send the selected records again as they came, but for a `key` that is given.

    Sent is what can be read now, to its topic and its key's partition. What could be read and has
    an answer in the ledger, or waits unread, is left out: running it twice sends nothing twice.
    """
    to = connection(kafka)
    count = equal_count(to)
    nexts = folded(to, application, count)
    chosen = {
        _coordinates(letter): letter
        for _, letter in _stored(to, selection, None if only is None else only.partition)
        if only in {None, _coordinates(letter)}
    }
    inputs = fetch(to, chosen)
    known = _Known(to, nexts)
    sender, done = Sender(to), []
    for where, letter in chosen.items():
        resent = _resent(letter, inputs.get(where), key, count)
        if isinstance(resent, _Resent):
            fate, why = known.fate(resent.partition, resent.envelope, letter), ""
            if fate is LetterFate.SENT and not dry_run:
                sender.send(resent.record, resent.topic, resent.partition, resent.key)
        else:
            fate, why = resent
        done.append((_plain(letter), fate, why))
    sender.flush()
    counts = {fate.value: sum(each is fate for _, each, _ in done) for fate in LetterFate}
    return LetterRetry(dry_run, counts, tuple(done))


class _Resent(Struct, frozen=True):
    record: Record
    envelope: Envelope
    topic: str
    partition: int
    key: bytes | None


def _resent(
    letter: DeadLetter, record: Record | None, key: str | None, count: int
) -> _Resent | tuple[LetterFate, str]:
    """What would be sent of a letter, or why nothing can be."""
    if record is None or not _same(letter.value, record.value):
        return LetterFate.GONE, "its record is no longer on the input topic"
    raw = record.key if key is None else key.encode()
    try:
        envelope = read_record(raw, record.value, record.headers)
    except Undecodable as error:
        return LetterFate.UNREADABLE, error.detail
    home = topic_of(envelope.type).name if envelope.type in INPUTS else letter.topic
    target = partition_of(raw, count) if raw else letter.partition
    return _Resent(record, envelope, home, target, raw)


class _Known:
    """Which facts the ledger has answered or the inputs hold unread, asked once a partition."""

    def __init__(self, kafka: Connection, nexts: dict[int, dict[str, int]]) -> None:
        self._kafka = kafka
        self._nexts = nexts
        self._unread: dict[int, set[FactKey]] = {}
        self._answered: dict[int, set[FactKey]] = {}

    def fate(self, partition: int, envelope: Envelope, letter: DeadLetter) -> LetterFate:
        """What becomes of the fact; each is sent once."""
        fact = fact_key(envelope)
        if partition not in self._unread:
            self._unread[partition] = waiting(self._kafka, partition, self._nexts[partition])
            since = parse_instant(letter.recorded_at)  # letters come in the order of their times
            self._answered[partition] = {
                answer.cause.fact
                for answer in answers(self._kafka, partition, since)
                if answer.status != Status.DEAD_LETTER
            }
        if fact in self._answered[partition]:
            return LetterFate.ANSWERED
        if fact in self._unread[partition]:
            return LetterFate.WAITING
        self._unread[partition].add(fact)  # a second letter of the fact waits behind this one
        return LetterFate.SENT


def _stored(
    kafka: Connection, selection: Selection, partition: int | None = None
) -> Iterator[tuple[Record, DeadLetter]]:
    chosen = range(equal_count(kafka)) if partition is None else [partition]
    for number in chosen:
        start = first(kafka, DEAD_LETTERS.name, number, selection.since)
        if start is None:
            continue
        for record in KafkaLog(kafka, number).read(DEAD_LETTERS.name, start):
            letter = DeadLetter.model_validate(msgspec.json.decode(record.value or b"{}"))
            if selection.takes(letter.code, parse_instant(letter.recorded_at)):
                yield record, letter


def _plain(letter: DeadLetter) -> Letter:
    return Letter(
        letter.code,
        letter.detail,
        letter.topic,
        letter.partition,
        letter.offset,
        letter.recorded_at,
    )


def _coordinates(letter: DeadLetter) -> Coordinates:
    return Coordinates(letter.topic, letter.partition, letter.offset)


def _same(kept: Original | None, value: bytes | None) -> bool:
    if kept is None or value is None:
        return kept is None and value is None
    if kept.base64 is not None:
        return b64decode(kept.base64) == value
    return kept.sha256 == hashlib.sha256(value).hexdigest()


def _text(kept: Original | None) -> str | None:
    return None if kept is None else _decoded(kept.base64 or kept.head)


def _decoded(text: str | None) -> str | None:
    return None if text is None else b64decode(text).decode(errors="backslashreplace")
