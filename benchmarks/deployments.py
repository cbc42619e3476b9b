"""List and delete many deployments of four files each."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import obstore
from obstore.store import S3Store as Bucket

from benchmarks.libraries import BUCKET, IN_FLIGHT, OBSTORE, boto3_client, for_each, obstore_bucket
from benchmarks.measuring import Way, compare
from benchmarks.results import Result
from benchmarks.sizes import Size
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import Origin
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.single_server import SingleServer
from triton_deploy_core.ports.store import Content, Transfer
from triton_deploy_core.records import Record
from triton_deploy_core.service import DeploymentService
from triton_deploy_storage.s3 import S3Store
from triton_deploy_transport.pbtxt import PbtxtFormat

ROOT = "repository/"


class EverythingServes(SingleServer):
    """A server that has loaded all, and takes no time to say so."""

    url = "nowhere"

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def loaded(self) -> frozenset[tuple[str, int]]:
        return frozenset((name, 1) for name in self._names)


def run(endpoint: str, _: Path, size: Size, away: str) -> list[Result]:
    names = [f"model-{number:04}" for number in range(size.deployments)]
    client, bucket = boto3_client(endpoint), obstore_bucket(endpoint)
    client.create_bucket(Bucket=BUCKET)
    store = S3Store(f"s3://{endpoint}/{BUCKET}/{ROOT.strip('/')}")
    server: Any = EverythingServes(names)
    service = DeploymentService(store, server, PbtxtFormat())
    files = [transfer for name in names for transfer in deployment(name, store.location)]
    keys = [transfer.key for transfer in files]

    def fill() -> None:
        store.transfer(files, NoProgress())

    fill()
    # Once, so that no way pays for a connection that another has made.
    assert len(service.list()) == len(names)
    by_obstore = obstore_of(bucket, len(names))
    one_by_one = partial(delete_one_by_one, client, keys)
    return [
        *compare(
            "deployments",
            f"list {len(names):,} deployments, {away}",
            [
                Way("one by one", partial(list_one_by_one, client), rounds=1),
                Way(OBSTORE, by_obstore),
                Way("this project", service.list, ours=True),
                Way("this project, a new client", partial(list_anew, store, server), ours=True),
            ],
            baseline=OBSTORE,
            rounds=size.rounds,
        ),
        *compare(
            "deployments",
            f"delete their {len(keys):,} files, {away}",
            [
                Way("one by one", one_by_one, fill, 1),
                Way(OBSTORE, lambda: obstore.delete(bucket, [ROOT + key for key in keys]), fill),
                Way("this project", lambda: store.delete(keys), fill, ours=True),
            ],
            baseline=OBSTORE,
            rounds=size.rounds,
        ),
    ]


def deployment(name: str, location: str) -> list[Transfer]:
    record = Record.of(DeploymentName(name), location, Origin(f"models:/{name}/1", "onnx", 1))
    contents = {
        "mlflow-meta.json": record.encode(),
        "config.pbtxt": b'backend: "onnxruntime"\n',
        "labels.txt": b"setosa\n",
        "1/model.onnx": b"x" * 4096,
    }
    return [Transfer(f"{name}/{path}", Content(data)) for path, data in contents.items()]


def list_one_by_one(client: Any) -> None:
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=BUCKET, Prefix=ROOT, Delimiter="/"
    )
    for page in pages:
        for item in page["CommonPrefixes"]:
            key = f"{item['Prefix']}mlflow-meta.json"
            json.loads(client.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def obstore_of(bucket: Bucket, count: int) -> Callable[[], None]:
    def read(directory: str) -> object:
        return json.loads(bytes(obstore.get(bucket, f"{directory}/mlflow-meta.json").bytes()))

    def act() -> None:
        found = obstore.list_with_delimiter(bucket, ROOT.strip("/"))["common_prefixes"]
        assert len(for_each(read, found, IN_FLIGHT)) == count

    return act


def list_anew(store: S3Store, server: Any) -> None:
    DeploymentService(S3Store(store.location), server, PbtxtFormat()).list()


def delete_one_by_one(client: Any, keys: list[str]) -> None:
    for key in keys:
        client.delete_object(Bucket=BUCKET, Key=ROOT + key)
