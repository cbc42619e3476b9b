"""``python -m reliability [--store S3] [--scenario update] [--every N] [--report FILE]``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from reliability.scenarios import SCENARIOS
from reliability.sites import SITES
from reliability.sweep import Sweep


def main() -> int:
    """Sweep, print each death, and return 1 where anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m reliability")
    parser.add_argument("--store", choices=SITES, action="append", help="all if left out")
    parser.add_argument("--scenario", choices=SCENARIOS, action="append", help="all if left out")
    parser.add_argument("--every", type=int, default=1, help="die at each N-th step only")
    parser.add_argument("--seen", type=Path, help="write what was seen to this file, as JSON")
    arguments = parser.parse_args()
    seen = []
    for store in arguments.store or SITES:
        for name in arguments.scenario or SCENARIOS:
            with SITES[store]() as site, Sweep(SCENARIOS[name], site) as sweep:
                for death in sweep.deaths(every=arguments.every):
                    seen.append({"store": store, "scenario": name, **asdict(death)})
                    print(
                        f"{store} {name} {death.number}: {death.step}:",
                        f"runs {'+'.join(death.running) or 'nothing'},",
                        f"starts {'+'.join(death.started) or 'nothing'}",
                        *(f"WRONG: {text}" for text in death.wrong),
                        flush=True,
                    )
    if arguments.seen:
        arguments.seen.write_text(json.dumps(seen, indent=1) + "\n")
    wrong = sum(bool(row["wrong"]) for row in seen)
    print(f"{len(seen)} deaths, {wrong} with something wrong")
    return 1 if wrong or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
