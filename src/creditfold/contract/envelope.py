"""CloudEvents 1.0: what a record or a line says about itself, before anyone reads its data."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeAlias

from msgspec import Struct

from creditfold.contract.exact_json import NotJsonError, dump, parse
from creditfold.contract.instants import BadTimeError, parse_instant
from creditfold.contract.topics import CATALOG_TYPES, CUSTOMER_TYPES
from creditfold.core.times import rfc3339

NAME_BYTES_MAX = 255
EVENT_BYTES_MAX = 1_048_576
"""What one event may weigh; a broker's own limit is about the same."""

_FITS = NAME_BYTES_MAX // 4
"""So many characters fit, whatever they are."""

_HEADERS = ("ce_id", "ce_source", "ce_type", "ce_subject", "ce_time", "ce_recordedtime")

JSON = "application/json"
STRUCTURED = "application/cloudevents+json"
SPEC_VERSION = "1.0"
_JSON, _STRUCTURED, _SPEC_VERSION = JSON.encode(), STRUCTURED.encode(), SPEC_VERSION.encode()

Headers: TypeAlias = tuple[tuple[str, bytes], ...]

_control = re.compile(r"[\x00-\x1f\x7f-\x9f]").search


class Unreadable(StrEnum):
    """Why a record has no envelope: the reason code of its dead letter."""

    TOO_LARGE = "too_large"
    TOMBSTONE = "tombstone"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    NOT_CLOUDEVENTS = "not_cloudevents"
    ID_TOO_LONG = "id_too_long"
    BAD_TIME = "bad_time"
    NULL_KEY = "null_key"
    WRONG_KEY = "wrong_key"
    WRONG_PARTITION = "wrong_partition"


class Undecodable(Exception):  # noqa: N818  # it is a state of a record, as in "undecodable"
    """The record cannot be read as an event: it goes to the dead letters with this code."""

    def __init__(self, code: Unreadable, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


class Envelope(Struct, frozen=True, gc=False):
    """An event whose data nobody has judged yet. Times are microseconds.

    `subject` is the customer id, or None for a catalog fact. In `data`, numbers with a fraction
    are `exact_json.Number`.
    """

    id: str
    source: str
    type: str
    subject: str | None
    time: int
    data: dict[str, Any]
    recordedtime: int | None = None


@lru_cache(maxsize=16_384)  # a customer is named by each of its facts
def customer_id_fault(text: str) -> str | None:
    """What is wrong with a customer id, or None: NFC, 1 to 255 bytes, no control characters."""
    if not text or (len(text) > _FITS and _too_long(text)):
        return "a customer id has 1 to 255 bytes"
    if text.isascii():
        return None if text.isprintable() else "a customer id has no control characters"
    if _control(text):
        return "a customer id has no control characters"
    if not unicodedata.is_normalized("NFC", text):
        return "a customer id is written in Unicode NFC; normalise it where it is made"
    return None


def _too_long(text: str) -> bool:
    return len(text.encode()) > NAME_BYTES_MAX


def read_record(
    key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]
) -> Envelope:
    """The envelope of a Kafka record, in binary or structured mode; raises Undecodable."""
    if value is None:
        raise Undecodable(
            Unreadable.TOMBSTONE, "the record has no value; inputs are never deleted, resend it"
        )
    if len(value) > EVENT_BYTES_MAX:
        raise _too_large(len(value))
    listed = tuple(headers)
    found = dict(listed)
    if "ce_specversion" not in found or "content-type" not in found:
        # Some clients write Content-Type or CE_ID; the binding's names have no case.
        listed = tuple((name.lower(), raw) for name, raw in listed)
        found = dict(listed)
    if len(found) != len(listed):
        _refuse_repeated(listed)
    media = found.get("content-type")
    if media is not None and media != _JSON:
        media = media.lower().partition(b";")[0].strip()
        if media == _STRUCTURED:
            return _structured(_object(value, "the event"), key, keyed=True)
        if media != _JSON:
            raise Undecodable(Unreadable.NOT_JSON, f"content-type has to be {JSON}")
    if found.get("ce_specversion") != _SPEC_VERSION:
        raise _no_event(f"header ce_specversion has to be {SPEC_VERSION}")
    id_, source, type_, subject, time, recorded = _decoded(found)
    data = _object(value, "the data")
    return _envelope(id_, source, type_, subject, time, recorded, data, key, keyed=True)


def _refuse_repeated(headers: tuple[tuple[str, bytes | None], ...]) -> None:
    names = [name for name, _ in headers if name.startswith("ce_") or name == "content-type"]
    if len(set(names)) != len(names):
        raise _no_event("a header of the event stands twice; write each once")


def _decoded(found: Mapping[str, bytes | None]) -> list[str | None]:
    """The attributes in the order in which an envelope takes them."""
    raws = list(map(found.get, _HEADERS))
    try:
        return [None if raw is None else raw.decode() for raw in raws]
    except UnicodeDecodeError as error:
        name = _HEADERS[raws.index(error.object)]
        raise _no_event(f"header {name} is not UTF-8") from None


def read_line(line: bytes) -> Envelope:
    """The envelope of a structured event on a line of a file; raises Undecodable."""
    if len(line) > EVENT_BYTES_MAX:
        raise _too_large(len(line))
    return read_event(_object(line, "the event"))


def read_event(event: Mapping[str, Any]) -> Envelope:
    """The envelope of a structured event as `exact_json.parse` gives it; raises Undecodable."""
    return _structured(event, None, keyed=False)


