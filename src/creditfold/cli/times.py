"""Instants as people type them."""

from __future__ import annotations

from creditfold.cli.errors import CommandError
from creditfold.contract.instants import BadTimeError, parse_instant


def instant(text: str | None, option: str) -> int | None:
    """Microseconds; a day alone is its beginning in UTC."""
    if text is None:
        return None
    whole = f"{text}T00:00:00Z" if len(text) == len("2026-01-31") else text
    try:
        return parse_instant(whole)
    except BadTimeError as error:
        raise CommandError(f"{option} {text}: {error}") from None
