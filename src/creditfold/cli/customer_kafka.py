"""A customer as a worker tells it: any worker is asked, and the owner answers."""

from __future__ import annotations

import json
import time
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

from creditfold.cli import screen
from creditfold.cli.account import expires_next
from creditfold.cli.account_screen import show_account
from creditfold.cli.cluster import Cluster
from creditfold.cli.errors import CommandError, Exit

WORKER = "http://127.0.0.1:8080"
SECONDS = 15.0
"""How long a worker that recovers, or a partition that moves, is asked again."""

_TIMEOUT = 10.0
_PAUSE = 0.5
_HERE, _INVALID, _UNKNOWN, _ELSEWHERE, _LATER = 200, 400, 404, 421, 503


def show_customer(run: Cluster, customer: str, worker: str | None) -> None:
    """Ask and show."""
    view = ask((worker or WORKER).rstrip("/"), customer, run)
    if run.json:
        screen.emit({"customer": customer, **view})
        return
    more: dict[str, Any] = {
        "expires_next": expires_next(view["blocks"]),
        "invoices": [],
        "statements": [],
        "last": [],
        "facts": 0,
    }
    show_account(screen.console(), {"customer": customer, **view, **more}, run)


def ask(url: str, customer: str, run: Cluster) -> dict[str, Any]:
    """The snapshot of the worker that owns the customer's partition."""
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"--worker {url} is no URL: write http://host:port")
    deadline = time.monotonic() + SECONDS
    at = url
    while True:
        status, answer = _get(f"{at}/v1/customers/{quote(customer, safe='')}", at)
        if status == _HERE:
            return answer
        detail = screen.clean(answer.get("detail", ""))
        if status == _UNKNOWN:
            raise CommandError(
                f"there is no customer {screen.clean(customer)}: publish the customer.created "
                f"fact, or see what became of it by {run.command('trace EVENT_ID')}",
                Exit.REFUSED,
            )
        if status == _INVALID:
            raise CommandError(f"{screen.clean(customer)} is no customer's id: {detail}")
        if status not in {_ELSEWHERE, _LATER}:
            raise CommandError(
                f"{at} answers {status}, as no worker does: correct --worker", Exit.STORAGE
            )
        if time.monotonic() > deadline:
            raise CommandError(
                f"the worker at {at} cannot tell just now ({detail}): see {at}/readyz, and ask "
                "again",
                Exit.STORAGE,
            )
        owner = answer.get("owner") if status == _ELSEWHERE else None
        if at == url and isinstance(owner, str) and owner.rstrip("/") != url:
            at = owner.rstrip("/")
        else:
            at = url  # whoever was named has lost it since: ask anew
            time.sleep(_PAUSE)


def _get(url: str, at: str) -> tuple[int, dict[str, Any]]:
    opener = build_opener(ProxyHandler({}))  # workers are neighbours, not behind a proxy
    try:
        with opener.open(url, timeout=_TIMEOUT) as answer:
            status, text = answer.status, answer.read()
    except HTTPError as error:
        status, text = error.code, error.read()
    except (URLError, OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise CommandError(
            f"no worker answers at {at} ({reason}): start one (`creditfold worker`), or name "
            "another by --worker URL",
            Exit.STORAGE,
        ) from error
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    return status, parsed if isinstance(parsed, dict) else {}
