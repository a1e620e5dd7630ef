"""`mentu-replay serve --scenario FILE`: reads the arguments, loads the scenarios, serves."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bugcommand_operator.replay.scenario import Scenario, ScenarioError, load


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        scenarios = load(options.scenario)
    except ScenarioError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.action == "check":
        sys.stdout.writelines(f"{scenario.name}: {len(scenario.steps)} steps\n" for scenario in scenarios)
        return 0
    return _serve(scenarios, options.host, options.port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mentu-replay", description="A model server that plays scenarios.")
    actions = parser.add_subparsers(dest="action", required=True)
    serve = actions.add_parser("serve", help="answer the Messages API from scenarios")
    serve.add_argument("--host", default="0.0.0.0", help="address to listen on (default: all)")  # noqa: S104 a pod
    serve.add_argument("--port", type=int, default=8787)
    check = actions.add_parser("check", help="only read the scenarios, and say what is wrong with them")
    for action in (serve, check):
        action.add_argument(
            "--scenario",
            type=Path,
            action="append",
            required=True,
            help="a file or a folder; may be repeated",
        )
    return parser


def _serve(scenarios: tuple[Scenario, ...], host: str, port: int) -> int:
    import structlog
    import uvicorn

    from bugcommand_operator.replay.app import build

    structlog.configure(processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()])
    uvicorn.run(build(scenarios), host=host, port=port, log_level="warning", timeout_graceful_shutdown=2)
    return 0
