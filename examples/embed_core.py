#!/usr/bin/env python3
"""The core as a library, without MLflow: ``embed_core.py REPOSITORY URL MODEL.onnx``."""

import sys
from pathlib import Path

from triton_deploy_core.package import Origin, VersionPackage
from triton_deploy_core.ports.store import LocalFile
from triton_deploy_core.service import DeploymentService
from triton_deploy_storage import open_store
from triton_deploy_transport import connect
from triton_deploy_transport.pbtxt import PbtxtFormat

repository, url, model = sys.argv[1:]
service = DeploymentService(open_store(repository), connect(url), PbtxtFormat())
source = LocalFile(Path(model), Path(model).stat().st_size)
package = VersionPackage(Origin(model, "onnx"), {"model.onnx": source}, b'backend: "onnxruntime"\n')
deployment = service.create("embedded", package)
print(f"{deployment.name} serves version {deployment.version}: {deployment.state.value}")
service.delete("embedded")
