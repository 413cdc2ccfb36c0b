"""Questions to a host and its port, below any Kafka client; each ends within its seconds."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Mapping

_API_VERSIONS = 18
_DESCRIBE_TRANSACTIONS = 65  # since Kafka 3.0

NEWER = "use Kafka 3.0 or newer, better 4"


def addresses(bootstrap: str) -> list[tuple[str, int]]:
    """Hosts and ports of a bootstrap list; ValueError says which entry is none."""
    found = []
    for entry in bootstrap.split(","):
        host, colon, port = entry.strip().rpartition(":")
        if not colon or not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise ValueError(entry.strip())
        found.append((host.strip("[]"), int(port)))
    return found


def fault(host: str, port: int, seconds: float) -> str | None:
    """Why no connection can be made from here, or None."""
    resolved = _resolved(host, port, seconds)
    if isinstance(resolved, str):
        return resolved
    why = ""
    for family, place in resolved:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.settimeout(seconds)
                probe.connect(place)
                return None
        except TimeoutError:
            why = f"no answer within {seconds:.0f} s (a firewall, or a host that is off)"
        except ConnectionRefusedError:
            why = "the connection is refused (nothing listens there)"
        except OSError as error:
            why = f"it cannot be reached ({error.strerror or error})"
    return why


def _resolved(
    host: str, port: int, seconds: float
) -> list[tuple[socket.AddressFamily, tuple[object, ...]]] | str:
    """Addresses of a name, or why it has none; the resolver itself knows no time limit."""
    answers: list[list[tuple[socket.AddressFamily, tuple[object, ...]]]] = []

    def ask() -> None:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.append([(info[0], info[4]) for info in infos])
        except (OSError, UnicodeError):
            answers.append([])

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    if not answers:
        return f"the name was not resolved within {seconds:.0f} s"
    return answers[0] or "the name does not resolve from here"


def tls(options: Mapping[str, str]) -> ssl.SSLContext | None:
    """The TLS that librdkafka's settings ask for, or None."""
    if options.get("security.protocol", "").upper() not in {"SSL", "SASL_SSL"}:
        return None
    context = ssl.create_default_context(cafile=options.get("ssl.ca.location"))
    if "ssl.certificate.location" in options:
        context.load_cert_chain(
            options["ssl.certificate.location"],
            options.get("ssl.key.location"),
            options.get("ssl.key.password"),
        )
    if options.get("ssl.endpoint.identification.algorithm") == "none":
        context.check_hostname = False
    if options.get("enable.ssl.certificate.verification") == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def speaks_tls(host: str, port: int, seconds: float) -> bool:
    """Whether a TLS handshake succeeds there, with whatever certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), seconds) as plain:
            plain.settimeout(seconds)
            context.wrap_socket(plain).close()
    except OSError:
        return False
    return True


def api_versions(
    host: str, port: int, options: Mapping[str, str], seconds: float
) -> dict[int, tuple[int, int]]:
    """Least and greatest version of each request that the broker takes; OSError where it fails.

    The client library asks the same and keeps the answer to itself. Brokers answer this before
    anyone has logged in.
    """
    client = b"creditfold-doctor"
    request = struct.pack(">hhih", _API_VERSIONS, 0, 1, len(client)) + client
    context = tls(options)
    with socket.create_connection((host, port), seconds) as plain:
        plain.settimeout(seconds)
        stream = context.wrap_socket(plain, server_hostname=host) if context else plain
        try:
            stream.sendall(struct.pack(">i", len(request)) + request)
            size = struct.unpack(">i", _exactly(stream, 4))[0]
            if not 0 < size < 1 << 20:
                raise OSError("what answers there is not Kafka")
            answer = _exactly(stream, size)
        finally:
            stream.close()
    _, error, count = struct.unpack_from(">ihi", answer)
    if error or len(answer) < 10 + 6 * count:
        raise OSError(f"the broker refuses to say what it speaks (error {error})")
    ranges = (struct.unpack_from(">hhh", answer, 10 + 6 * i) for i in range(count))
    return {key: (least, greatest) for key, least, greatest in ranges}


def too_old(spoken: Mapping[int, tuple[int, int]]) -> bool:
    """Whether this is a broker of Kafka 2 or before, whose transactions no one can look into."""
    return _DESCRIBE_TRANSACTIONS not in spoken


def _exactly(stream: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = stream.recv(size - len(data))
        if not part:
            raise OSError("the connection was closed without an answer")
        data += part
    return data
