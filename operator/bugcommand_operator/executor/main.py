"""Starts an executor: connects, lists, watches, works. It only wires; nothing is decided here."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import time
from typing import Any, cast

import kopf
import structlog
import uvloop
from prometheus_client import REGISTRY, disable_created_metrics, start_http_server

from bugcommand_operator.cluster.client import Cluster
from bugcommand_operator.cluster.errors import ClusterError, Conflict
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.cluster.logging_setup import set_up_logging
from bugcommand_operator.executor import metrics
from bugcommand_operator.executor.act import Actor
from bugcommand_operator.executor.config import Config
from bugcommand_operator.executor.events import EventPoster
from bugcommand_operator.executor.handlers import register
from bugcommand_operator.executor.health import Health, serve
from bugcommand_operator.executor.keyed_queue import KeyedQueue
from bugcommand_operator.executor.kopf_storage import keep_nothing
from bugcommand_operator.executor.positions import Positions
from bugcommand_operator.executor.reconcile import Reconciler
from bugcommand_operator.executor.resync import Resync
from bugcommand_operator.executor.tails import Tails
from bugcommand_operator.executor.tracing import open_traces
from bugcommand_operator.executor.turns import Turns
from bugcommand_operator.executor.watches import Watches
from bugcommand_operator.executor.world import Key, World
from bugcommand_operator.executor.world_metrics import WorldMetrics
from bugcommand_operator.store.engine import open_reader
from bugcommand_operator.store.spawn_logs import SpawnLogs

log = structlog.get_logger()


def main() -> None:
    config = Config()
    set_up_logging("console" if config.log_format == "console" else "json", config.log_level)
    for chatty in ("kopf.objects", "aiohttp.access"):  # a line for each event that was handled, and for each probe
        logging.getLogger(chatty).setLevel(logging.WARNING)
    uvloop.run(run(config))


async def run(config: Config) -> None:
    async with await Cluster.connect() as cluster:
        await Executor(config, Kube(cluster)).run()


class Executor:
    def __init__(self, config: Config, kube: Kube) -> None:
        self._config = config
        identity, limits = config.identity(), config.limits()
        self._world = World(limits.ageing)
        self._events = EventPoster(kube, config.executor_id)
        self._watches = Watches()
        self._health = Health(self._watches)
        self._queue = KeyedQueue(self._timed_pass, waited=metrics.QUEUE_WAIT.observe)
        actor = Actor(kube, self._world, config.install())
        self._turns = Turns(self._world, identity, limits, self._queue.add_first)
        self._reconciler = Reconciler(kube, self._world, actor, self._events, identity, limits, self._turns)
        self._traces = open_traces()
        if self._traces is not None:
            self._reconciler.written.append(self._traces.written)
        self._positions = Positions(kube, self._world)
        self._resync = Resync(kube, self._world, config.namespaces, self._queue.add)
        lines = SpawnLogs(open_reader(config.database_url))
        self._tails = Tails(kube, self._world, lines, config.executor_id, self._queue.add)

    async def run(self) -> None:
        self._expose()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        pulse = asyncio.create_task(self._health.run())
        await self._first_list(stop)
        self._health.has_listed = True
        spare_the_collector()
        running = [pulse] + [
            asyncio.create_task(work)
            for work in (
                self._watch(stop),
                self._queue.run(),
                self._events.run(),
                self._resync.run(),
                self._tails.run(),
                self._positions.run(),
            )
        ]
        try:  # none of them ends by itself: a part that has died takes the process with it, to be started anew
            ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            if self._traces is not None:
                await asyncio.to_thread(self._traces.close)

    def _expose(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        metrics.QUEUE_DEPTH.set_function(lambda: len(self._queue))
        metrics.QUEUE_OLDEST.set_function(lambda: self._queue.oldest_seconds)
        config = self._config
        REGISTRY.register(WorldMetrics(self._world, config.executor_id, config.concurrency_limit))
        start_http_server(config.metrics_port)
        serve(self._health, config.liveness_port)

    async def _first_list(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._resync.once()
                return
            except ClusterError as error:
                log.warning("first list failed, trying again", error=str(error))
                await asyncio.sleep(1.0)

    async def _watch(self, stop: asyncio.Event) -> None:
        registry = kopf.OperatorRegistry()
        register(registry, self._world, self._queue.add, self._turns.call_up, self._watches)
        namespaces = self._config.namespaces
        await kopf.operator(
            registry=registry,
            settings=kopf_settings(self._config.watch_inactivity_seconds),
            identity=cast(Any, self._config.executor_id),  # else kopf asks for the user's name; a uid has none here
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
            stop_flag=stop,
        )

    async def _timed_pass(self, key: Key) -> float | None:
        began = time.monotonic()
        try:
            again = await self._reconciler.reconcile(key)
        except Conflict:
            metrics.PASSES.labels("conflict").inc()
            raise
        except Exception:
            metrics.PASSES.labels("failed").inc()
            raise
        finally:
            metrics.PASS_SECONDS.observe(time.monotonic() - began)
        metrics.PASSES.labels("done").inc()
        return again


def spare_the_collector() -> None:
    """What imports and the first list have left stays: looking through it again and again costs 90 ms each time."""
    gc.collect()
    gc.freeze()


def kopf_settings(inactivity_seconds: int) -> kopf.OperatorSettings:
    """A watch that stalls silently is given up on; kopf posts no Events and keeps nothing on our objects."""
    settings = kopf.OperatorSettings()
    keep_nothing(settings)
    settings.posting.enabled = False
    settings.posting.loggers = False
    settings.scanning.disabled = True  # it would need rights to read namespaces and CRDs, and we know our resources
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 30
    settings.watching.inactivity_timeout = inactivity_seconds
    return settings
