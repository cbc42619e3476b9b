from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlflow_triton.flavors.packaging import PackageOptions
from mlflow_triton.settings import DEFAULT_URL, SETTINGS, Setting, Use, read_settings
from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_core.fleet.rollout import Parallelism, Rollout, Strategy
from triton_deploy_transport.access import Access

ENVIRONMENT = {"TRITON_URL": "from-environment:1", "TRITON_TIMEOUT": "11"}


def refusal(use: Use = Use.DEPLOY, **how: object) -> str:
    with pytest.raises(InvalidSettingError) as caught:
        read_settings(use, **{"environment": {}, **how})
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_the_defaults():
    settings = read_settings(Use.DEPLOY, environment={})
    assert settings.triton_url == DEFAULT_URL == "localhost:8000"
    assert settings.timeout == 900
    assert settings.request_timeout == 60
    assert settings.package_options == PackageOptions()


def test_minus_c_goes_before_the_uri_and_that_before_the_environment():
    uri = "triton://from-uri:2?timeout=22"
    config = {"triton_url": "from-config:3", "timeout": "33"}

    def read(**how: object) -> tuple[str, float]:
        settings = read_settings(Use.DEPLOY, environment=ENVIRONMENT, **how)
        return settings.triton_url, settings.timeout

    assert read() == ("from-environment:1", 11)
    assert read(target_uri=uri) == ("from-uri:2", 22)
    assert read(target_uri=uri, config=config) == ("from-config:3", 33)
    assert read(config={"timeout": 5}) == ("from-environment:1", 5)


def test_how_objects_are_stored_on_s3_can_be_said_everywhere():
    settings = read_settings(
        Use.DELETE,
        config={"s3_acl": "private"},
        target_uri="triton?s3_sse=AES256&s3_acl=public-read",
        environment={"TRITON_S3_STORAGE_CLASS": "STANDARD_IA", "TRITON_S3_SSE": "aws:kms"},
    )
    assert settings.s3 == {"sse": "AES256", "acl": "private", "storage_class": "STANDARD_IA"}
    assert read_settings(Use.REQUEST, target_uri="triton?s3_sse=AES256", environment={}).s3 == {}


@pytest.mark.parametrize(
    ("target_uri", "url"),
    [
        ("triton", DEFAULT_URL),
        ("triton:", DEFAULT_URL),
        ("triton://", DEFAULT_URL),
        ("triton:host:1", "host:1"),
        ("triton://host:1", "host:1"),
        ("triton://host:1/", "host:1"),
        ("triton:http://host:1", "http://host:1"),
        ("triton:https://host:1/triton", "https://host:1/triton"),
        ("triton:http://[::1]:8000", "http://[::1]:8000"),
        ("triton://host:1?timeout=5", "host:1"),
        ("triton:http://host:1?timeout=5", "http://host:1"),
        ("triton:h1:1,grpc://h2:2?timeout=5", "h1:1,grpc://h2:2"),
        ("triton:dns+grpc://triton:8001?nameserver=[::1]:53", "dns+grpc://triton:8001"),
        ("triton:k8s+grpc://ml/triton:8001", "k8s+grpc://ml/triton:8001"),
    ],
)
def test_target_uris(target_uri, url):
    assert read_settings(Use.DEPLOY, target_uri=target_uri, environment={}).triton_url == url


@pytest.mark.parametrize(
    "target_uri", ["triton?timeout=5", "triton:?timeout=5", "triton://?timeout=5"]
)
def test_a_target_uri_of_settings_alone(target_uri):
    settings = read_settings(Use.DEPLOY, target_uri=target_uri, environment=ENVIRONMENT)
    assert (settings.triton_url, settings.timeout) == ("from-environment:1", 5)


def test_a_target_uri_may_name_the_repository_with_blanks_quoted():
    settings = read_settings(
        Use.REQUEST, target_uri="triton://h:1?triton_model_repo=/my%20models", environment={}
    )
    assert settings.triton_model_repo == "/my models"


def test_a_grpc_address_with_what_its_connection_needs():
    uri = "triton:grpcs://host:8001?tls_ca=/ca.pem&headers=x-a%3D1"
    settings = read_settings(
        Use.REQUEST, target_uri=uri, environment={"TRITON_TOKEN_FILE": "/token"}
    )
    assert settings.triton_url == "grpcs://host:8001"
    expected = Access(tls_ca="/ca.pem", headers=(("x-a", "1"),), token_file="/token")
    assert settings.access == expected
    assert settings.keepalive is None


