"""The worker's own HTTP: is it alive, is it ready, its metrics, and balances of its partitions.

It runs in a thread with a loop of its own, so it answers before the worker has joined its group,
during recovery, and when the worker's loop hangs. A balance is read on the worker's loop, between
two batches, and is answered once all that it shows has been committed.

Limits: there is no password, so it listens on localhost unless told otherwise; the answer lists all
of a customer's blocks, and while it is made nothing is folded.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import structlog
import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from creditfold.contract.envelope import customer_id_fault
from creditfold.contract.partitions import partition_of
from creditfold.contract.snapshots import Snapshot
from creditfold.engine.app import Engine
from creditfold.worker.metrics import WorkerCollector
from creditfold.worker.vitals import Vitals

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
BALANCE_SECONDS = 5.0
STOP_SECONDS = 3
REQUESTS_MAX = 64
HEAD_BYTES_MAX = 16 * 1024
_COMMIT_LOOK_SECONDS = 0.005


class NotHere(Exception):  # noqa: N818  # it says what is the case
    """The partition is not folded by this worker just now."""


def api(vitals: Vitals) -> Starlette:
    """The routes; every one answers GET and HEAD only and reads no body."""
    registry = CollectorRegistry()
    registry.register(WorkerCollector(vitals))

    async def health(_: Request) -> Response:
        return _state(vitals.unhealthy(), "alive")

    async def ready(_: Request) -> Response:
        return _state(vitals.unready(), "ready")

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def customer(request: Request) -> Response:
        return await balance(vitals, request.path_params["customer"])

    @asynccontextmanager
    async def looking(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(_look(vitals))
        yield
        task.cancel()

    return Starlette(
        routes=[
            Route("/healthz", health),
            Route("/readyz", ready),
            Route("/metrics", metrics),
            Route("/v1/customers/{customer:path}", customer),  # an id may hold a slash
        ],
        lifespan=looking,
    )


async def _look(vitals: Vitals) -> None:
    while True:
        vitals.look()
        await asyncio.sleep(LOOK_SECONDS)


def _state(reasons: list[str], name: str) -> Response:
    return JSONResponse({name: not reasons, "reasons": reasons}, 503 if reasons else 200)


def _refused(status: int, error: str, detail: str, **more: Any) -> Response:  # noqa: ANN401  # any JSON value
    return JSONResponse({"error": error, "detail": detail, **more}, status)


async def balance(vitals: Vitals, customer: str) -> Response:
    """The customer's balances as of now, or who else has them, or why nobody can say."""
    fault = customer_id_fault(customer)
    if fault is not None:
        return _refused(400, "invalid_customer", fault)
    engine = vitals.engine
    if engine is None or not engine.metrics.ready:
        return _refused(503, "recovering", "; ".join(vitals.unready()) or "try again")
    partition = partition_of(customer.encode(), engine.config.partitions)
    if partition in engine.metrics.halted:
        return _refused(503, "halted", "the customer's partition is halted", partition=partition)
    if partition not in engine.metrics.partitions:
        return _elsewhere(vitals, partition)
    try:
        async with asyncio.timeout(BALANCE_SECONDS):
            snapshot = await _ask(vitals, engine, partition, customer)
    except TimeoutError:
        return _refused(503, "busy", f"no answer within {BALANCE_SECONDS:.0f} s; try again")
    except NotHere:
        return _refused(503, "moving", "the customer's partition is just moving; try again")
    if snapshot is None:
        return _refused(404, "unknown_customer", "no customer.created of this id was applied")
    return JSONResponse(snapshot.model_dump(mode="json", by_alias=True, exclude_none=True))


def _elsewhere(vitals: Vitals, partition: int) -> Response:
    owner = vitals.owners().get(partition)
    if owner is None:
        return _refused(503, "moving", "the customer's partition has no owner; try again")
    detail = f"partition {partition} is at {owner}; ask there"
    return _refused(421, "not_mine", detail, partition=partition, owner=owner)


async def _ask(vitals: Vitals, engine: Engine, partition: int, customer: str) -> Snapshot | None:
    """Read on the worker's loop, then wait until the batch that was just folded is committed."""
    loop, metrics = vitals.loop, engine.metrics
    assert loop is not None

    async def read() -> tuple[Snapshot | None, int]:
        mine = metrics.partitions.get(partition)
        folder = vitals.folding.folders.get(partition)
        if not metrics.ready or mine is None or mine.halted or folder is None:
            raise NotHere
        at = mine.log_time if folder.held else max(engine.clock.wall(), mine.log_time)
        return folder.balance(customer, at), folder.sealed

    mine = metrics.partitions.get(partition)
    snapshot, sealed = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(read(), loop))
    while mine is not None and mine.batches < sealed:
        await asyncio.sleep(_COMMIT_LOOK_SECONDS)
        if metrics.partitions.get(partition) is not mine:
            raise NotHere
    return snapshot


class HttpServer:
    """Serves an API from a thread; the address is taken at once, so a taken port shows at once."""

    def __init__(self, app: Starlette, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            http="h11",
            limit_concurrency=REQUESTS_MAX,
            h11_max_incomplete_event_size=HEAD_BYTES_MAX,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        log.info("http_listening", port=self.port)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS + 2)

    def _serve(self) -> None:
        try:
            asyncio.run(self._server.serve([self._socket]))
        except Exception:
            # the worker folds on; whoever asks /healthz in vain starts it again
            log.exception("http_failed")
