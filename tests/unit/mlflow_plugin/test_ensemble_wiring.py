"""Which output of a step goes into which input of a later one, and what the ensemble then is."""

from __future__ import annotations

import pytest

from mlflow_triton import feature_names, text_forms
from mlflow_triton.ensemble_config import batch_limit, generate_config
from mlflow_triton.ensemble_tensors import EnsembleStep
from mlflow_triton.ensemble_wiring import Wiring, wire
from mlflow_triton.text_forms import TextForm
from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_transport.pbtxt import ModelConfig, as_json, parse


def step(
    inputs: str,
    outputs: str,
    label: str = "preprocess models:/p/1",
    batch: int = 0,
    backend: str = "",
    **parameters: str,
) -> EnsembleStep:
    """A step of tensors such as ``x:FP32:-1,4``; one with ``?`` after its name is optional."""
    config = ModelConfig(max_batch_size=batch, backend=backend)
    for side, texts in ((config.input, inputs.split()), (config.output, outputs.split())):
        for text in texts:
            name, data_type, dims = text.split(":")
            entry = side.add(name=name.rstrip("?"), data_type=f"TYPE_{data_type}")
            entry.dims.extend(map(int, dims.split(",")))
            if name.endswith("?"):
                entry.optional = True
    for key, value in parameters.items():
        config.parameters[key].string_value = value
    return EnsembleStep.of(label, config)


def inputs_of(wiring: Wiring) -> list[str]:
    return [tensor.name for _, tensor in wiring.inputs]


def test_by_name_wherever_the_output_comes_from():
    first = step("a:FP32:-1,2", "b:FP32:-1,2 id:INT64:-1,1")
    second = step("b:FP32:-1,2", "c:FP32:-1,2")
    third = step("id:INT64:-1,1 c:FP32:-1,2", "d:FP32:-1,1")
    wiring = wire([first, second, third])
    assert inputs_of(wiring) == ["a"]
    assert [tensor.name for tensor in wiring.outputs] == ["d"]
    assert wiring.maps[0].outputs == {"b": "0:b", "id": "0:id"}
    assert wiring.maps[2].inputs == {"id": "0:id", "c": "1:c"}


def test_by_position_where_one_is_left_on_both_sides():
    wiring = wire([step("a:FP32:-1,2", "scaled:FP32:-1,2"), step("input__0:FP32:-1,2", "o:FP32:1")])
    assert wiring.maps[1].inputs == {"input__0": "0:scaled"}
    both = step("a:FP32:-1,2", "x:FP32:-1,2 y:FP32:-1,1")
    wiring = wire([both, step("x:FP32:-1,2 z:FP32:-1,1", "o:FP32:1")])
    assert wiring.maps[1].inputs == {"x": "0:x", "z": "0:y"}


def test_what_no_step_gives_is_an_input_of_the_ensemble():
    first = step("a:FP32:-1,2 perhaps?:FP32:-1,1", "b:FP32:-1,2")
    second = step("b:FP32:-1,2 limit:INT64:1 more?:FP32:1 a:FP32:-1,2", "c:FP32:1")
    wiring = wire([first, second])
    assert inputs_of(wiring) == ["a", "perhaps", "limit"]
    assert wiring.maps[1].inputs == {"b": "0:b", "limit": "limit", "a": "a"}
    config = parse(generate_config([first, second], wiring, ["m.1", "m.2"]))
    assert [entry.optional for entry in config.input] == [False, True, False]


