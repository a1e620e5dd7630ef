"""`python -m dev.demo`: runs the demo, tells what went wrong, ends with one JSON line for programs."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from rich.text import Text

from dev.demo import diagnose, progress
from dev.demo.errors import DemoError
from dev.demo.kubectl import Kubectl
from dev.demo.run import Demo
from dev.demo.screen import Screen
from dev.demo.settings import Settings, from_environment


def main() -> int:
    settings = from_environment(os.environ)
    screen = Screen()
    kubectl = Kubectl(settings.kubeconfig, settings.namespace)
    demo = Demo(settings, screen, kubectl)
    started = time.monotonic()
    error = ""
    try:
        demo.run()
        screen.show(Text(f"\nThe bug is fixed. The whole demo took {time.monotonic() - started:.0f} s.", "bold green"))
    except DemoError as failure:
        error = str(failure)
        _explain(screen, kubectl, settings, failure)
    except KeyboardInterrupt:
        error = "interrupted"
    print(json.dumps(_result(demo, error)), flush=True)
    return 0 if not error else 130 if error == "interrupted" else 1


def _explain(screen: Screen, kubectl: Kubectl, settings: Settings, failure: DemoError) -> None:
    screen.show(Text(f"\n{failure}", "bold red"))
    diagnose.show(screen, kubectl, settings)
    screen.show(Text(f"\n{failure}" + (f"\n{failure.hint}" if failure.hint else ""), "bold red"))


def _result(demo: Demo, error: str) -> dict[str, Any]:
    watch = demo.watch
    timeline = watch.seen.timeline if watch else progress.Timeline(0)
    result = progress.result(watch.command if watch else {}, timeline)
    return {**result, "error": error} if error else result


if __name__ == "__main__":
    sys.exit(main())
