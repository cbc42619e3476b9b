"""A complete ``config.pbtxt`` for Triton's FIL backend.

Source: ``docs/model_config.md`` and ``src/shared_state.h`` of triton-inference-server/fil_backend.
``output_class`` is the name that ``is_classifier`` had until Triton 25.09; both are written, so
that one configuration does for every release. A classifier needs
``threshold``, whatever the page says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_triton.feature_names import PARAMETER, write_names
from mlflow_triton.flavors.config_options import add_options
from mlflow_triton.flavors.fil_forest import Answer, Forest
from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_transport.pbtxt import ModelConfig, to_text

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import PackageOptions

BACKEND = "fil"
DEFAULT_MAX_BATCH_SIZE = 32768
DEFAULT_THRESHOLD = 0.5
PROBABILITIES = "predict_proba"
THRESHOLD = "threshold"


def generate_config(forest: Forest, options: PackageOptions) -> bytes:
    """Return the text of a complete configuration: no name, no version policy.

    Raises:
        InvalidSettingError: an option that this model can't have.
    """
    answer = _answer(forest, options)
    threshold = _threshold(forest, answer, options)
    config = ModelConfig(backend=BACKEND, max_batch_size=_max_batch_size(options))
    config.input.add(name="input__0", data_type="TYPE_FP32", dims=[forest.features])
    width = forest.classes if answer is Answer.PROBABILITIES else 1
    config.output.add(name="output__0", data_type="TYPE_FP32", dims=[width])
    classifies = _text(answer is not Answer.NUMBER)
    parameters = {
        "model_type": forest.model_type,
        "is_classifier": classifies,
        "output_class": classifies,
        "predict_proba": _text(answer is Answer.PROBABILITIES),
    }
    if answer is not Answer.NUMBER:
        parameters["threshold"] = str(threshold)
    if forest.feature_names:
        parameters[PARAMETER] = write_names(forest.feature_names)
    for key, value in parameters.items():
        config.parameters[key].string_value = value
    add_options(config, options, joins_requests=True)
    return to_text(config)


def _answer(forest: Forest, options: PackageOptions) -> Answer:
    probabilities = options.own.get(PROBABILITIES)
    if probabilities is None:
        return forest.answer
    if forest.classes == 1:
        raise InvalidSettingError(
            f"{PROBABILITIES}={_text(probabilities)} can't be had: the model is no classifier. "
            "Leave the setting out."
        )
    return Answer.PROBABILITIES if probabilities else Answer.CLASS


def _threshold(forest: Forest, answer: Answer, options: PackageOptions) -> float:
    threshold = options.own.get(THRESHOLD)
    if threshold is None:
        return DEFAULT_THRESHOLD
    if forest.classes != 2 or answer is not Answer.CLASS:  # noqa: PLR2004
        raise InvalidSettingError(
            f"{THRESHOLD}={threshold} can't be had: it is for a model that returns one of two "
            f"classes. Leave the setting out, or see whether the model takes {PROBABILITIES}=false."
        )
    return float(threshold)


def _max_batch_size(options: PackageOptions) -> int:
    requested = options.max_batch_size
    if requested is None:
        return DEFAULT_MAX_BATCH_SIZE
    if requested < 1:
        raise InvalidSettingError(
            f"max_batch_size={requested} is too small: the FIL backend needs 1 or more."
        )
    return requested


def _text(flag: bool) -> str:
    return "true" if flag else "false"