def _structured(event: Mapping[str, Any], key: bytes | None, *, keyed: bool) -> Envelope:
    if event.get("specversion") != SPEC_VERSION:
        raise _no_event(f"specversion has to be {SPEC_VERSION}")
    media = event.get("datacontenttype", JSON)
    if not isinstance(media, str) or media.lower().partition(";")[0].strip() != JSON:
        raise Undecodable(Unreadable.NOT_JSON, f"datacontenttype has to be {JSON}")
    if "data_base64" in event:
        raise Undecodable(Unreadable.NOT_JSON, "write the data as JSON under data")

    data = event.get("data", {})
    if not isinstance(data, dict):
        raise Undecodable(Unreadable.NOT_AN_OBJECT, "the data has to be a JSON object")
    return _envelope(
        event.get("id"),
        event.get("source"),
        event.get("type"),
        event.get("subject"),
        event.get("time"),
        event.get("recordedtime"),
        data,
        key,
        keyed=keyed,
    )


def _envelope(
    id_: object,
    source: object,
    type_: object,
    subject: object,
    time: object,
    recorded: object,
    data: dict[str, Any],
    key: bytes | None,
    *,
    keyed: bool,
) -> Envelope:
    kind = _attribute("type", type_)
    return Envelope(
        _attribute("id", id_),
        _attribute("source", source),
        kind,
        _customer(kind, subject, key, keyed=keyed),
        _instant("time", time),
        data,
        None if recorded is None else _instant("recordedtime", recorded),
    )


def _attribute(name: str, text: object) -> str:
    if not isinstance(text, str) or not text:
        raise _no_event(f"the event has no {name}; CloudEvents require one")
    if (len(text) > _FITS and _too_long(text)) or (not text.isprintable() and _control(text)):
        raise Undecodable(
            Unreadable.ID_TOO_LONG,
            f"{name} has to fit {NAME_BYTES_MAX} UTF-8 bytes and have no control characters",
        )
    return text


def _instant(name: str, text: object) -> int:
    if not isinstance(text, str):
        raise Undecodable(Unreadable.BAD_TIME, f"the event has no {name} as text; write RFC 3339")
    try:
        return parse_instant(text)
    except BadTimeError as error:
        raise Undecodable(Unreadable.BAD_TIME, f"{name}: {error}") from None


def _customer(type_: str, subject: object, key: bytes | None, *, keyed: bool) -> str | None:
    """Whose event it is; None where it is about the catalog, or of a type nobody knows."""
    if subject is not None and not isinstance(subject, str):
        raise _no_event("the subject has to be text: the customer id")
    if type_ in CATALOG_TYPES:
        if subject is not None or key:
            raise Undecodable(
                Unreadable.WRONG_KEY, "a catalog fact has no subject and no key: it is for all"
            )
        return None
    if keyed:
        if not key:
            if subject is None and type_ not in CUSTOMER_TYPES:
                return None
            raise Undecodable(Unreadable.NULL_KEY, "set the record's key to the customer id")
        if subject is None:
            subject = _key_text(key)
        elif subject.encode() != key:
            raise Undecodable(
                Unreadable.WRONG_KEY, "the key differs from the subject; both are the customer id"
            )
    elif subject is None:
        if type_ not in CUSTOMER_TYPES:
            return None
        raise Undecodable(Unreadable.NULL_KEY, "set the subject to the customer id")
    fault = customer_id_fault(subject)
    if fault is not None:
        raise Undecodable(Unreadable.WRONG_KEY, fault)
    return subject


def _key_text(key: bytes) -> str:
    try:
        return key.decode()
    except UnicodeDecodeError:
        raise Undecodable(Unreadable.WRONG_KEY, "the key is not UTF-8") from None


def _object(text: bytes, what: str) -> dict[str, Any]:
    try:
        value = parse(text)
    except NotJsonError as error:
        raise Undecodable(Unreadable.NOT_JSON, f"{what} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Undecodable(Unreadable.NOT_AN_OBJECT, f"{what} has to be a JSON object")
    return value


def _no_event(detail: str) -> Undecodable:
    return Undecodable(Unreadable.NOT_CLOUDEVENTS, detail)


def _too_large(size: int) -> Undecodable:
    return Undecodable(
        Unreadable.TOO_LARGE, f"{size} bytes; an event has at most {EVENT_BYTES_MAX}"
    )


def write_binary(envelope: Envelope) -> tuple[bytes | None, bytes, Headers]:
    """(key, value, headers) of a Kafka record in binary mode; its bytes depend on nothing else."""
    headers = [
        ("ce_specversion", SPEC_VERSION.encode()),
        ("ce_id", envelope.id.encode()),
        ("ce_source", envelope.source.encode()),
        ("ce_type", envelope.type.encode()),
        ("ce_time", rfc3339(envelope.time).encode()),
    ]
    if envelope.subject is not None:
        headers.append(("ce_subject", envelope.subject.encode()))
    if envelope.recordedtime is not None:
        headers.append(("ce_recordedtime", rfc3339(envelope.recordedtime).encode()))
    headers.append(("content-type", JSON.encode()))
    key = None if envelope.subject is None else envelope.subject.encode()
    return key, dump(envelope.data), tuple(headers)


def write_structured(envelope: Envelope) -> bytes:
    """The whole event as one line of canonical JSON, without the line feed."""
    event: dict[str, object] = {
        "specversion": SPEC_VERSION,
        "id": envelope.id,
        "source": envelope.source,
        "type": envelope.type,
        "time": rfc3339(envelope.time),
        "datacontenttype": JSON,
        "data": envelope.data,
    }
    if envelope.subject is not None:
        event["subject"] = envelope.subject
    if envelope.recordedtime is not None:
        event["recordedtime"] = rfc3339(envelope.recordedtime)
    return dump(event)
