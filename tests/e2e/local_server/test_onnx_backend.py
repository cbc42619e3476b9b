"""ONNX models on the real server: what it completes, what it refuses, what it answers."""

from __future__ import annotations

import zlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

COMPLETE = """
backend: "onnxruntime"
max_batch_size: %d
input [{ name: "x" data_type: TYPE_%s dims: [%s] }]
output [{ name: "y" data_type: TYPE_%s dims: [%s] }]
instance_group [{ kind: KIND_CPU count: 1 }]
"""


def complete(batch: int, data_type: str, dims: str) -> str:
    return COMPLETE % (batch, data_type, dims, data_type, dims)


# -- auto-complete -----------------------------------------------------------------------------


def test_a_model_alone_is_enough(completing, shared_repository):
    shared_repository.identity("alone")
    assert completing.load("alone") is None
    config = completing.config("alone")
    assert config["backend"] == "onnxruntime"
    assert config["platform"] == "onnxruntime_onnx"
    assert config["max_batch_size"] == 4
    assert "dynamic_batching" in config
    assert [(t["name"], t["data_type"], t["dims"]) for t in config["input"]] == [
        ("x", "TYPE_FP32", [3])
    ]
    answer = completing.infer("alone", [("x", "FP32", [2, 3], [1, 2, 3, 4, 5, 6])])
    assert answer == {"y": ("FP32", [2, 3], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])}
    too_many = completing.infer("alone", [("x", "FP32", [5, 3], [0] * 15)])
    assert "batch-size must be <= 4" in too_many["error"]


def test_a_fixed_first_dimension_means_no_batching(completing, shared_repository):
    shared_repository.identity("fixed", dims=[2, "n"])
    assert completing.load("fixed") is None
    config = completing.config("fixed")
    assert config["max_batch_size"] == 0
    assert "dynamic_batching" not in config
    assert config["input"][0]["dims"] == [2, -1]
    answer = completing.infer("fixed", [("x", "FP32", [2, 1], [1, 2])])
    assert answer == {"y": ("FP32", [2, 1], [1.0, 2.0])}


def test_only_what_the_configuration_leaves_out_is_completed(completing, shared_repository):
    shared_repository.identity(
        "partly",
        config='platform: "onnxruntime_onnx"\nmax_batch_size: 16\n'
        'input [{ name: "x" data_type: TYPE_FP32 dims: [3] }]',
    )
    assert completing.load("partly") is None
    config = completing.config("partly")
    assert config["max_batch_size"] == 16
    assert config["output"][0]["name"] == "y"


def test_a_vector_of_the_batch_gets_a_reshape(completing, shared_repository):
    shared_repository.identity("vector", dims=["N"])
    assert completing.load("vector") is None
    config = completing.config("vector")
    assert config["output"][0]["dims"] == [1]
    assert config["output"][0]["reshape"] == {"shape": []}
    answer = completing.infer("vector", [("x", "FP32", [3, 1], [1, 2, 3])])
    assert answer == {"y": ("FP32", [3, 1], [1.0, 2.0, 3.0])}


def test_batching_that_the_model_cannot_do_is_refused(completing, shared_repository):
    shared_repository.identity("unbatched", dims=[2], config="max_batch_size: 8")
    reason = completing.load("unbatched")
    assert "model does not support batching while non-zero max_batch_size" in reason


def test_without_auto_complete_a_model_alone_is_refused(strict, shared_repository):
    shared_repository.identity("bare")
    assert "failed to poll from model repository" in strict.load("bare")


# -- answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["backend", "platform"])
@pytest.mark.parametrize("batch", [0, 8])
def test_a_complete_configuration(strict, shared_repository, how, batch):
    name = f"complete-{how}-{batch}"
    config = complete(batch, "FP32", "3" if batch else "-1, 3")
    if how == "platform":
        config = config.replace('backend: "onnxruntime"', 'platform: "onnxruntime_onnx"')
    shared_repository.identity(name, config=config)
    assert strict.load(name) is None
    answer = strict.infer(name, [("x", "FP32", [1, 3], [1, 2, 3])])
    assert answer == {"y": ("FP32", [1, 3], [1.0, 2.0, 3.0])}


