"""The flavor `scorecard`: from an MLflow model with a scorecard to what Triton reads.

This module is imported whenever any model is deployed, so it imports what it works with later.
"""

from __future__ import annotations

import json
from pathlib import Path

from mlflow_triton.flavors.packaging import Fit, Flavor, FlavorInput, FlavorSetting, PackageOptions
from mlflow_triton.mlmodel import MLmodel
from triton_deploy_core.errors import InvalidPackageError, ModelSourceError
from triton_deploy_core.package import VersionPackage
from triton_deploy_core.ports.store import Content

NAME = "scorecard"
CUTOFF = "cutoff"
_MODEL = Path(__file__).with_name("model.py")
_DEFAULT_MAX_BATCH_SIZE = 1024


class ScorecardFlavor(Flavor):
    """Packages scorecards for Triton's python backend."""

    help = "scorecards that triton_scorecard logged: an input a feature, the output SCORE."
    settings = (
        FlavorSetting(
            CUTOFF, float, "POINTS", "Adds the output APPROVED: whether SCORE is so high."
        ),
    )

    def fit(self, mlmodel: MLmodel) -> Fit:
        """Take what `triton_scorecard.save_model` has saved, and nothing else."""
        return Fit.NATIVE if NAME in mlmodel.flavors else Fit.NONE

    def package(self, model: FlavorInput, options: PackageOptions) -> VersionPackage:
        """Put the scorecard beside the code that serves it, with a complete configuration."""
        path = str(model.mlmodel.flavors[NAME].get("data"))
        source = model.files.find(path)
        if source is None:
            raise ModelSourceError(f"The model has no file {path!r}. Log it again.")
        files = {"model.py": Content(_MODEL.read_bytes()), "scorecard.json": source}
        config = _config(_features(model.files.read(path), path), options)
        return VersionPackage(model.origin(NAME), files, config)


def _features(text: bytes, path: str) -> tuple[str, ...]:
    from triton_scorecard.scorecard import Scorecard  # noqa: PLC0415 (only when it packages)

    try:
        return Scorecard.parse(json.loads(text)).features
    except ValueError as error:
        raise InvalidPackageError(
            f"{path} is no scorecard: {error}. Log the model again."
        ) from None


def _config(features: tuple[str, ...], options: PackageOptions) -> bytes:
    from mlflow_triton.flavors.config_options import add_options  # noqa: PLC0415 (protobuf)
    from triton_deploy_transport.pbtxt import ModelConfig, to_text  # noqa: PLC0415 (protobuf)

    size = options.max_batch_size
    config = ModelConfig(
        backend="python", max_batch_size=_DEFAULT_MAX_BATCH_SIZE if size is None else size
    )
    rows = [] if config.max_batch_size else [-1]
    for feature in features:
        config.input.add(name=feature, data_type="TYPE_FP32", dims=[*rows, 1])
    config.output.add(name="SCORE", data_type="TYPE_FP32", dims=[*rows, 1])
    if CUTOFF in options.own:
        config.output.add(name="APPROVED", data_type="TYPE_BOOL", dims=[*rows, 1])
        config.parameters[CUTOFF].string_value = str(options.own[CUTOFF])
    add_options(config, options, joins_requests=True)
    return to_text(config)


FLAVOR = ScorecardFlavor()
