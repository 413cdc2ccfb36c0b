"""A worker with the engine's own `Security` folds on listeners that ask for a login or have TLS."""

import pytest
from kafka_fixtures import odd  # noqa: F401  # a fixture
from rig import Rig

pytestmark = [pytest.mark.broker]


@pytest.fixture
def strict(odd, tmp_path, request):  # noqa: F811  # the fixture it takes
    made = Rig(odd.bootstrap, tmp_path, request.node.name.strip("]").replace("[", "-")).create()
    yield made
    made.close()


def login(mechanism="PLAIN", password="good"):
    return {"protocol": "SASL_PLAINTEXT", "mechanism": mechanism, "username": "alice",
            "password": password}  # fmt: skip


@pytest.mark.parametrize("how", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "TLS"])
def test_a_worker_proves_itself_on_every_connection(strict, odd, how):  # noqa: F811  # the fixture
    """The group, the producers, the changelog's reader and the look at the start."""
    tls = how == "TLS"
    worker = strict.worker(
        "one",
        brokers=f"127.0.0.1:{odd.tls if tls else odd.login}",
        security={"protocol": "SSL", "ca_file": str(odd.certificate)} if tls else login(how),
    ).start()
    strict.send(500)
    strict.wait_for_outputs(500)
    strict.verify()
    assert worker.terminate() == 0
    worker.start()
    strict.send(100)
    strict.wait_for_outputs(600)
    strict.verify()


def test_a_wrong_password_ends_the_start_and_the_last_line_says_so(strict, odd):  # noqa: F811  # the fixture
    wrong = login(password="a wrong one")
    worker = strict.worker("one", brokers=f"127.0.0.1:{odd.login}", security=wrong).start()
    assert worker.wait() == 70
    assert "the brokers refuse the login" in worker.last_line
    assert "a wrong one" not in worker.log.read_text()


def test_a_certificate_that_nobody_vouches_for_ends_the_start(strict, odd):  # noqa: F811  # the fixture
    worker = strict.worker(
        "one", brokers=f"127.0.0.1:{odd.tls}", security={"protocol": "SSL"}
    ).start()
    assert worker.wait() == 70
    assert "TLS fails" in worker.last_line
