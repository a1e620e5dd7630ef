"""One shape for every log line of a process: our own, kopf's, uvicorn's and SQLAlchemy's alike.

JSON for machines (`ts`, `level`, `logger`, `event`, then what the line is about), or plain text for people.
"""

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LogFormat = Literal["json", "console"]


def set_up_logging(log_format: LogFormat = "json", level: str = "INFO") -> None:
    """Send everything to standard error in this format. Calling it again replaces what was there."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(), _only_plain_values],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderer(log_format)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of each plugin it loads
    for name in ("uvicorn", "uvicorn.error", "kopf"):  # they may have brought handlers of their own
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


def _renderer(log_format: LogFormat) -> list[Processor]:
    if log_format == "console":
        return [structlog.dev.ConsoleRenderer(colors=False)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]


def _only_plain_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Libraries hang live objects on their records (kopf its settings and references to objects): keep what can
    be written down, and name the Kubernetes object as `object`."""
    event.pop("color_message", None)  # uvicorn says it twice
    reference = event.pop("k8s_ref", None)
    if isinstance(reference, dict):
        parts = (reference.get("kind"), reference.get("namespace"), reference.get("name"))
        event["object"] = "/".join(str(part) for part in parts if part)
    meta = {key: value for key, value in event.items() if key.startswith("_")}
    plain = {key: value for key, value in event.items() if isinstance(value, (str, int, float, bool))}
    return {**plain, **meta, **({"exc_info": event["exc_info"]} if event.get("exc_info") else {})}
