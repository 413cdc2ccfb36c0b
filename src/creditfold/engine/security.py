"""What `Security` says, in the words of each client library."""

import ssl
from collections.abc import Mapping
from typing import Any

from faust.auth import SASLCredentials, SSLCredentials
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from creditfold.engine.config import Security
from creditfold.engine.errors import RefusedToStart

Credentials = SASLCredentials | SSLCredentials


def credentials(security: Security) -> Credentials | None:
    """Return what Faust hands to its own clients."""
    context = _context(security) if security.tls else None
    if security.sasl:
        return SASLCredentials(
            username=security.username,
            password=security.password,
            mechanism=security.mechanism,
            ssl_context=context,
        )
    return None if context is None else SSLCredentials(context)


def aiokafka(brokers: str, login: Credentials | None) -> Mapping[str, Any]:
    """Return the arguments with which aiokafka's clients connect."""
    return {"bootstrap_servers": brokers, **credentials_to_aiokafka_auth(login)}


def librdkafka(brokers: str, security: Security) -> dict[str, str]:
    """Return the settings with which confluent-kafka's clients connect."""
    settings = {
        "bootstrap.servers": brokers,
        "security.protocol": security.protocol,
        "sasl.mechanism": security.mechanism,
        "sasl.username": security.username,
        "sasl.password": security.password,
        "ssl.ca.location": security.ca_file,
        "ssl.certificate.location": security.certificate_file,
        "ssl.key.location": security.key_file,
        "ssl.key.password": security.key_password,
    }
    return {name: str(value) for name, value in settings.items() if value is not None}


def _context(security: Security) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=security.ca_file)
        if security.certificate_file is not None:
            # never None: OpenSSL would ask for the password on the terminal
            password = security.key_password or ""
            context.load_cert_chain(security.certificate_file, security.key_file, password)
    except OSError as error:
        files = (security.ca_file, security.certificate_file, security.key_file)
        named = ", ".join(str(each) for each in files if each is not None)
        raise RefusedToStart(f"TLS cannot be set up with {named}: {error}") from error
    return context
