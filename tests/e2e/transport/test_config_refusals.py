"""What `check_config` calls a problem, a real server refuses; what a server takes is no problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from triton_deploy_core.errors import InvalidPackageError, LoadFailedError
from triton_deploy_transport.config_check import check_config
from triton_deploy_transport.http import HttpServer
from triton_deploy_transport.pbtxt import parse
from triton_local_server import LocalTriton

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL = """\
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("OUT", pb_utils.get_input_tensor_by_name(r, "IN").as_numpy())]
            )
            for r in requests
        ]
"""
BACKEND = 'backend: "python"\n'
IN = 'input { name: "IN" data_type: TYPE_FP32 dims: [ -1 ] }\n'
OUT = 'output { name: "OUT" data_type: TYPE_FP32 dims: [ -1 ] }\n'
PLAIN = BACKEND + IN + OUT
BATCHED = PLAIN + "max_batch_size: 4\n"


def with_input(fields: str) -> str:
    return BACKEND + "input { " + fields + " }\n" + OUT


def with_output(fields: str) -> str:
    return BACKEND + IN + "output { " + fields + " }\n"


def warm_up(tensor: str) -> str:
    return f'model_warmup {{ name: "w" batch_size: 1 inputs {{ key: "IN" value {{ {tensor} }} }} }}'


def step(inputs: str, outputs: str, model: str = "plain") -> str:
    def entries(field: str, pairs: str) -> str:
        return " ".join(
            '{} {{ key: "{}" value: "{}" }}'.format(field, *pair.split("="))
            for pair in pairs.split()
        )

    return (
        f'step {{ model_name: "{model}" model_version: -1 '
        f"{entries('input_map', inputs)} {entries('output_map', outputs)} }}\n"
    )


def ensemble(*steps: str, tensors: str = IN + OUT, more: str = "") -> str:
    return f'platform: "ensemble"\n{tensors}{more}\nensemble_scheduling {{\n{"".join(steps)}}}\n'


def control(fields: str) -> str:
    return BATCHED + 'sequence_batching { control_input { name: "C" control { ' + fields + " } } }"


ONE_STEP = step("IN=IN", "OUT=OUT")
START = "kind: CONTROL_SEQUENCE_START "

REFUSED = {
    "name_of_another": 'name: "other"\n' + PLAIN,
    "unknown_platform": 'platform: "nonsense"\n' + IN + OUT,
    "nofile_no_backend": IN + OUT,
    "negative_batch": PLAIN + "max_batch_size: -1",
    "input_without_name": with_input("data_type: TYPE_FP32 dims: [ -1 ]"),
    "output_without_name": with_output("data_type: TYPE_FP32 dims: [ -1 ]"),
    "input_size_0": with_input('name: "IN" data_type: TYPE_FP32 dims: [ 0 ]'),
    "output_size_0": with_output('name: "OUT" data_type: TYPE_FP32 dims: [ 2, 0 ]'),
    "input_size_minus_2": with_input('name: "IN" data_type: TYPE_FP32 dims: [ -2 ]'),
    "reshape_count": with_input('name: "IN" data_type: TYPE_FP32 dims: [4] reshape { shape: [3] }'),
    "reshape_out_count": with_output(
        'name: "OUT" data_type: TYPE_FP32 dims: [4] reshape { shape: [3] }'
    ),
    "reshape_to_scalar": with_input('name: "IN" data_type: TYPE_FP32 dims: [1] reshape { }'),
    "reshape_size_0": with_input(
        'name: "IN" data_type: TYPE_FP32 dims: [1] reshape { shape: [0] }'
    ),
    "reshape_free_sizes": with_input(
        'name: "IN" data_type: TYPE_FP32 dims: [-1,-1] reshape { shape: [-1] }'
    ),
    "reshape_free_to_fixed": with_input(
        'name: "IN" data_type: TYPE_FP32 dims: [-1] reshape { shape: [3] }'
    ),
    "reshape_across_free": with_input(
        'name: "IN" data_type: TYPE_FP32 dims: [-1,2,-1] reshape { shape: [-1,-1,2] }'
    ),
    "image_of_1_dim": with_input('name: "IN" data_type: TYPE_FP32 dims: [2] format: FORMAT_NHWC'),
    "shape_tensor": with_input('name: "IN" data_type: TYPE_FP32 dims: [-1] is_shape_tensor: true'),
    "batch_input_type": BATCHED
    + 'batch_input { target_name: "X" data_type: TYPE_STRING source_input: "IN" }',
    "batch_input_unknown": BATCHED
    + 'batch_input { target_name: "X" data_type: TYPE_FP32 source_input: "Z" }',
    "batch_input_none": BATCHED + 'batch_input { target_name: "X" data_type: TYPE_FP32 }',
    "batch_output_target": BATCHED
    + 'batch_output { target_name: "Z" kind: BATCH_SCATTER_WITH_INPUT_SHAPE source_input: "IN" }',
    "batch_output_source": BATCHED
    + 'batch_output { target_name: "OUT" kind: BATCH_SCATTER_WITH_INPUT_SHAPE source_input: "Z" }',
    "policy_latest_0": PLAIN + "version_policy { latest { num_versions: 0 } }",
    "policy_specific_none": PLAIN + "version_policy { specific { } }",
    "policy_specific_negative": PLAIN + "version_policy { specific { versions: [ -1 ] } }",
    "cpu_with_gpus": PLAIN + "instance_group { count: 1 kind: KIND_CPU gpus: [ 0 ] }",
    "model_with_gpus": PLAIN + "instance_group { count: 1 kind: KIND_MODEL gpus: [ 0 ] }",
    "cpu_with_profile": PLAIN + 'instance_group { count: 1 kind: KIND_CPU profile: [ "0" ] }',
    "preferred_over_max": BATCHED + "dynamic_batching { preferred_batch_size: [ 8 ] }",
    "preferred_unbatched": PLAIN + "dynamic_batching { preferred_batch_size: [ 4 ] }",
    "preferred_0": BATCHED + "dynamic_batching { preferred_batch_size: [ 0 ] }",
    "preferred_negative": BATCHED + "dynamic_batching { preferred_batch_size: [ -4 ] }",
    "priority_without_default": BATCHED + "dynamic_batching { priority_levels: 2 }",
    "priority_out_of_range": BATCHED
    + "dynamic_batching { priority_levels: 2 default_priority_level: 3 }",
    "priority_queue_unknown": BATCHED
    + "dynamic_batching { priority_levels: 2 default_priority_level: 1"
    " priority_queue_policy { key: 5 value { } } }",
    "priority_and_ordering": BATCHED
    + "dynamic_batching { preserve_ordering: true priority_levels: 2 default_priority_level: 1 }",
    "control_without_name": control(START + "int32_false_true: [ 0, 1 ]").replace('"C"', '""'),
    "control_of_one_value": control(START + "int32_false_true: [ 0 ]"),
    "control_of_two_types": control(START + "int32_false_true: [ 0, 1 ] fp32_false_true: [ 0, 1 ]"),
    "control_without_values": control(START),
    "control_twice": BATCHED + "sequence_batching {"
    ' control_input { name: "A" control { kind: CONTROL_SEQUENCE_START int32_false_true: [0,1] } }'
    ' control_input { name: "B" control { kind: CONTROL_SEQUENCE_START int32_false_true: [0,1] } }'
    " }",
    "corrid_without_type": control("kind: CONTROL_SEQUENCE_CORRID"),
    "decoupled_and_cached": PLAIN
    + "model_transaction_policy { decoupled: true } response_cache { enable: true }",
    "warm_up_free_size": PLAIN + warm_up("data_type: TYPE_FP32 dims: [ -1 ] zero_data: true"),
    "warm_up_without_data": PLAIN + warm_up("data_type: TYPE_FP32 dims: [ 2 ]"),
    "ens_not_scheduled": 'platform: "ensemble"\n' + IN + OUT,
    "ens_without_steps": ensemble(),
    "ens_not_by_platform": PLAIN + "ensemble_scheduling { " + ONE_STEP + " }",
    "ens_with_backend": ensemble(ONE_STEP, more=BACKEND),
    "ens_with_instances": ensemble(ONE_STEP, more="instance_group { count: 1 kind: KIND_CPU }"),
    "ens_with_optimization": ensemble(ONE_STEP, more="optimization { }"),
    "ens_with_warm_up": ensemble(ONE_STEP, more='model_warmup { name: "w" }'),
    "ens_step_without_model": ensemble(step("IN=IN", "OUT=OUT", model="")),
    "ens_step_without_inputs": ensemble(step("", "OUT=OUT")),
    "ens_step_without_outputs": ensemble(step("IN=IN", "")),
    "ens_of_itself": ensemble(step("IN=IN", "OUT=OUT", model="ens_of_itself")),
    "ens_input_unused": ensemble(step("IN=WHAT", "OUT=OUT")),
    "ens_output_unmade": ensemble(step("IN=IN", "OUT=X")),
    "ens_made_twice": ensemble(ONE_STEP, ONE_STEP),
    "ens_made_in_vain": ensemble(ONE_STEP, step("IN=IN", "OUT=VAIN")),
    "ens_tensor_unmade": ensemble(step("A=IN B=WHAT", "OUT=OUT", model="two")),
    "ens_circle": ensemble(
        step("A=IN B=Y", "OUT=X", model="two"),
        step("A=X B=IN", "OUT=Y", model="two"),
        step("A=X B=Y", "OUT=OUT", model="two"),
    ),
    "ens_input_without_dims": ensemble(ONE_STEP, tensors=IN.replace("dims: [ -1 ]", "") + OUT),
    "ens_input_undeclared": ensemble(ONE_STEP, tensors=OUT),
    "ens_output_undeclared": ensemble(ONE_STEP, tensors=IN),
}
REFUSED_UNCOMPLETED = {
    "input_without_type": with_input('name: "IN" dims: [ -1 ]'),
    "input_of_invalid_type": with_input('name: "IN" data_type: TYPE_INVALID dims: [ -1 ]'),
    "output_without_type": with_output('name: "OUT" dims: [ -1 ]'),
    "input_without_dims": with_input('name: "IN" data_type: TYPE_FP32'),
    "output_without_dims": with_output('name: "OUT" data_type: TYPE_FP32'),
    "input_without_dims_batched": with_input('name: "IN" data_type: TYPE_FP32')
    + "max_batch_size: 4",
    "warm_up_of_nothing": PLAIN + 'model_warmup { name: "w" batch_size: 1 }',
    "warm_up_of_other_type": PLAIN + warm_up("data_type: TYPE_INT32 dims: [ 2 ] zero_data: true"),
}
ACCEPTED = {
    "plain": PLAIN,
    "two": BACKEND + IN.replace('"IN"', '"A"') + IN.replace('"IN"', '"B"') + OUT,
    "own_name": 'name: "own_name"\n' + PLAIN,
    "backend_by_file": IN + OUT,
    "nothing_at_all": "",
    "no_tensors": BACKEND,
    "input_twice": BACKEND + IN + IN + OUT,
    "tensor_in_and_out": BACKEND + IN + IN.replace("input", "output"),
    "reshape_square": with_input(
        'name: "IN" data_type: TYPE_FP32 dims: [4] reshape { shape: [2,2] }'
    ),
    "reshape_more_dims": with_input(
        'name: "IN" data_type: TYPE_FP32 dims: [-1] reshape { shape: [-1,1] }'
    ),
    "reshape_scalar_batched": with_input('name: "IN" data_type: TYPE_FP32 dims: [1] reshape { }')
    + "max_batch_size: 4",
    "image": with_input('name: "IN" data_type: TYPE_FP32 dims: [3,4,4] format: FORMAT_NCHW'),
    "ragged": with_input('name: "IN" data_type: TYPE_FP32 dims: [-1] allow_ragged_batch: true'),
    "batching_unbatched": PLAIN + "dynamic_batching { }",
    "priorities": BATCHED + "dynamic_batching { priority_levels: 2 default_priority_level: 1 }",
    "instances_0": PLAIN + "instance_group { count: 0 kind: KIND_CPU }",
    "instances_negative": PLAIN + "instance_group { count: -1 kind: KIND_CPU }",
    "policy_empty": PLAIN + "version_policy { }",
    "policy_all": PLAIN + "version_policy { all { } }",
    "policy_specific_more": PLAIN + "version_policy { specific { versions: [ 0, 1, 1 ] } }",
    "label_elsewhere": with_output(
        'name: "OUT" data_type: TYPE_FP32 dims: [-1] label_filename: "../plain/config.pbtxt"'
    ),
    "cached": PLAIN + "response_cache { enable: true }",
    "sequence_without_control": BATCHED + "sequence_batching { }",
    "control_without_kind": BATCHED + 'sequence_batching { control_input { name: "C" } }',
    "warm_up": PLAIN + warm_up("data_type: TYPE_FP32 dims: [ 2 ] zero_data: true"),
    "warm_up_without_batch": PLAIN
    + warm_up("data_type: TYPE_FP32 dims: [ 2 ] zero_data: true").replace("batch_size: 1", ""),
    "ens_of_one": ensemble(ONE_STEP),
    "ens_writes_input": ensemble(step("IN=IN", "OUT=IN"), ONE_STEP),
    "ens_output_reused": ensemble(
        ONE_STEP,
        step("IN=OUT", "OUT=OUT2"),
        tensors=IN + OUT + OUT.replace('"OUT"', '"OUT2"'),
    ),
    "ens_optional_input": ensemble(
        ONE_STEP, tensors=IN.replace("dims", "optional: true dims") + OUT
    ),
    "syntax_separators": PLAIN.replace("\n", ";\n") + "max_batch_size: 0x4,",
    "syntax_brackets": PLAIN + "instance_group [ { count: 1 kind: KIND_CPU } ]",
    "syntax_windows": PLAIN.replace("\n", "\r\n"),
    "syntax_number_of_type": PLAIN.replace("TYPE_FP32", "11"),
}
UNPARSED = {
    "unknown_field": PLAIN + "nonsense: 3",
    "unknown_type": PLAIN.replace("TYPE_FP32", "TYPE_FP99"),
    "stray_brace": PLAIN + "}",
    "field_twice": BATCHED + "max_batch_size: 2",
    "two_schedulers": PLAIN + "dynamic_batching { } sequence_batching { }",
    "number_too_large": PLAIN + "max_batch_size: 99999999999",
    "number_with_point": PLAIN + "max_batch_size: 1.0",
    "comma_at_end": PLAIN + "instance_group [ { count: 1 kind: KIND_CPU }, ]",
    "loud_boolean": PLAIN + "response_cache { enable: FALSE }",
    "byte_order_mark": "\ufeff" + PLAIN,
    "nul": PLAIN + "# \x00",
    "extension": PLAIN + "[foo.bar]: 3",
    "slashes": PLAIN + "// a comment",
    "open_string": PLAIN + 'metric_tags { key: "a" value: "x\ny" }',
    "field_by_number": PLAIN + "4: 3",
    "field_in_capitals": PLAIN + "Max_Batch_Size: 3",
}
ALL = {**REFUSED, **REFUSED_UNCOMPLETED, **ACCEPTED, **UNPARSED}
WITHOUT_FILE = ("ens_", "nofile_")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("configs")
    for name, config in ALL.items():
        version = root / name / "1"
        version.mkdir(parents=True)
        (root / name / "config.pbtxt").write_bytes(config.encode())
        if not name.startswith(WITHOUT_FILE):
            code = MODEL.replace('"IN"', '"A"') if name == "two" else MODEL
            (version / "model.py").write_text(code)
    return root


@pytest.fixture(scope="module", params=["strict", "auto-complete"])
def triton(repository: Path, request: pytest.FixtureRequest) -> Iterator[tuple[HttpServer, bool]]:
    strict = request.param == "strict"
    with LocalTriton(repository, disable_auto_complete=strict, exit_timeout=0) as running:
        http = HttpServer(running.url)
        yield http, not strict
        http.close()


def problems(name: str, *, auto_complete: bool) -> list[str]:
    files = [] if name.startswith(WITHOUT_FILE) else ["model.py"]
    config = parse(ALL[name].encode())
    found = check_config(config, name=name, auto_complete=auto_complete, files=files)
    return [str(problem) for problem in found]


@pytest.mark.parametrize("name", REFUSED)
def test_a_problem_is_refused(triton: tuple[HttpServer, bool], name: str) -> None:
    server, auto_complete = triton
    found = problems(name, auto_complete=auto_complete)
    assert found
    assert all(problem.isprintable() for problem in found)
    with pytest.raises(LoadFailedError):
        server.load(name, timeout=30)


@pytest.mark.parametrize("name", REFUSED_UNCOMPLETED)
def test_a_gap_is_refused_where_nothing_completes_it(
    triton: tuple[HttpServer, bool], name: str
) -> None:
    server, auto_complete = triton
    assert bool(problems(name, auto_complete=auto_complete)) is not auto_complete
    with pytest.raises(LoadFailedError):  # the python model does not complete it
        server.load(name, timeout=30)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_a_server_takes_is_no_problem(triton: tuple[HttpServer, bool], name: str) -> None:
    server, auto_complete = triton
    assert problems(name, auto_complete=auto_complete) == []
    server.load(name, timeout=30)
    assert server.ready_versions(name) == {1}
    if name not in {"plain", "two"}:
        server.unload(name, timeout=30)


@pytest.mark.parametrize("name", UNPARSED)
def test_what_can_not_be_read_is_refused(triton: tuple[HttpServer, bool], name: str) -> None:
    server, _ = triton
    with pytest.raises(InvalidPackageError, match=r"^config\.pbtxt:\d+:\d+: "):
        parse(ALL[name].encode())
    with pytest.raises(LoadFailedError):
        server.load(name, timeout=30)
