"""Every client of the engine connects the same way, and says early what cannot work."""

import ssl
import subprocess

import pytest
from confluent_kafka.admin import AdminClient

from creditfold.engine.config import Security
from creditfold.engine.errors import RefusedToStart
from creditfold.engine.security import aiokafka, credentials, librdkafka

LOGIN = {"mechanism": "SCRAM-SHA-512", "username": "alice", "password": "good"}


def clients(security):
    return aiokafka("localhost:1", credentials(security)), librdkafka("localhost:1", security)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate that signs itself, and its key, locked by `secret`."""
    files = [tmp_path_factory.mktemp("tls") / name for name in ("certificate.pem", "key.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-subj", "/CN=localhost",
         "-passout", "pass:secret", "-out", files[0], "-keyout", files[1]],
        check=True, capture_output=True)  # fmt: skip
    return files


def test_without_a_word_the_cluster_is_open():
    faust, confluent = clients(Security())
    assert faust == {"bootstrap_servers": "localhost:1", "security_protocol": "PLAINTEXT"}
    assert confluent == {"bootstrap.servers": "localhost:1", "security.protocol": "PLAINTEXT"}


def test_a_login_reaches_both_libraries():
    faust, confluent = clients(Security("SASL_PLAINTEXT", **LOGIN))
    assert faust == {
        "bootstrap_servers": "localhost:1",
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "alice",
        "sasl_plain_password": "good",
        "ssl_context": None,
    }
    assert confluent == {
        "bootstrap.servers": "localhost:1",
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "alice",
        "sasl.password": "good",
    }


@pytest.mark.parametrize("login", [{}, LOGIN])
def test_tls_checks_the_broker_s_name_and_shows_the_worker_s_certificate(certificate, login):
    own, key = certificate
    protocol = "SASL_SSL" if login else "SSL"
    security = Security(
        protocol, **login, ca_file=own, certificate_file=own, key_file=key, key_password="secret"
    )
    faust, confluent = clients(security)
    assert faust["security_protocol"] == protocol
    context = faust["ssl_context"]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.cert_store_stats()["x509"] == 1
    AdminClient(confluent)  # librdkafka reads the files when the client is made


def test_a_locked_key_without_its_password_is_refused_and_asks_nobody(certificate):
    own, key = certificate
    with pytest.raises(RefusedToStart, match=r"TLS cannot be set up with .*key\.pem"):
        credentials(Security("SSL", certificate_file=own, key_file=key))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RefusedToStart, match=r"missing\.pem"):
        credentials(Security("SSL", ca_file=tmp_path / "missing.pem"))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"protocol": "TLS"}, "protocol TLS is none of PLAINTEXT, SSL"),
        ({"protocol": "SASL_SSL", "mechanism": "GSSAPI"}, "mechanism GSSAPI is none of PLAIN"),
        ({"protocol": "SASL_SSL", "mechanism": "PLAIN", "username": "a"}, "and a password"),
    ],
)
def test_what_cannot_work_is_refused(wrong, named):
    with pytest.raises(ValueError, match=named):
        Security(**wrong)


def test_passwords_are_not_shown():
    shown = repr(Security("SASL_PLAINTEXT", **LOGIN, key_password="secret"))
    assert "good" not in shown
    assert "secret" not in shown
