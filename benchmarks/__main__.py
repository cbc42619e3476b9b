"""Runs the benchmarks that are named, or all of them, and keeps what they found."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.results import Result, Run, load, machine
from benchmarks.sizes import QUICK, WHOLE, Size
from triton_deploy_storage.testing_fast_s3 import FastS3
from triton_deploy_storage.testing_s3 import CREDENTIALS

STORES = ("uploads", "deployments")
NAMES = (*STORES, "memory", "fleet", "predictions")
LATENCIES = (0.0, 0.02)


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"{', '.join(NAMES)}; default: all")
    parser.add_argument(
        "--latency", type=float, action="append", help="seconds per answer; default: 0 and 0.02"
    )
    parser.add_argument("--rounds", type=int, help="of which the best counts; default: 3")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the results there")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw them there (matplotlib)")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    return options


def main() -> None:
    options, before = parsed(), load()
    size = QUICK if options.quick else WHOLE
    size = replace(size, rounds=options.rounds) if options.rounds else size
    names, latencies = options.names or NAMES, options.latency or LATENCIES
    run = Run(tuple(shown(results(names, latencies, size))), machine(before), options.quick)
    if options.json:
        run.write(options.json)
    if options.plots:
        import_module("benchmarks.plots").draw(run, options.plots)


def results(names: Sequence[str], latencies: Sequence[float], size: Size) -> Iterator[Result]:
    os.environ.update(CREDENTIALS)
    for latency in latencies:
        for name in (name for name in STORES if name in names):
            with FastS3(latency=latency) as server, TemporaryDirectory() as directory:
                away = f"{latency * 1000:g} ms away"
                yield from module(name).run(server.endpoint, Path(directory), size, away)
    for name in (name for name in NAMES if name in names and name not in STORES):
        yield from module(name).run(size)


def module(name: str) -> Any:
    # Each needs libraries of its own.
    return import_module(f"benchmarks.{name}")


def shown(found: Iterable[Result]) -> Iterator[Result]:
    for result in found:
        mark = "*" if result.ours else " "
        print(
            f"{mark} {result.benchmark:12} {result.case:44} {result.way:28} "
            f"{result.value:9.4g} {result.unit:4} {result.ratio:7.2f} x {result.baseline}",
            flush=True,
        )
        yield result


if __name__ == "__main__":
    main()