@pytest.mark.parametrize(
    ("triton", "kind", "values"),
    [
        ("BOOL", TensorProto.BOOL, [True, False]),
        ("UINT8", TensorProto.UINT8, [0, 255]),
        ("UINT16", TensorProto.UINT16, [0, 65535]),
        ("UINT32", TensorProto.UINT32, [0, 2**32 - 1]),
        ("UINT64", TensorProto.UINT64, [0, 2**63]),
        ("INT8", TensorProto.INT8, [-128, 127]),
        ("INT16", TensorProto.INT16, [-(2**15), 2**15 - 1]),
        ("INT32", TensorProto.INT32, [-(2**31), 2**31 - 1]),
        ("INT64", TensorProto.INT64, [-(2**62), 2**62]),
        ("FP32", TensorProto.FLOAT, [0.5, -2.25]),
        ("FP64", TensorProto.DOUBLE, [0.1, 1e300]),
        ("BYTES", TensorProto.STRING, ["Grüße", ""]),
    ],
)
def test_data_types(strict, shared_repository, triton, kind, values):
    name = f"type-{triton}"
    config = complete(0, triton.replace("BYTES", "STRING"), "-1")
    shared_repository.identity(name, kind, ["n"], config=config)
    assert strict.load(name) is None
    answer = strict.infer(name, [("x", triton, [2], values)])
    assert answer == {"y": (triton, [2], values)}


def test_half_precision_inside_and_out(strict, shared_repository):
    # JSON has no FP16: cast on both sides of an FP16 output that is not asked for.
    half, single = TensorProto.FLOAT16, TensorProto.FLOAT
    shared_repository.onnx(
        "half",
        [
            helper.make_node("Cast", ["x"], ["h"], to=half),
            helper.make_node("Cast", ["h"], ["y"], to=single),
        ],
        {"x": (single, ["n"])},
        {"h": (half, ["n"]), "y": (single, ["n"])},
        config=complete(0, "FP32", "-1") + 'output [{ name: "h" data_type: TYPE_FP16 dims: [-1] }]',
    )
    assert strict.load("half") is None
    answer = strict.infer("half", [("x", "FP32", [1], [0.1])], "y")
    assert answer["y"] == ("FP32", [1], [float(np.float32(np.float16(0.1)))])


def test_strings_in_a_batch_and_none_at_all(strict, shared_repository):
    config = complete(4, "STRING", "2")
    shared_repository.identity("strings", TensorProto.STRING, ["n", 2], config=config)
    assert strict.load("strings") is None
    words = ["a", "b", "ç", "d"]
    answer = strict.infer("strings", [("x", "BYTES", [2, 2], words)])
    assert answer == {"y": ("BYTES", [2, 2], words)}


def test_empty_tensors(strict, shared_repository):
    shared_repository.identity("empty", dims=["n"], config=complete(0, "FP32", "-1"))
    assert strict.load("empty") is None
    assert strict.infer("empty", [("x", "FP32", [0], [])]) == {"y": ("FP32", [0], [])}


def test_scalars(strict, shared_repository):
    shared_repository.identity("scalar", dims=[], config=complete(0, "FP32", "1"))
    assert strict.load("scalar") is None
    answer = strict.infer("scalar", [("x", "FP32", [1], [7])])
    assert answer == {"y": ("FP32", [1], [7.0])}


