"""Starts the executor beside others on this machine: the same process, its liveness endpoint on a port of its own."""

from __future__ import annotations

import os

from bugcommand_operator.executor import main

if __name__ == "__main__":
    main.LIVENESS_URL = f"http://127.0.0.1:{os.environ['BENCH_LIVENESS_PORT']}/healthz"
    main.main()