@pytest.mark.parametrize("use", [Use.DEPLOY, Use.DELETE, Use.REQUEST])
def test_no_secret_is_in_a_message_or_a_repr(use):
    canary = "c4n4ry"
    environment = {"TRITON_TOKEN": canary, "TRITON_HEADERS": f"x-key={canary}"}
    settings = read_settings(use, environment=environment)
    assert canary not in repr(settings) + repr(settings.access)
    assert settings.access.token == canary
    said = [
        refusal(use, environment={"TRITON_HEADERS": canary}),
        refusal(use, target_uri=f"triton?headers={canary}"),
        refusal(use, config={"headers": canary}),
    ]
    assert canary not in "".join(said)
    with pytest.raises(InvalidSettingError) as caught:
        read_settings(use, config={"token": f"{canary} {canary}"}, environment={}).access  # noqa: B018
    assert canary not in str(caught.value)


@pytest.mark.parametrize("value", ["", " ", "\t"])
def test_an_empty_variable_is_an_unset_one(value):
    empty = {setting.variable: value for setting in SETTINGS if setting.variable}
    settings = read_settings(Use.DEPLOY, environment=empty)
    assert dict(settings.values) == {}
    assert settings.triton_url == DEFAULT_URL


def test_none_in_config_is_a_setting_left_out():
    config = {"triton_url": None, "max_batch_size": None}
    assert read_settings(Use.DEPLOY, config=config, environment=ENVIRONMENT).triton_url == (
        "from-environment:1"
    )


def test_values_of_the_right_python_type():
    config = {
        "triton_model_repo": Path("/models"),
        "timeout": 2.5,
        "max_batch_size": np.int64(8),
        "instance_count": 2,
        "dynamic_batching": False,
    }
    settings = read_settings(Use.DEPLOY, config=config, environment={})
    assert settings.triton_model_repo == "/models"
    assert settings.timeout == 2.5
    assert settings.package_options == PackageOptions(8, 2, dynamic_batching=False)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("No", False), ("1", True)])
def test_switches(text, value):
    settings = read_settings(Use.DEPLOY, config={"dynamic_batching": text}, environment={})
    assert settings.package_options.dynamic_batching is value


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("timeout", "soon", "a number of seconds"),
        ("timeout", 0, "a number of seconds above zero"),
        ("timeout", "-1", "a number of seconds above zero"),
        ("timeout", "nan", "a number of seconds above zero"),
        ("request_timeout", "inf", "a number of seconds above zero"),
        ("max_batch_size", "-1", "0 or more"),
        ("max_batch_size", "1.5", "a whole number"),
        ("instance_count", "0", "1 or more"),
        ("dynamic_batching", "maybe", "true or false"),
        ("triton_url", "", "empty"),
        ("nameserver", "dns:x", "host:port of a DNS server"),
        ("strategy", "some", "all or rolling"),
        ("parallelism", "0", "a whole number above 0, or a share such as 25%"),
        ("parallelism", "101%", "a share such as 25%"),
        ("quorum", "0", "1 or more"),
        ("servers", " ", "empty"),
    ],
)
def test_a_value_that_a_setting_can_not_have(key, value, what):
    message = refusal(config={key: value})
    assert message.startswith(f"-C {key}={str(value)!r}")
    assert what in message


def test_how_operations_go_through_a_fleet():
    config = {"strategy": "Rolling", "parallelism": "25%", "quorum": 2, "servers": "gpu-*,b"}
    settings = read_settings(Use.DEPLOY, config=config, environment={})
    assert settings.rollout == Rollout(Strategy.ROLLING, Parallelism(share=0.25), quorum=2)
    assert settings.servers == "gpu-*,b"
    environment = {"TRITON_PARALLELISM": "3", "TRITON_NAMESERVER": "127.0.0.1:8600"}
    settings = read_settings(Use.DELETE, environment=environment)
    assert settings.rollout == Rollout(parallelism=Parallelism(count=3))
    assert (settings.servers, settings.nameserver) == (None, "127.0.0.1:8600")


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_port_that_is_none(port):
    assert "port" in refusal(Use.RUN_LOCAL, config={"http_port": port})


