"""A model loaded by MLflow on this machine, which runs whatever code its files hold.

Deploying loads no model, but for a user who asked for something that can't be had without it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_triton.first_line import first_line
from mlflow_triton.layout_check import refuse_problems
from triton_deploy_core.errors import InvalidSettingError, ModelSourceError

if TYPE_CHECKING:
    from triton_deploy_core.ports.source import ModelFiles

_PIECE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model and the input example that was logged with it, as its library takes that."""

    model: Any
    example: Any


@contextmanager
def loaded_model(
    files: ModelFiles, load: Callable[[str], Any], purpose: str
) -> Iterator[LoadedModel]:
    """Give out a model; its files on this machine are removed when the block ends.

    Args:
        files: the MLflow model's.
        load: takes its directory; a function of MLflow's.
        purpose: the setting that asks for it, for messages.

    Raises:
        InvalidSettingError: no input example was logged with it.
        InvalidPackageError: a file of it can't be used, such as a link that leaves the model.
        ModelSourceError: it can't be loaded here.
    """
    with tempfile.TemporaryDirectory(prefix="mlflow-triton-") as scratch:
        directory = Path(scratch, "model")
        _bring(files, directory)
        example = _example(directory, purpose)
        yield LoadedModel(_load(load, directory, purpose), example)


def _bring(files: ModelFiles, directory: Path) -> None:
    tree, problems = files.tree("")
    refuse_problems(problems, "the model")
    for path in tree.files:  # a copy: MLflow refuses links
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            while piece := files.read(path, file.tell(), _PIECE_BYTES):
                file.write(piece)


def _example(directory: Path, purpose: str) -> Any:
    from mlflow.models import Model  # noqa: PLC0415 (slow)

    try:
        example = Model.load(str(directory)).load_input_example(str(directory))
    except Exception as error:  # of MLflow, pandas or numpy, by what the file holds
        raise ModelSourceError(
            f"The model's input example can't be read: {first_line(error)}. Log the model again."
        ) from error
    if example is None:
        raise InvalidSettingError(
            f"{purpose} can't be had: the model has no input example to check the result with. "
            "Log it again with input_example=, or leave the setting out."
        )
    return example


def _load(load: Callable[[str], Any], directory: Path, purpose: str) -> Any:
    try:
        return load(str(directory))
    except Exception as error:  # whatever the model's own code raises
        raise ModelSourceError(
            f"{purpose} can't be had: the model can't be loaded on this machine "
            f"({first_line(error)}). Install what its requirements.txt names, or leave the "
            "setting out."
        ) from error
