"""Times as kubectl shows them: `41s`, `5m12s`, `3h`, `2d`. Pure."""

from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400
_STEPS = (
    (2 * _MINUTE, 1, "s", 0, ""), (10 * _MINUTE, _MINUTE, "m", 1, "s"), (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"), (2 * _DAY, _HOUR, "h", 0, ""), (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""), (8 * _YEAR, _YEAR, "y", _DAY, "d"),
)  # fmt: skip
"""Up to when, the unit, and the smaller one that is still told."""


def parsed(value: object) -> datetime | None:
    """A time of Kubernetes' API; None for what is absent or none."""
    try:
        given = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def age(value: object, now: datetime) -> str:
    since = parsed(value)
    return "<unknown>" if since is None else duration((now - since).total_seconds())


def duration(seconds: float) -> str:
    """Two units while the smaller one matters, then one, as kubectl rounds it: never up."""
    whole = max(int(seconds), 0)
    for until, each, unit, smaller_each, smaller in _STEPS:
        if whole < until:
            rest = whole % each // smaller_each if smaller_each else 0
            return f"{whole // each}{unit}{f'{rest}{smaller}' if rest else ''}"
    return f"{whole // _YEAR}y"
