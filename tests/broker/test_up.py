"""`creditfold up --demo` as a newcomer types it: all of it comes up, and Ctrl-C leaves nothing."""

import json
import os
import signal
import subprocess

import httpx
import pytest
from commands_rig import embedded
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from cli.support import command, environment

pytestmark = [pytest.mark.broker, pytest.mark.campaign]


@pytest.mark.usefixtures("kafka")  # where there is no broker to be had, it says so
def test_a_broker_topics_a_worker_and_the_demo_come_up_and_go_with_ctrl_c(tmp_path):
    (place := tmp_path / "temporary").mkdir()
    process = subprocess.Popen(
        command("up", "--demo", "--rows", 30, "--http-port", 0, "-o", "json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(TMPDIR=str(place)),
        start_new_session=True,  # a terminal's foreground group
    )
    try:
        demo, ready = (json.loads(process.stdout.readline()) for _ in range(2))
        shown = httpx.get(f"{ready['worker']}/v1/customers/c-001").json()
        AdminClient({"bootstrap.servers": ready["kafka"]}).list_topics(timeout=10)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=90)[1]
    assert process.returncode == 0, said
    assert said.splitlines()[-1].endswith("stopped")

    (alone,) = embedded("demo", "--rows", 30, "--data-dir", tmp_path / "embedded")
    assert alone["facts"] == demo["demo"]
    (wanted,) = embedded("customer", "show", "c-001", "--data-dir", tmp_path / "embedded")
    for name in ("blocks", "usable", "overage"):
        assert wanted[name] == shown[name]

    with pytest.raises(httpx.TransportError):
        httpx.get(f"{ready['worker']}/readyz")
    with pytest.raises(KafkaException):
        AdminClient({"bootstrap.servers": ready["kafka"], "log_level": 0}).list_topics(timeout=2)
    assert [] == list(place.iterdir())
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(place) not in running.stdout
