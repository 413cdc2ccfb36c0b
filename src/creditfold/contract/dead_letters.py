"""A record that is no event, kept so that it can be read again, and always small enough to keep."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable

from creditfold.contract.envelope import Undecodable
from creditfold.contract.outputs import DeadLetter, Original, OriginalHeader
from creditfold.core.times import rfc3339

WHOLE_BYTES_MAX = 64 * 1024
"""What is larger leaves its head, size and hash; the input topic keeps the rest for ever."""

HEAD_BYTES = 1024
DETAIL_CHARS_MAX = 500


def dead_letter(
    error: Undecodable,
    topic: str,
    partition: int,
    offset: int,
    recorded_at: int,
    key: bytes | None,
    value: bytes | None,
    headers: Iterable[tuple[str, bytes | None]],
) -> DeadLetter:
    """The letter of a record that `read_record` refused with this error."""
    kept: list[OriginalHeader] = []
    left_out, room = 0, WHOLE_BYTES_MAX
    for name, raw in headers:
        room -= len(name.encode(errors="replace")) + len(raw or b"") + _HEADER_COST
        if room < 0:
            left_out += 1
        else:
            kept.append(OriginalHeader(name=name, base64=None if raw is None else _text(raw)))
    return DeadLetter(
        code=error.code.value,
        detail=error.detail[:DETAIL_CHARS_MAX],
        topic=topic,
        partition=partition,
        offset=offset,
        recorded_at=rfc3339(recorded_at),
        key=_original(key),
        value=_original(value),
        headers=tuple(kept),
        headers_left_out=left_out,
    )


_HEADER_COST = 32
"""What one header costs besides its bytes."""


def _original(raw: bytes | None) -> Original | None:
    if raw is None:
        return None
    if len(raw) <= WHOLE_BYTES_MAX:
        return Original(base64=_text(raw), size=len(raw))
    sha256 = hashlib.sha256(raw).hexdigest()
    return Original(head=_text(raw[:HEAD_BYTES]), size=len(raw), sha256=sha256)


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()