@pytest.mark.parametrize(
    ("first", "second", "complaint"),
    [
        (
            step("a:FP32:1", "b:FP64:-1,4"),
            step("b:FP32:-1,4", "c:FP32:1", "model models:/m/1"),
            r"preprocess models:/p/1 gives b \(FP64 \[-1, 4\]\), model models:/m/1 takes b \(FP32",
        ),
        (
            step("a:FP32:1", "b:FP32:-1,4"),
            step("b:FP32:-1,5", "c:FP32:1"),
            r"gives b \(FP32 \[-1, 4\]\), .* takes b \(FP32 \[-1, 5\]\)",
        ),
        (
            step("a:FP32:1", "b:FP32:4", batch=8),
            step("b:FP32:4", "c:FP32:1"),
            r"gives b \(FP32 \[-1, 4\]\), .* takes b \(FP32 \[4\]\)",
        ),
        (
            step("a:FP32:4", "b:FP32:1", batch=8, backend="fil"),
            step("b:FP32:-1,1", "c:FP32:1"),
            r"gives b \(FP32 \[-1\]\), .* takes b \(FP32 \[-1, 1\]\)",
        ),
        (
            step("a:FP32:1", "x:FP32:1 y:FP32:1"),
            step("v:FP32:1 w:FP32:1", "c:FP32:1"),
            r"nothing that .* gives \(x \(FP32 \[1\]\), y .*\) goes into a later step",
        ),
        (
            step("a:FP32:1", "b:FP32:1"),
            step("b:FP32:1 a:INT64:1", "c:FP32:1"),
            "takes a .FP32 .1.., .* takes a .INT64 .1.., and no step gives it",
        ),
        (
            step("x:FP32:1", "b:FP32:1"),
            step("b:FP32:1", "x:FP32:1"),
            "x is an input of the ensemble and an output of",
        ),
    ],
)
def test_what_does_not_fit_shows_both_sides(first, second, complaint):
    with pytest.raises(InvalidPackageError, match=complaint) as refused:
        wire([first, second])
    assert "\n" not in str(refused.value)


def test_a_batch_is_the_first_dimension_of_who_has_none():
    first = step("a:FP32:-1,2", "b:FP32:-1,2")
    second = step("b:FP32:2", "c:FP32:1", batch=4)
    wiring = wire([first, second])
    config = parse(generate_config([first, second], wiring, ["p", "m"]))
    assert config.max_batch_size == 0
    assert list(config.output[0].dims) == [-1, 1]
    third = step("c:FP32:1", "d:FP32:3", batch=2)
    assert batch_limit([second, third]) == 2
    config = parse(generate_config([second, third], wire([second, third]), ["m", "q"]))
    assert (config.max_batch_size, list(config.input[0].dims), list(config.output[0].dims)) == (
        *(2, [2]),
        [3],
    )


def test_trees_answer_without_dimensions_of_one():
    first = step("a:FP32:-1,4", "b:FP32:-1,4")
    trees = step("b:FP32:4", "c:FP32:1", batch=8, backend="fil")
    config = parse(generate_config([first, trees], wire([first, trees]), ["p", "m"]))
    assert list(config.output[0].dims) == [-1]  # and with [-1, 1], one row would be a batch
    column = step("c:FP32:-1", "d:FP32:-1")
    assert wire([trees, column]).maps[1].inputs == {"c": "0:c"}
    probabilities = step("b:FP32:4", "c:FP32:3", batch=8, backend="fil")
    assert list(wire([first, probabilities]).outputs[0].shape) == [-1, 3]
    batched = step("a:FP32:4", "b:FP32:4", batch=8)
    config = parse(generate_config([batched, trees], wire([batched, trees]), ["p", "m"]))
    assert (config.max_batch_size, list(config.output[0].dims)) == (8, [1])


def test_the_configuration_names_the_models_and_what_predict_reads():
    forms = text_forms.write_forms({"when": TextForm.DATETIME}, {"b": TextForm.JSON})
    first = step("when:STRING:-1", "b:STRING:-1", text_forms=forms)
    last = text_forms.write_forms({}, {"d": TextForm.TEXT})
    second = step("b:STRING:-1", "d:STRING:-1", text_forms=last)
    config = parse(generate_config([first, second], wire([first, second]), ["m.1", "m.2"]))
    assert config.platform == "ensemble"
    assert [(one.model_name, one.model_version) for one in config.ensemble_scheduling.step] == [
        ("m.1", -1),
        ("m.2", -1),
    ]
    told = as_json(config)
    assert text_forms.read_forms(told, "inputs") == {"when": TextForm.DATETIME}
    assert text_forms.read_forms(told, "outputs") == {"d": TextForm.TEXT}

    names = feature_names.write_names(["x", "y"])
    matrix = step("m:FP32:2", "o:FP32:1", batch=4, feature_names=names)
    after = step("o:FP32:1", "p:FP32:1", batch=4)
    told = as_json(parse(generate_config([matrix, after], wire([matrix, after]), ["a", "b"])))
    assert feature_names.read_names(told) == ("x", "y")
