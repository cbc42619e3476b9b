"""List and delete 1,000 deployments of four files each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import obstore
from obstore.store import S3Store as Bucket

from benchmarks.libraries import BUCKET, IN_FLIGHT, boto3_client, for_each, obstore_bucket
from benchmarks.measuring import Way, compare
from triton_deploy_core.names import DeploymentName
from triton_deploy_core.package import Origin
from triton_deploy_core.ports.progress import NoProgress
from triton_deploy_core.ports.store import Content, Transfer
from triton_deploy_core.records import Record
from triton_deploy_core.service import DeploymentService
from triton_deploy_storage.s3 import S3Store
from triton_deploy_transport.pbtxt import PbtxtFormat

NAMES = [f"model-{number:04}" for number in range(1000)]
ROOT = "repository/"


class EverythingServes:
    """A server that has loaded all, and takes no time to say so."""

    url = "nowhere"

    def loaded(self) -> frozenset[tuple[str, int]]:
        return frozenset((name, 1) for name in NAMES)


def run(endpoint: str, _: Path, rounds: int) -> None:
    client, bucket = boto3_client(endpoint), obstore_bucket(endpoint)
    client.create_bucket(Bucket=BUCKET)
    store = S3Store(f"s3://{endpoint}/{BUCKET}/{ROOT.strip('/')}")
    server: Any = EverythingServes()
    service = DeploymentService(store, server, PbtxtFormat())
    files = [transfer for name in NAMES for transfer in deployment(name, store.location)]
    keys = [transfer.key for transfer in files]

    def fill() -> None:
        store.transfer(files, NoProgress())

    fill()
    # Once, so that no way pays for a connection that another has made.
    assert len(service.list()) == len(NAMES)
    compare(
        "list 1,000 deployments",
        [
            Way("one after another", lambda: list_one_by_one(client), rounds=1),
            Way("`obstore`", lambda: list_by_obstore(bucket)),
            Way("`DeploymentService.list`", service.list),
            Way("the same, with a new client", lambda: list_anew(store.location)),
        ],
        best="`obstore`",
        rounds=rounds,
    )
    compare(
        f"delete the {len(keys):,} files of 1,000 deployments",
        [
            Way(
                "`delete_object`, one after another",
                lambda: delete_one_by_one(client, keys),
                fill,
                1,
            ),
            Way("`obstore`", lambda: obstore.delete(bucket, [ROOT + key for key in keys]), fill),
            Way("this adapter", lambda: store.delete(keys), fill),
        ],
        best="`obstore`",
        rounds=rounds,
    )


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


def list_by_obstore(bucket: Bucket) -> None:
    found = obstore.list_with_delimiter(bucket, ROOT.strip("/"))["common_prefixes"]

    def read(directory: str) -> object:
        return json.loads(bytes(obstore.get(bucket, f"{directory}/mlflow-meta.json").bytes()))

    assert len(for_each(read, found, IN_FLIGHT)) == len(NAMES)


def list_anew(location: str) -> None:
    server: Any = EverythingServes()
    DeploymentService(S3Store(location), server, PbtxtFormat()).list()


def delete_one_by_one(client: Any, keys: list[str]) -> None:
    for key in keys:
        client.delete_object(Bucket=BUCKET, Key=ROOT + key)
