"""Commands on one cluster, in processes of their own, and the worker that one of them starts."""

import signal
import subprocess
import time
from contextlib import contextmanager, suppress

import httpx

from cli.support import command, documents, environment, run
from creditfold.broker.connection import connection
from creditfold.broker.jars import free_port
from creditfold.worker.resend import folded, waiting

APPLICATION = "creditfold"


def embedded(*words):
    """The command without a cluster; its JSON lines."""
    done = run(*words, "-o", "json")
    assert done.returncode == 0, (words, done.stdout[-3000:], done.stderr[-3000:])
    return documents(done.stdout.decode())


class Commands:
    """Commands on one cluster, in processes of their own."""

    def __init__(self, at):
        self.at = at

    def run(self, *words, code=0):
        done = subprocess.run(
            command(*words, "--kafka", self.at),
            capture_output=True,
            text=True,
            env=environment(COLUMNS="160"),
            timeout=600,
            check=False,
        )
        assert done.returncode == code, (words, done.stdout[-3000:], done.stderr[-3000:])
        return done

    def json(self, *words, code=0):
        return documents(self.run(*words, "-o", "json", code=code).stdout)

    @contextmanager
    def worker(self, place, partitions):
        """A worker with its state and log in a directory, ready; it ends with 0 when told to."""
        port = free_port()
        words = command("worker", "--kafka", self.at, "--partitions", partitions, "--http-port",
                        port, "--state-dir", place / "state", "--standbys", 0,
                        "--log-format", "json")  # fmt: skip
        with (place / "worker.log").open("wb") as output:
            process = subprocess.Popen(words, stdout=output, stderr=output, env=environment())
        worker = Worker(self.at, f"http://127.0.0.1:{port}", partitions, process, place)
        try:
            until(worker.ready, 60, worker.told)
            yield worker
            process.send_signal(signal.SIGTERM)
            assert process.wait(40) == 0, worker.told()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


class Worker:
    """A worker that was started by its command."""

    def __init__(self, at, url, partitions, process, place):
        self.url = url
        self._at, self._partitions, self._process = connection(at), partitions, process
        self._log = place / "worker.log"

    def told(self):
        return self._log.read_text()[-3000:]

    def ready(self):
        assert self._process.poll() is None, self.told()
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz").status_code == 200
        return False

    def has_folded_all(self, seconds=60):
        """Return once each record of the input topics is in a committed batch."""

        def done():
            assert self._process.poll() is None, self.told()
            nexts = folded(self._at, APPLICATION, self._partitions)
            return not any(waiting(self._at, p, nexts[p]) for p in range(self._partitions))

        until(done, seconds, self.told)


def until(what, seconds, why):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, why()
        time.sleep(0.2)
