"""What is wrong with the settings for TLS and SASL, told apart by what the brokers answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from confluent_kafka import KafkaError

from creditfold.broker.connection import Connection
from creditfold.broker.probes import addresses, speaks_tls
from creditfold.broker.problems import code_of, is_refused

_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_WITH_PASSWORD: Final = frozenset({"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"})
_FILES: Final = ("ssl.ca.location", "ssl.certificate.location", "ssl.key.location")

CheckT = TypeVar("CheckT")


def settings_fault(options: Mapping[str, str]) -> tuple[str, str] | None:
    """What is wrong with the settings before anyone is asked, with advice; or None."""
    protocol = options.get("security.protocol", "PLAINTEXT").upper()
    if protocol not in _PROTOCOLS:
        return f"security.protocol {protocol} is unknown", f"use one of {', '.join(_PROTOCOLS)}"
    mechanism = options.get("sasl.mechanism") or options.get("sasl.mechanisms", "")
    if protocol.startswith("SASL"):
        needed = ["sasl.mechanism"] if not mechanism else []
        if mechanism.upper() in _WITH_PASSWORD:
            needed += [n for n in ("sasl.username", "sasl.password") if not options.get(n)]
        if needed:
            return f"{protocol} lacks {', '.join(needed)}", "set what is missing"
    elif mechanism or options.get("sasl.username"):
        return (
            f"SASL is set and security.protocol {protocol} does not use it",
            "set security.protocol to SASL_SSL, or SASL_PLAINTEXT on a network that is trusted",
        )
    for name in _FILES:
        if name in options and not Path(options[name]).is_file():
            return f"{name} names {options[name]}, which is no file", "correct the path"
    return None


def refusal(
    to: Connection, heard: Sequence[KafkaError], check: Callable[..., CheckT]
) -> Iterator[CheckT]:
    """The two checks where no metadata came: credentials refused, or no answer at all."""
    texts = "; ".join(dict.fromkeys(error.str() for error in heard))
    codes = {code_of(error) for error in heard}
    protocol = to.options.get("security.protocol", "PLAINTEXT")
    if any(is_refused(error) and code_of(error) != KafkaError._SSL for error in heard):
        yield check(
            "credentials",
            False,
            f"the brokers refuse the login: {_shown(texts, 'SASL')}",
            "correct sasl.mechanism, sasl.username and sasl.password",
        )
    elif KafkaError._SSL in codes or "SSL handshake" in texts:
        yield check(
            "credentials",
            False,
            f"TLS fails: {_shown(texts, 'SSL')}",
            "set ssl.ca.location to the authority that signed the broker's certificate, and "
            "connect by a name that stands in it; where it asks for a certificate, set "
            "ssl.certificate.location and ssl.key.location; a port without TLS needs another "
            "security.protocol",
        )
    elif "security.protocol" in texts or _needs_tls(to, protocol):
        yield check(
            "credentials",
            False,
            f"the port is reached and does not speak {protocol}",
            "the listener expects another security.protocol: SSL or SASL_SSL where it has TLS, "
            "SASL_PLAINTEXT where it has only a login",
        )
    else:
        yield check("credentials", None, "not looked at: nobody asked for them")
        yield check(
            "metadata",
            False,
            f"the port is open and no broker answers there ({_shown(texts, '')})",
            "see whether that is Kafka, whether it is frozen or still starting, and whether a "
            "proxy is in between",
        )


def _needs_tls(to: Connection, protocol: str) -> bool:
    if protocol.upper().endswith("SSL"):
        return False
    return any(speaks_tls(host, port, 2.0) for host, port in addresses(to.bootstrap)[:3])


def _shown(texts: str, word: str) -> str:
    """The most telling of the client's messages, in short."""
    parts = [part.strip() for part in texts.split(";")]
    telling = [part for part in parts if word.lower() in part.lower()] or parts
    return telling[0].rpartition("]: ")[2][:200]