def test_the_message_says_where_the_value_stands():
    assert "TRITON_TIMEOUT='soon'" in refusal(environment={"TRITON_TIMEOUT": "soon"})
    message = refusal(target_uri="triton://h:1?timeout=soon")
    assert message.startswith("timeout='soon' in the target URI")


@pytest.mark.parametrize(
    ("use", "key"),
    [
        (Use.DEPLOY, "zzz"),
        (Use.DEPLOY, "http_port"),
        (Use.DELETE, "max_batch_size"),
        (Use.RUN_LOCAL, "triton_url"),
    ],
)
def test_an_unknown_key_names_the_known_ones(use, key):
    message = refusal(use, config={key: "1"})
    assert repr(key) in message
    known = [setting.key for setting in SETTINGS if setting.uses & use]
    assert ", ".join(known) in message


@pytest.mark.parametrize("key", ["force", "keep_versions", "repair"])
def test_what_means_nothing_to_a_create_is_refused(key):
    assert "it is a setting of update" in refusal(Use.DEPLOY, config={key: "1"})
    assert key in read_settings(Use.DEPLOY | Use.UPDATE, config={key: "1"}, environment={}).values


def test_an_unknown_key_in_the_target_uri():
    message = refusal(Use.REQUEST, target_uri="triton://user:secret@h:1?color=red")
    assert "'color'" in message
    assert "the target URI" in message
    assert "secret" not in message


def test_the_target_uri_may_hold_what_another_operation_reads():
    settings = read_settings(
        Use.REQUEST, target_uri="triton://h:1?max_batch_size=4&timeout=9", environment={}
    )
    assert dict(settings.values) == {"triton_url": "h:1"}


def test_no_repository_says_how_to_name_it():
    settings = read_settings(Use.DEPLOY, environment={})
    with pytest.raises(InvalidSettingError, match="Set TRITON_MODEL_REPO"):
        _ = settings.triton_model_repo


def test_run_local_stays_off_the_repository_of_the_real_server():
    environment = {"TRITON_MODEL_REPO": "/production"}
    settings = read_settings(Use.RUN_LOCAL, environment=environment)
    assert "triton_model_repo" not in settings.values
    chosen = read_settings(
        Use.RUN_LOCAL, config={"triton_model_repo": "/mine"}, environment=environment
    )
    assert chosen.triton_model_repo == "/mine"


def test_each_operation_has_each_setting_once():
    for use in Use:
        keys = [setting.key for setting in SETTINGS if setting.uses & use]
        assert len(keys) == len(set(keys))


def test_what_predict_needs_has_a_variable():
    assert all(setting.variable for setting in SETTINGS if setting.uses & Use.REQUEST)
    assert all(isinstance(setting, Setting) for setting in SETTINGS)


def options(**config: object) -> PackageOptions:
    return read_settings(Use.DEPLOY, config=config, environment={}).package_options


def test_any_field_of_the_model_configuration_is_a_setting(tmp_path):
    file = tmp_path / "any.pbtxt"
    file.write_text("max_batch_size: 16 instance_group { count: 3 }")
    given = options(config=file, response_cache="{enable: true}", dynamic_batching="{}")
    assert given.max_batch_size == 16
    assert given.dynamic_batching is None
    assert given.changes.fields == {
        *("max_batch_size", "instance_group", "response_cache", "dynamic_batching"),
    }
    assert given.named() == ()
    both = options(config=file, max_batch_size=2, dynamic_batching="off")
    assert (both.max_batch_size, both.changes.max_batch_size) == (2, 2)
    assert both.dynamic_batching is False
    assert both.named() == ("dynamic_batching",)


def test_an_unknown_key_is_told_what_may_have_been_meant():
    assert refusal(config={"instance_groop": "{}"}).endswith(
        "here. Did you mean instance_group? 'mlflow deployments help -t triton' lists all."
    )
    assert "Did you mean timeout?" in refusal(Use.DELETE, config={"timeuot": 3})
    assert refusal(config={"b": "1"}).endswith("any field of Triton's model configuration.")
    assert "model configuration" not in refusal(Use.DELETE, config={"instance_group": "{}"})
