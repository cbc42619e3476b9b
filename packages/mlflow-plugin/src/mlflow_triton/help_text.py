"""What ``mlflow deployments help -t triton`` prints, made from the settings themselves."""

from __future__ import annotations

import textwrap

from mlflow_triton.flavors.registry import Registry
from mlflow_triton.settings import SETTINGS, USES, Setting, flavor_settings

_TEXT = """\
Deploys models that MLflow tracks to NVIDIA Triton Inference Server.

Triton has to run in EXPLICIT mode and read the repository that TRITON_MODEL_REPO names:

  tritonserver --model-repository=/models --model-control-mode=explicit
  export TRITON_URL=localhost:8000
  export TRITON_MODEL_REPO=/models

Commands:

  mlflow deployments create -t triton --name iris -m models:/iris/1
  mlflow deployments create -t triton --name iris -m models:/iris@champion --flavor onnx \\
      -C max_batch_size=16 -C instance_count=2
  mlflow deployments list -t triton
  mlflow deployments get -t triton --name iris
  mlflow deployments predict -t triton --name iris -I input.json -O output.json
  mlflow deployments update -t triton --name iris -m models:/iris/2
  mlflow deployments update -t triton --name iris -C instance_count=4
  mlflow deployments update -t triton --name iris -C warmup=true \\
      -C 'dynamic_batching={{max_queue_delay_microseconds: 100}}' -C config=gpu.pbtxt
  mlflow deployments update -t triton --name iris -C repair=true
  mlflow deployments delete -t triton --name iris
  mlflow deployments run-local -t triton --name iris -m models:/iris/1 -C http_port=8000

What MLflow has no verb for (mlflow-triton --help):

  mlflow-triton check models:/iris/2        # what would be deployed, and all that is wrong
  mlflow-triton rollback iris               # back to the version before, nothing is transferred
  mlflow-triton repair                      # all deployments, after a restart of Triton
  mlflow-triton reconcile --watch 10        # the same for a replica, again and again

Python:

  from mlflow.deployments import get_deploy_client
  client = get_deploy_client("triton")
  client.create_deployment("iris", "models:/iris/1")
  client.predict("iris", {{"INPUT0": array}})
  for frame in client.predict_stream("chat", {{"PROMPT": text}}):  # decoupled, over gRPC
      ...

Target URIs:

  triton                                  the settings below, from the environment
  triton:http://host:8000                 this server
  triton:grpcs://host:8001?tls_ca=ca.pem  this one over gRPC, with TLS
  triton://host:8000?request_timeout=5    this server, and any setting as key=value
  triton:grpc://host:8001,grpc://b:8001   a fleet of servers that read one repository

Settings: -C key=value (or config= in Python) goes before the target URI, which goes before the
environment. predict, get and list have no -C: give theirs in the target URI or the environment.

{settings}

Flavors (--flavor, found out from the model if left out):

{flavors}

Model URIs: models:/name/1, models:/name@alias, models:/name/latest, models:/m-<id>,
runs:/<run id>/path, or a local path.

predict reads {{"inputs": {{"INPUT0": [[...]], ...}}}}, or what MLflow's scoring server takes:
dataframe_split, dataframe_records, instances, inputs. It takes any number of rows, and writes
{{"outputs": {{"OUTPUT0": [[...]], ...}}}}: bytes as text where they are UTF-8, else as base64; NaN
and infinities as null. Beside the inputs, params says more of the request; all of it is optional:

  {{"inputs": {{"INPUT0": [[...]]}},
   "params": {{"parameters": {{"temperature": 0.5, "sequence_id": 7, "sequence_start": true}},
              "outputs": {{"OUTPUT0": 0, "PROBABILITIES": 3}},
              "version": 1, "request_id": "mine"}}}}

parameters are the model's own, but for Triton's sequence_id, sequence_start, sequence_end, priority
and timeout (microseconds in the queue); outputs are those to answer with, as a list of names, or
with a number of classes: the largest elements with their labels. In Python each is a keyword
argument of predict and predict_stream.
"""

_WIDTH = 100


def help_text() -> str:
    """Return the whole text."""
    settings = "\n".join(_entry(setting) for setting in (*SETTINGS, *flavor_settings()))
    described = {name: flavor.help for name, flavor in Registry.installed().usable()}
    column = max(map(len, described), default=0) + 4
    flavors = "\n".join(_hanging(name, text, column) for name, text in described.items())
    return _TEXT.format(settings=settings, flavors=flavors)


def _hanging(name: str, text: str, column: int) -> str:
    first = f"  {name}".ljust(column)
    return textwrap.fill(text, _WIDTH, initial_indent=first, subsequent_indent=" " * column)


def _entry(setting: Setting) -> str:
    uses = ", ".join(name for use, name in USES if setting.uses & use)
    variable = f" (environment: {setting.variable})" if setting.variable else ""
    explained = textwrap.fill(
        setting.help,
        _WIDTH,
        initial_indent=" " * 6,
        subsequent_indent=" " * 6,
        break_on_hyphens=False,  # so that what is shown can be copied
    )
    return f"  {setting.key}={setting.value}{variable}\n{explained}\n      For: {uses}."
