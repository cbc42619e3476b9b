"""What a served model takes and gives, as far as a prediction has to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlflow_triton.feature_names import read_names
from mlflow_triton.text_forms import TextForm, read_forms
from triton_deploy_core.ports.model_server import ModelMetadata, ModelServer, TensorSpec


@dataclass(frozen=True, slots=True)
class ModelSignature:
    """A model's metadata, and what only its configuration says.

    Attributes:
        metadata: names, data types and shapes, the batch dimension included.
        max_batch_size: above zero, the first dimension of every input and output is the batch,
            and a request may have no more rows than this.
        optional: inputs that may be left out.
        decoupled: whether a request may have any number of answers.
        input_forms: inputs whose text stands for other values: see `text_forms`.
        output_forms: likewise, outputs.
        feature_names: what the columns of its only input, a matrix, are called; empty where the
            configuration does not say.
        input_names: the names of what it takes.
        output_names: the names of what it gives, in their order.
    """

    metadata: ModelMetadata
    max_batch_size: int = 0
    optional: frozenset[str] = frozenset()
    decoupled: bool = False
    input_forms: Mapping[str, TextForm] = field(default_factory=dict)
    output_forms: Mapping[str, TextForm] = field(default_factory=dict)
    feature_names: tuple[str, ...] = ()
    input_names: frozenset[str] = field(init=False, repr=False, compare=False)
    output_names: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = frozenset(spec.name for spec in self.metadata.inputs)
        object.__setattr__(self, "input_names", names)
        outputs = tuple(spec.name for spec in self.metadata.outputs)
        object.__setattr__(self, "output_names", outputs)

    @classmethod
    def ask(cls, server: ModelServer, name: str) -> ModelSignature:
        """Ask a server what it serves now.

        Raises:
            ModelNotServedError: the server does not serve that name.
        """
        return cls.of(server.metadata(name), server.config(name))

    @classmethod
    def of(cls, metadata: ModelMetadata, config: Mapping[str, Any]) -> ModelSignature:
        """Put together the server's two answers about a model.

        Source of the fields: ``model_config.proto`` of Triton's repository ``common``.
        """
        policy = config.get("model_transaction_policy") or {}
        return cls(
            metadata,
            max_batch_size=int(config.get("max_batch_size") or 0),
            optional=frozenset(
                tensor["name"] for tensor in config.get("input") or () if tensor.get("optional")
            ),
            decoupled=bool(policy.get("decoupled")),
            input_forms=read_forms(config, "inputs"),
            output_forms=read_forms(config, "outputs"),
            feature_names=read_names(config),
        )

    @property
    def name(self) -> str:
        """The model's name."""
        return self.metadata.name

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What it takes."""
        return self.metadata.inputs
