"""How the demo's findings look. Pure: text in, rich text out; what agents wrote is shown as text, never obeyed."""

from __future__ import annotations

import re

from rich.text import Text

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_DIFF = (("+++", "bold"), ("---", "bold"), ("@@", "cyan"), ("diff ", "bold"), ("+", "green"), ("-", "red"))
_PHASES = {"Succeeded": "bold green", "Failed": "bold red", "Refused": "bold red", "Cancelled": "bold yellow"}


def clean(text: str) -> str:
    """Without colours, cursor moves, titles, clipboard writes or bells."""
    return _CONTROL.sub("", text)


def log_line(line: str, width: int = 0) -> Text:
    shown = clean(line)
    if width and len(shown) > width:
        shown = shown[: width - 1] + "…"
    return Text(f"    │ {shown}", style="dim")


def phase_line(phase: str, seconds: float, reason: str = "") -> Text:
    text = Text(f"  {seconds:6.1f} s  ")
    text.append(f"{phase:<11}", style=_PHASES.get(phase, "bold cyan"))
    return text.append(clean(reason)) if reason else text


def done_line(title: str, seconds: float) -> Text:
    return Text.assemble(("✓ ", "green"), title, (f"  {seconds:.1f} s", "dim"))


def failed_line(title: str, seconds: float) -> Text:
    return Text.assemble(("✗ ", "bold red"), title, (f"  {seconds:.1f} s", "dim"))


def diff(text: str) -> Text:
    lines = [Text(f"    {clean(line)}", style=_diff_style(line)) for line in text.rstrip("\n").split("\n")]
    return Text("\n").join(lines)


def _diff_style(line: str) -> str:
    return next((style for start, style in _DIFF if line.startswith(start)), "")


def indented(text: str, last: int = 20) -> Text:
    lines = clean(text).rstrip("\n").split("\n")[-last:]
    return Text("\n".join(f"    {line}" for line in lines), style="dim")


def times(seconds: dict[str, float | None]) -> Text:
    parts = [f"{name} {value:.1f} s" for name, value in seconds.items() if value is not None]
    return Text("  " + ", ".join(parts))