def test_a_subset_of_outputs_in_the_order_asked_for(strict, shared_repository):
    single = TensorProto.FLOAT
    names = ["sum", "difference", "product"]
    shared_repository.onnx(
        "arithmetic",
        [
            helper.make_node(kind, ["a", "b"], [name])
            for kind, name in zip(["Add", "Sub", "Mul"], names, strict=True)
        ],
        {"a": (single, ["n", 2]), "b": (single, ["n", 2])},
        {name: (single, ["n", 2]) for name in names},
        config='backend: "onnxruntime"\nmax_batch_size: 8\n'
        + "".join(f'input [{{ name: "{n}" data_type: TYPE_FP32 dims: [2] }}]\n' for n in "ab")
        + "".join(f'output [{{ name: "{n}" data_type: TYPE_FP32 dims: [2] }}]\n' for n in names)
        + "instance_group [{ kind: KIND_CPU count: 1 }]",
    )
    assert strict.load("arithmetic") is None
    inputs = [("a", "FP32", [1, 2], [5, 6]), ("b", "FP32", [1, 2], [2, 3])]
    some = strict.infer("arithmetic", inputs, "product", "difference")
    assert some == {
        "product": ("FP32", [1, 2], [10.0, 18.0]),
        "difference": ("FP32", [1, 2], [3.0, 3.0]),
    }
    assert set(strict.infer("arithmetic", inputs)) == set(names)


def test_a_request_that_fails_says_why_and_spoils_nothing(strict, shared_repository):
    # The configuration leaves a dimension free that the graph then refuses.
    weights = numpy_helper.from_array(np.ones((3, 1), np.float32), "w")
    shared_repository.onnx(
        "dense",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        {"x": (TensorProto.FLOAT, ["n", "m"])},
        {"y": (TensorProto.FLOAT, ["n", 1])},
        initializers=[weights],
        config=complete(4, "FP32", "-1").replace(
            '"y" data_type: TYPE_FP32 dims: [-1]', '"y" data_type: TYPE_FP32 dims: [1]'
        ),
    )
    assert strict.load("dense") is None
    failed = strict.infer("dense", [("x", "FP32", [1, 2], [1, 1])])
    assert "onnx runtime error" in failed["error"]
    answer = strict.infer("dense", [("x", "FP32", [1, 3], [1, 1, 1])])
    assert answer == {"y": ("FP32", [1, 1], [3.0])}


# -- files -------------------------------------------------------------------------------------


