"""The way out of the mail process: resolver, deliverer and queue, made as the configuration says."""

from __future__ import annotations

from pathlib import Path

from ..config import Config
from ..dns.resolver import Resolver
from ..intake.accept import Intake
from ..queue.runner import QueueRunner
from ..status.bus import Bus
from ..store.interface import Store
from ..transport.deliver import Deliverer


def make_runner(config: Config, home: Path, store: Store, bus: Bus, intake: Intake) -> QueueRunner:
    assert config.hostname is not None
    endpoint = config.resolver_endpoint
    resolver = Resolver([endpoint] if endpoint else None)
    deliverer = Deliverer(config.outbound, resolver, hostname=config.hostname, home=home)
    return QueueRunner(
        store=store, bus=bus, deliverer=deliverer, hostname=config.hostname, plan_report=intake.plan_report
    )
