"""What the bridge hears and does, as typed events: in the log, and counted in `mentu_bridge_events_total`."""

from dataclasses import asdict, dataclass

import structlog
from prometheus_client import CollectorRegistry, Counter

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CommandInserted:
    """A row is new."""

    command_id: str


@dataclass(frozen=True, slots=True)
class CommandUpdated:
    """A row has changed, by us or by others."""

    command_id: str
    status: str


@dataclass(frozen=True, slots=True)
class Connected:
    """The database tells of its changes from now on."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """It does not; the table is looked at instead, now and then."""

    error: str


@dataclass(frozen=True, slots=True)
class Error:
    """Something could not be done; it is tried again where that can help."""

    doing: str
    error: str
    command_id: str = ""


Event = CommandInserted | CommandUpdated | Connected | Disconnected | Error
_KINDS = (CommandInserted, CommandUpdated, Connected, Disconnected, Error)


class Events:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._count = Counter(
            "mentu_bridge_events_total", "Events of the bridge, by type.", ["type"], registry=registry
        )
        for kind in _KINDS:
            self._count.labels(kind.__name__)  # a counter that is there from the beginning shows its first increase

    def emit(self, event: Event) -> None:
        kind = type(event).__name__
        self._count.labels(kind).inc()
        log = _log.warning if isinstance(event, (Error, Disconnected)) else _log.info
        log(kind, **{name: value for name, value in asdict(event).items() if value})
