"""What people write for times: `10m`, `1h30m`, `2026-01-01T12:00:00Z`. Pure."""

import re
from datetime import UTC, datetime, timedelta

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MOST = 100 * 366 * 86400.0


def seconds(text: str) -> float:
    """A duration: `2s`, `1h30m`, or a number of seconds. Raises ValueError with an example."""
    plain = text.strip()
    parts = _PART.findall(plain)
    if parts and "".join(number + unit for number, unit in parts) == plain:
        total = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    elif re.fullmatch(r"\d+(\.\d+)?", plain):
        total = float(plain)
    else:
        raise ValueError(f"{text!r} is no duration: write 30s, 10m, 2h or 1h30m")
    if total > _MOST:
        raise ValueError(f"{text!r} is longer than a hundred years")
    return total


def moment(text: str, now: datetime) -> datetime:
    """The time that long ago, or the timestamp itself (in UTC unless it says otherwise)."""
    try:
        return now - timedelta(seconds=seconds(text))
    except ValueError as error:
        try:
            given = datetime.fromisoformat(text.strip())
        except ValueError:
            hint = f"{text!r} is neither a duration (10m, 2h) nor a timestamp (2026-01-01T12:00:00Z)"
            raise ValueError(hint) from error
        return given if given.tzinfo else given.replace(tzinfo=UTC)
