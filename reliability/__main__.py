"""``python -m reliability [--store s3] [--scenario update] [--fault death] [--every N]``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from itertools import product
from pathlib import Path

from reliability.plug import Fault
from reliability.scenarios import SCENARIOS
from reliability.sites import SITES
from reliability.sweep import Sweep


def main() -> int:
    """Sweep, print each fault, and return 1 where anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m reliability")
    parser.add_argument("--store", choices=SITES, action="append", help="all if left out")
    parser.add_argument("--scenario", choices=SCENARIOS, action="append", help="all if left out")
    parser.add_argument(
        "--fault", choices=[fault.value for fault in Fault], action="append", help="all if left out"
    )
    parser.add_argument("--every", type=int, default=1, help="at each N-th step only")
    parser.add_argument("--seen", type=Path, help="write what was seen to this file, as JSON")
    arguments = parser.parse_args()
    seen = []
    chosen = product(
        arguments.fault or [fault.value for fault in Fault],
        arguments.store or SITES,
        arguments.scenario or SCENARIOS,
    )
    for fault, store, name in chosen:
        with SITES[store]() as site, Sweep(SCENARIOS[name], Fault(fault), site) as sweep:
            for happening in sweep.happenings(every=arguments.every):
                seen.append({"fault": fault, "store": store, "scenario": name, **asdict(happening)})
                print(
                    f"{fault} {store} {name} {happening.number}: {happening.step}:",
                    f"runs {'+'.join(happening.running) or 'nothing'},",
                    f"starts {'+'.join(happening.started) or 'nothing'}",
                    *(f"WRONG: {text}" for text in happening.wrong),
                    flush=True,
                )
    if arguments.seen:
        arguments.seen.write_text(json.dumps(seen, indent=1) + "\n")
    wrong = sum(bool(row["wrong"]) for row in seen)
    print(f"{len(seen)} faults, {wrong} with something wrong")
    return 1 if wrong or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