def test_weights_beside_the_model(strict, shared_repository):
    weights = numpy_helper.from_array(np.full((3, 1), 2, np.float32), "w")
    shared_repository.onnx(
        "external",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        {"x": (TensorProto.FLOAT, ["n", 3])},
        {"y": (TensorProto.FLOAT, ["n", 1])},
        initializers=[weights],
        file="1/model.onnx/model.onnx",
        config=complete(4, "FP32", "3").replace(
            '"y" data_type: TYPE_FP32 dims: [3]', '"y" data_type: TYPE_FP32 dims: [1]'
        ),
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    folder = shared_repository.root / "external/1/model.onnx"
    assert sorted(p.name for p in folder.iterdir()) == ["model.onnx", "weights.bin"]
    assert strict.load("external") is None
    answer = strict.infer("external", [("x", "FP32", [1, 3], [1, 2, 3])])
    assert answer == {"y": ("FP32", [1, 1], [12.0])}


def test_weights_beside_the_model_in_the_version_directory(completing, shared_repository):
    weights = numpy_helper.from_array(np.full((3, 1), 2, np.float32), "w")
    shared_repository.onnx(
        "external-flat",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        {"x": (TensorProto.FLOAT, ["n", 3])},
        {"y": (TensorProto.FLOAT, ["n", 1])},
        initializers=[weights],
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    assert completing.load("external-flat") is None
    answer = completing.infer("external-flat", [("x", "FP32", [1, 3], [1, 2, 3])])
    assert answer == {"y": ("FP32", [1, 1], [12.0])}


@pytest.mark.parametrize("server", ["strict", "completing"])
def test_another_file_name(request, shared_repository, server):
    name = f"named-{server}"
    shared_repository.identity(
        name,
        file="1/network.onnx",
        config=complete(4, "FP32", "3") + 'default_model_filename: "network.onnx"',
    )
    assert request.getfixturevalue(server).load(name) is None


def test_two_versions_are_two_models(strict, shared_repository):
    policy = "version_policy { all {} }"
    config = complete(0, "FP32", "-1, 3") + policy
    shared_repository.identity("versions", config=config)
    single = TensorProto.FLOAT
    shared_repository.onnx(
        "versions",
        [helper.make_node("Neg", ["x"], ["y"])],
        {"x": (single, ["n", 3])},
        {"y": (single, ["n", 3])},
        file="2/model.onnx",
    )
    assert strict.load("versions") is None
    x = ("x", "FP32", [1, 3], [1, 2, 3])
    assert strict.infer("versions/versions/1", [x])["y"][2] == [1.0, 2.0, 3.0]
    assert strict.infer("versions/versions/2", [x])["y"][2] == [-1.0, -2.0, -3.0]


# -- refusals at load --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (('"x"', '"z"'), "unexpected inference input 'z', allowed inputs are: x"),
        (('"y"', '"z"'), "unexpected inference output 'z', allowed outputs are: y"),
        (
            ('"x" data_type: TYPE_FP32', '"x" data_type: TYPE_INT32'),
            "configuration expects datatype TYPE_INT32 for input 'x', model provides TYPE_FP32",
        ),
        (
            ('"y" data_type: TYPE_FP32', '"y" data_type: TYPE_FP64'),
            "configuration expects datatype TYPE_FP64 for output 'y', model provides TYPE_FP32",
        ),
        (
            ("dims: [3]", "dims: [4]"),
            (
                "tensor 'x': the model expects 2 dimensions (shape [-1,3]) but the model "
                "configuration specifies 2 dimensions (an initial batch dimension because "
                "max_batch_size > 0 followed by the explicit tensor shape, making complete shape "
                "[-1,4])"
            ),
        ),
        (
            ("max_batch_size: 4", "max_batch_size: 0"),
            (
                "the model expects 2 dimensions (shape [-1,3]) but the model configuration "
                "specifies 1 dimensions (shape [3])"
            ),
        ),
        (
            ("output [", 'input [{ name: "w" data_type: TYPE_FP32 dims: [3] }]\noutput ['),
            "configuration expects 2 inputs, model provides 1",
        ),
        (
            ('"x" data_type: TYPE_FP32', '"x" allow_ragged_batch: true data_type: TYPE_FP32'),
            "'allow_ragged_batch' is not supported by the local server",
        ),
    ],
)
def test_a_configuration_that_is_wrong(strict, shared_repository, change, reason):
    name = f"wrong-{zlib.crc32(reason.encode())}"
    config = complete(4, "FP32", "3")
    assert change[0] in config
    shared_repository.identity(name, config=config.replace(*change))
    assert reason in strict.load(name)


def test_batching_needs_a_free_first_dimension(strict, shared_repository):
    shared_repository.identity("rigid", dims=[2, 3], config=complete(4, "FP32", "3"))
    reason = strict.load("rigid")
    assert "the first dimension must be -1; but shape expected by the model is [2,3]" in reason


@pytest.mark.parametrize("server", ["strict", "completing"])
def test_a_corrupt_file(request, shared_repository, server):
    name = f"corrupt-{server}"
    config = complete(4, "FP32", "3") if server == "strict" else None
    path = shared_repository.identity(name, config=config)
    path.write_bytes(b"this is no model")
    api = request.getfixturevalue(server)
    reason = api.load(name)
    assert f"load failed for model '{name}': version 1 is at UNAVAILABLE state" in reason
    assert "onnx runtime error" in reason
    # The same name heals with good content.
    path.unlink()
    shared_repository.identity(name, config=config)
    assert api.load(name) is None


def test_no_tensor_type(strict, shared_repository):
    nodes = [helper.make_node("SequenceConstruct", ["x"], ["y"])]
    path = shared_repository.onnx(
        "sequence",
        nodes,
        {"x": (TensorProto.FLOAT, [3])},
        {},
        config=complete(0, "FP32", "3"),
    )
    model = onnx.load(path)
    model.graph.output.append(helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, [3]))
    onnx.save(model, path)
    reason = strict.load("sequence")
    assert "Unsupported ONNX Type 'ONNX_TYPE_SEQUENCE' for I/O 'y'" in reason
