"""Runs the benchmarks that are named, or all of them, without latency and with it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import deployments, fleet, memory, uploads
from triton_deploy_storage.testing_fast_s3 import FastS3
from triton_deploy_storage.testing_s3 import CREDENTIALS

BENCHMARKS = {"uploads": uploads.run, "deployments": deployments.run}
OTHERS = ("memory", "fleet")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", help=f"{', '.join(BENCHMARKS)}, {', '.join(OTHERS)}; default: all"
    )
    parser.add_argument(
        "--latency", type=float, action="append", help="seconds per answer; default: 0 and 0.02"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of which the best counts")
    arguments = parser.parse_args()
    names = arguments.names or [*BENCHMARKS, *OTHERS]
    if unknown := set(names) - {*BENCHMARKS, *OTHERS}:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    os.environ.update(CREDENTIALS)
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores", flush=True)
    for latency in arguments.latency or [0.0, 0.02]:
        for name in BENCHMARKS.keys() & names:
            with FastS3(latency=latency) as server, TemporaryDirectory() as directory:
                print(f"\n## {name}, {latency * 1000:g} ms away", flush=True)
                BENCHMARKS[name](server.endpoint, Path(directory), arguments.rounds)
    if "memory" in names:
        memory.run()
    if "fleet" in names:
        fleet.run(arguments.rounds)


if __name__ == "__main__":
    main()
