"""Starts an executor: connects, lists, watches, works. It only wires; nothing is decided here."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
import sys
import time
from functools import partial
from typing import Any, cast

import kopf
import structlog
import uvloop
from prometheus_client import REGISTRY, disable_created_metrics, start_http_server

from bugcommand_operator.cluster import reach
from bugcommand_operator.cluster.client import Cluster
from bugcommand_operator.cluster.errors import ClusterError, Conflict
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.cluster.logging_setup import set_up_logging
from bugcommand_operator.core.observed import Command
from bugcommand_operator.core.policies.share import is_for_strangers
from bugcommand_operator.core.sharing import falls_to
from bugcommand_operator.executor import metrics, positions, resync, starting, tails
from bugcommand_operator.executor.act import Actor, unfenced
from bugcommand_operator.executor.asking import AT_ONCE, Sort
from bugcommand_operator.executor.config import Config
from bugcommand_operator.executor.events import EventPoster
from bugcommand_operator.executor.every import every
from bugcommand_operator.executor.fence import Fence
from bugcommand_operator.executor.handlers import Routes, register
from bugcommand_operator.executor.health import Health, serve
from bugcommand_operator.executor.joining import join
from bugcommand_operator.executor.keyed_queue import KeyedQueue
from bugcommand_operator.executor.kopf_storage import keep_nothing
from bugcommand_operator.executor.lease import CannotRun
from bugcommand_operator.executor.news import News
from bugcommand_operator.executor.reconcile import Reconciler
from bugcommand_operator.executor.registry import Registry
from bugcommand_operator.executor.sweeper import Sweeper
from bugcommand_operator.executor.tracing import open_traces
from bugcommand_operator.executor.turns import Turns
from bugcommand_operator.executor.watches import Watches
from bugcommand_operator.executor.world import Key, World
from bugcommand_operator.executor.world_metrics import WorldMetrics
from bugcommand_operator.store.engine import open_reader
from bugcommand_operator.store.spawn_logs import SpawnLogs

PASSES = sum(AT_ONCE.values()) + 16
"""At a time. Those that ask the API server are as many as have their turn (`asking.py`); the others never wait."""
EX_TEMPFAIL = 75
"""As in sysexits.h: nothing is wrong with us, somebody else is in the way, and it may be tried again later."""
log = structlog.get_logger()


def main(arguments: list[str] | None = None) -> None:
    config = configured(arguments)
    set_up_logging("console" if config.log_format == "console" else "json", config.log_level)
    for chatty in ("kopf.objects", "aiohttp.access"):  # a line for each event that was handled, and for each probe
        logging.getLogger(chatty).setLevel(logging.WARNING)
    spare_the_collector()
    try:
        uvloop.run(run(config))
    except CannotRun as error:
        log.error("cannot run", error=str(error))
        sys.exit(EX_TEMPFAIL)


def configured(arguments: list[str] | None) -> Config:
    """What the command line says comes before the environment."""
    parser = argparse.ArgumentParser(prog="mentu-executor", description="Claims BugCommands and runs them.")
    parser.add_argument("--id", dest="executor_id", help="this instance's id, stable over restarts (MENTU_EXECUTOR_ID)")
    parser.add_argument(
        "--solo", action="store_true", default=None, help="only as the one executor of its machine (MENTU_SOLO)"
    )
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    return Config(**given)


async def run(config: Config) -> None:
    async with await Cluster.connect() as cluster:
        await Executor(config, Kube(cluster)).run()


class Executor:
    def __init__(self, config: Config, kube: Kube) -> None:
        self._config = config
        self._reach = kube.reach
        identity, limits = config.identity(), config.limits()
        self._world = World(limits.ageing)
        self._registry = self._with_registry(kube)
        self._queue = KeyedQueue(self._timed_pass, PASSES, metrics.QUEUE_WAIT.observe, self._waits_to_ask)
        self._events = EventPoster(kube, config.executor_id, self._many_wait_for_their_claim)
        confirm = Fence(kube, self._world, self._registry).confirm if self._registry else unfenced
        actor = Actor(kube, self._world, config.install(), confirm)
        self._turns = Turns(self._world, identity, limits, self._queue.add_first)
        self._routes = Routes(self._world, self._queue.add, self._turns.call_up, self._queue.add_at_once)
        self._resync = resync.Resync(kube, self._world, config.namespaces, self._queue.add)
        news = News(self._world.echoes, self._routes.past_kopf)
        self._watches = Watches(news=news, watched_from=self._resync.watched_from, reach=self._reach)
        self._health = Health(self._watches, may_claim=self._may_claim)
        self._reconciler = Reconciler(kube, self._world, actor, self._events, identity, limits, self._turns)
        self._world.claim_was_shown = self._reconciler.claim_was_shown
        self._traces = open_traces()
        if self._traces is not None:
            self._reconciler.written.append(self._traces.written)
        self._positions = positions.Positions(kube, self._world, self._is_ours_to_place)
        self._sweeper = Sweeper(kube, self._world, self._events, config.sweep_grace())
        lines = SpawnLogs(open_reader(config.database_url))
        self._tails = tails.Tails(kube, self._world, lines, config.executor_id, self._queue.add)

    def _with_registry(self, kube: Kube) -> Registry | None:
        entry, world = self._config.entry(), self._world
        if entry is None:
            log.warning("there is no registry of executors: executors of this machine that have one take us for dead")
            return None
        registry = Registry(kube, entry, lambda: world.running(self._config.executor_id), self._look_at_all_anew)
        world.registry = registry.executors
        return registry

    def _look_at_all_anew(self) -> None:
        """An executor has come or gone: what it would have taken, and what it had, may be ours."""
        for key in list(self._world.commands.items):
            self._queue.add(key)

    def _is_ours_to_place(self, command: Command) -> bool:
        """One of all that are alive writes a command's place in the queue."""
        executors = self._world.registry()
        if is_for_strangers(command, self._config.machine_id, executors):
            return False
        return falls_to(self._config.executor_id, command.uid, (peer.id for peer in executors.live))

    def _many_wait_for_their_claim(self) -> bool:
        return len(self._world.called) > starting.FEW_CLAIMS

    async def _pulse(self) -> None:
        self._reach.pulse()

    async def _start_more(self) -> None:
        self._reconciler.starting.wake(self._queue.add_first)

    def _may_claim(self) -> bool:
        return self._registry is None or self._registry.executors().may_claim

    async def run(self) -> None:
        self._expose()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        pulse = asyncio.create_task(self._health.run())
        try:
            if self._registry is None or await join(self._registry, stop):
                await self._work(stop)
        finally:
            pulse.cancel()

    async def _work(self, stop: asyncio.Event) -> None:
        running = [asyncio.create_task(self._registry.run())] if self._registry else []
        try:
            await self._first_list(stop)
            if stop.is_set():
                return
            self._health.has_listed = True
            spare_the_collector()
            loops = (
                self._watch(stop),
                self._queue.run(),
                self._events.run(),
                every(reach.PULSE_SECONDS, self._pulse),
                every(resync.EVERY_SECONDS, self._resync.once),
                every(self._config.sweep_every_seconds, self._sweeper.once),
                every(tails.EVERY_SECONDS, self._tails.each_second),
                every(positions.EVERY_SECONDS, self._positions.round),
                every(starting.EVERY_SECONDS, self._start_more),
            )
            running += [asyncio.create_task(work) for work in loops]
            # None of them ends by itself: a part that has died takes the process with it, to be started anew.
            ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            if self._traces is not None:
                await asyncio.to_thread(self._traces.close)
            if self._registry is not None:
                await self._registry.leave()

    def _expose(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        metrics.QUEUE_DEPTH.set_function(lambda: len(self._queue) + len(self._reconciler.asking))
        metrics.QUEUE_OLDEST.set_function(
            lambda: max(self._queue.oldest_seconds, self._reconciler.asking.oldest_seconds)
        )
        metrics.STARTS_WAITING.set_function(lambda: self._reconciler.starting.waiting)
        for sort in Sort:
            metrics.TURNS_WAITING.labels(sort).set_function(partial(self._reconciler.asking.waiting, sort))
        metrics.MAY_CLAIM.set_function(self._may_claim)
        config = self._config
        REGISTRY.register(WorldMetrics(self._world, config.executor_id, config.concurrency_limit, self._alive))
        start_http_server(config.metrics_port)
        serve(self._health, config.liveness_port)

    def _alive(self) -> int | None:
        return len(self._registry.executors().live) if self._registry else None

    async def _first_list(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._resync.first()
                return
            except ClusterError as error:
                log.warning("first list failed, trying again", error=str(error))
                await asyncio.sleep(1.0)

    async def _watch(self, stop: asyncio.Event) -> None:
        registry = kopf.OperatorRegistry()
        register(registry, self._routes, self._watches)
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

    def _waits_to_ask(self, key: Key) -> bool:
        """Another pass does what the last one over it was to do."""
        return self._reconciler.asking.waits(key)

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
            if not self._waits_to_ask(key):
                metrics.PASS_SECONDS.observe(time.monotonic() - began)
        if not self._waits_to_ask(key):
            metrics.PASSES.labels("done").inc()
        return again


def spare_the_collector() -> None:
    """What is there by now stays, be it from imports or from the first list, of which it would take two thirds of the
    time to look through it again and again. What a pass leaves is hardly ever a cycle, so it is looked for seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def kopf_settings(inactivity_seconds: int) -> kopf.OperatorSettings:
    """A watch that stalls silently is given up on; kopf posts no Events and keeps nothing on our objects."""
    settings = kopf.OperatorSettings()
    keep_nothing(settings)
    settings.posting.enabled = False
    settings.posting.loggers = False
    settings.scanning.disabled = True  # it would need rights to read namespaces and CRDs, and we know our resources
    for kind in ("pods", "persistentvolumeclaims"):  # others' stay at the API server
        settings.watching.label_selectors["v1", kind] = resync.OURS
    settings.watching.chunk_size = 1  # we list ourselves (`kopf_lists.py`)
    settings.queueing.idle_timeout = 0.5  # an object that was shown is kept until its worker has rested for so long
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 30
    settings.watching.inactivity_timeout = inactivity_seconds
    return settings
