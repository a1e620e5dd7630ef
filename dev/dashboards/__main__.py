"""Writes the dashboards into the chart; with --check says which are not as the code makes them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dev.dashboards.catalog import DASHBOARDS, as_json

FOLDER = Path(__file__).parents[2] / "helm/mentu-operator/dashboards"


def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when something differs")
    wanted = {FOLDER / f"{name}.json": as_json(build()) for name, build in DASHBOARDS.items()}
    if parser.parse_args().check:
        stale = [str(path) for path, text in wanted.items() if not path.exists() or path.read_text() != text]
        stale += [str(path) for path in FOLDER.glob("*.json") if path not in wanted]
        sys.exit(f"not as the code makes them, run `make dashboards`: {', '.join(stale)}" if stale else 0)
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
