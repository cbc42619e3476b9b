"""Thirty processes at once create, update, delete, read and repair one name.

Usage: python thirty_processes.py REPOSITORY URL NAME TURNS; prints what happened as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from contextlib import closing
from random import Random

from triton_deploy_core import errors
from triton_deploy_core.package import Origin, TreePackage, VersionPackage
from triton_deploy_core.ports.store import Content
from triton_deploy_core.service import DeploymentService
from triton_deploy_storage import open_store
from triton_deploy_transport import connect
from triton_deploy_transport.pbtxt import PbtxtFormat

PROCESSES = 30
HONEST = (
    errors.DeploymentBusyError,
    errors.DeploymentExistsError,
    errors.DeploymentNotFoundError,
)
CONFIG = """\
platform: "ensemble"
max_batch_size: 0
input {{ name: "IN" data_type: TYPE_FP32 dims: [ 1 ] }}
output {{ name: "OUT" data_type: TYPE_FP32 dims: [ 1 ] }}
ensemble_scheduling {{
  step {{
    model_name: "base" model_version: -1
    input_map {{ key: "IN" value: "IN" }}
    output_map {{ key: "OUT" value: "OUT" }}
  }}
}}
parameters {{ key: "writer" value {{ string_value: "{writer}" }} }}
"""


def work(number: int, repository: str, url: str, name: str, turns: int) -> Counter[str]:
    random = Random(number)
    config = CONFIG.format(writer=number).encode()
    origin = Origin(f"models:/m/{number}", "triton", number)
    tree = TreePackage(origin, {"config.pbtxt": Content(config), "1/": Content(b"")})
    version = VersionPackage(origin, {"notes.txt": Content(b"%d" % number)}, config)
    outcomes: Counter[str] = Counter()
    with closing(connect(url, request_timeout=60.0)) as server:
        service = DeploymentService(open_store(repository), server, PbtxtFormat(), timeout=60.0)
        acts = {
            "create": lambda: service.create(name, random.choice([tree, version])),
            "update": lambda: service.update(name, random.choice([tree, version])),
            "delete": lambda: service.delete(name),
            "get": lambda: service.get(name),
            "list": service.list,
            "repair": service.repair,
        }
        for _ in range(turns):
            act = random.choices(list(acts), [6, 6, 2, 1, 1, 1])[0]
            try:
                acts[act]()
            except HONEST as error:
                outcomes[type(error).__name__] += 1
            except errors.DeployError as error:  # whatever else it is: the test names it
                outcomes[f"{act}: {type(error).__name__}: {error}"] += 1
            else:
                outcomes[f"{act} done"] += 1
    return outcomes


def main() -> None:
    repository, url, name, turns = sys.argv[1:]
    reading, writing = os.pipe()
    children = []
    for number in range(1, PROCESSES + 1):
        child = os.fork()
        if not child:
            outcomes = work(number, repository, url, name, int(turns))
            os.write(writing, json.dumps(outcomes).encode() + b"\n")
            os._exit(0)
        children.append(child)
    os.close(writing)
    total: Counter[str] = Counter()
    with os.fdopen(reading) as lines:
        for line in lines:
            total.update(json.loads(line))
    statuses = [os.waitpid(child, 0)[1] for child in children]
    print(json.dumps({"outcomes": total, "statuses": statuses}))


main()
