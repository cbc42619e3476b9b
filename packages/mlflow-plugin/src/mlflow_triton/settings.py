"""Every setting of the plugin: where it may be given, what it may be, and what it is good for.

``-C key=value`` (or ``config=``) goes before the target URI, which goes before the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from enum import Flag, auto
from types import MappingProxyType
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

from mlflow_triton.flavors.packaging import PackageOptions
from mlflow_triton.flavors.registry import Registry
from mlflow_triton.written_config import CONFIG_KEY, WrittenConfig, fields_of_config, split_config
from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_core.fleet.rollout import (
    DEFAULT_PARALLELISM,
    Parallelism,
    Rollout,
    Strategy,
)
from triton_deploy_core.service import DEFAULT_KEEP_VERSIONS, DEFAULT_TIMEOUT_SECONDS
from triton_deploy_transport.access import Access, parse_headers
from triton_deploy_transport.nameserver import parse_nameserver

DEFAULT_URL = "localhost:8000"
DEFAULT_REQUEST_TIMEOUT_SECONDS = 60.0


class Use(Flag):
    """What a setting is read for."""

    DEPLOY = auto()
    """create and update"""
    DELETE = auto()
    REQUEST = auto()
    """predict, get and list, for which the command line has no ``-C``"""
    RUN_LOCAL = auto()
    UPDATE = auto()
    """update alone, which also reads what is for DEPLOY"""


USES = (
    (Use.DEPLOY, "create, update"),
    (Use.UPDATE, "update"),
    (Use.DELETE, "delete"),
    (Use.REQUEST, "predict, get, list"),
    (Use.RUN_LOCAL, "run-local"),
)
"""What each use is called on the command line."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `variable` is its name in the environment, where it has one.

    The value of a `secret` one is in no message.
    """

    key: str
    parse: Callable[[str], Any]
    value: str
    help: str
    uses: Use
    variable: str | None = None
    secret: bool = False


_Number = TypeVar("_Number", int, float)


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return text.strip()


def _seconds(text: str) -> float:
    seconds = _number(float, text, "a number of seconds")
    if not 0 < seconds < float("inf"):
        raise ValueError("it has to be a number of seconds above zero")
    return seconds


def _count(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        count = _number(int, text, "a whole number")
        if count < least:
            raise ValueError(f"it has to be {least} or more")
        return count

    return parse


def _several(text: str) -> tuple[str, ...]:
    items = tuple(item.strip() for item in text.split(","))
    if not all(items):
        raise ValueError("it is empty, or there is nothing beside one of its commas")
    return items


def _nameserver(text: str) -> str:
    parse_nameserver(text)
    return text.strip()


def _strategy(text: str) -> Strategy:
    try:
        return Strategy(text.strip().lower())
    except ValueError:
        raise ValueError("it has to be all or rolling") from None


def _parallelism(text: str) -> Parallelism:
    try:
        return Parallelism.parse(text)
    except InvalidSettingError:
        raise ValueError("it has to be a whole number above 0, or a share such as 25%") from None


def _port(text: str) -> int:
    port = _number(int, text, "a port")
    if not 1 <= port <= 65535:  # noqa: PLR2004 (what a port can be)
        raise ValueError("it has to be a port, from 1 to 65535")
    return port


def _number(kind: Callable[[str], _Number], text: str, what: str) -> _Number:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"it has to be {what}") from None


def _switch(text: str) -> bool:
    known = {"true": True, "on": True, "yes": True, "1": True}
    known |= {"false": False, "off": False, "no": False, "0": False}
    if text.strip().lower() not in known:
        raise ValueError("it has to be true or false (on or off)")
    return known[text.strip().lower()]


_ALL = Use.DEPLOY | Use.DELETE | Use.REQUEST
_CHANGES = Use.DEPLOY | Use.DELETE
_S3 = "s3_"

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "triton_url",
        _text,
        "URL",
        "Where Triton answers: host:port, http://…, https://…, grpc://… or grpcs://… (default "
        f"{DEFAULT_URL}). A fleet of servers that read one repository: several of these with "
        "commas between them; dns+grpc://name:port for every address of a name, and without a port "
        "for its SRV records; k8s://namespace/service:port for every pod of a Kubernetes service.",
        _ALL,
        "TRITON_URL",
    ),
    Setting(
        "nameserver",
        _nameserver,
        "HOST:PORT",
        "The DNS server that knows the names in a dns+… URL (default: what the system asks).",
        _ALL,
        "TRITON_NAMESERVER",
    ),
    Setting(
        "strategy",
        _strategy,
        "all|rolling",
        "Whether all servers of a fleet load at once, or one group after another, each when the "
        "one before it serves (default all). A server that fails undoes it on every one.",
        _CHANGES,
        "TRITON_STRATEGY",
    ),
    Setting(
        "parallelism",
        _parallelism,
        "N|SHARE",
        f"How many servers of a fleet load at a time, or which share of them, such as 25% (default "
        f"{DEFAULT_PARALLELISM}; 1 where strategy is rolling).",
        _CHANGES,
        "TRITON_PARALLELISM",
    ),
    Setting(
        "quorum",
        _count(1),
        "N",
        "Go on without servers of a fleet that do not answer, as long as N do; repair brings "
        "those up to date when they are back (default: all have to answer).",
        _CHANGES,
        "TRITON_QUORUM",
    ),
    Setting(
        "servers",
        _text,
        "PATTERN",
        "The servers of a fleet that the deployment is for, by URL, host, pod or node, such as "
        "gpu-*; several with commas between them (default: all, and those of before in an update; "
        "* makes it all again).",
        Use.DEPLOY,
    ),
    Setting(
        "triton_model_repo",
        _text,
        "PATH",
        "The model repository that Triton reads: a directory, file://…, s3://… or gs://…",
        _ALL,
        "TRITON_MODEL_REPO",
    ),
    # Not from the environment: that names the repository of a server that others may use.
    Setting(
        "triton_model_repo",
        _text,
        "PATH",
        "A directory that the local Triton reads and keeps (default: a temporary one).",
        Use.RUN_LOCAL,
    ),
    Setting(
        "timeout",
        _seconds,
        "SECONDS",
        f"How long one load or unload may take (default {DEFAULT_TIMEOUT_SECONDS:.0f}), and one "
        "transfer, which gets a second more for each 5 MB.",
        Use.DEPLOY | Use.DELETE | Use.RUN_LOCAL,
        "TRITON_TIMEOUT",
    ),
    Setting(
        "request_timeout",
        _seconds,
        "SECONDS",
        f"How long any other request may take (default {DEFAULT_REQUEST_TIMEOUT_SECONDS:.0f}).",
        _ALL,
        "TRITON_REQUEST_TIMEOUT",
    ),
    Setting(
        "keepalive",
        _seconds,
        "SECONDS",
        "How long a connection may be silent before it is tried, so that nothing in between "
        "forgets it (default 60; 330 over gRPC, where Triton hangs up on more than one in 300).",
        _ALL,
        "TRITON_KEEPALIVE",
    ),
    Setting(
        "shared_memory",
        _switch,
        "on|off",
        "Whether predict may use shared memory for large tensors, where the server is on this "
        "machine and allows it (default on).",
        Use.REQUEST,
        "TRITON_SHARED_MEMORY",
    ),
    Setting(
        "tls_ca",
        _text,
        "FILE",
        "Certificates (PEM) of the authorities that may vouch for the server, in place of the "
        "system's.",
        _ALL,
        "TRITON_TLS_CA",
    ),
    Setting(
        "tls_cert",
        _text,
        "FILE",
        "The client's own certificate (PEM), for servers that ask for one.",
        _ALL,
        "TRITON_TLS_CERT",
    ),
    Setting(
        "tls_key",
        _text,
        "FILE",
        "Its private key (PEM, not encrypted), unless it is in the same file.",
        _ALL,
        "TRITON_TLS_KEY",
    ),
    Setting(
        "headers",
        parse_headers,
        "NAME=VALUE",
        "Headers of every request to the server, several with commas between them; a comma in a "
        "value is written %2C. Best kept in "
        "the environment, since others on the machine can read command lines.",
        _ALL,
        "TRITON_HEADERS",
        secret=True,
    ),
    Setting(
        "token_file",
        _text,
        "FILE",
        "A bearer token for every request to the server, read anew each time. It goes before "
        "token.",
        _ALL,
        "TRITON_TOKEN_FILE",
    ),
    Setting(
        "token",
        _text,
        "TOKEN",
        "The same, as it is. Best kept in the environment, like headers.",
        _ALL,
        "TRITON_TOKEN",
        secret=True,
    ),
    Setting(
        "s3_sse",
        _text,
        "KIND",
        "Encryption of all objects on S3: AES256, aws:kms or aws:kms:dsse (default: the bucket's).",
        _CHANGES,
        "TRITON_S3_SSE",
    ),
    Setting(
        "s3_sse_kms_key_id",
        _text,
        "KEY",
        "The KMS key for it: id, alias or ARN (with it, s3_sse is aws:kms by default).",
        _CHANGES,
        "TRITON_S3_SSE_KMS_KEY_ID",
    ),
    Setting(
        "s3_acl",
        _text,
        "ACL",
        "Canned ACL of all objects on S3, such as bucket-owner-full-control.",
        _CHANGES,
        "TRITON_S3_ACL",
    ),
    Setting(
        "s3_storage_class",
        _text,
        "CLASS",
        "Storage class of the models' files on S3, such as STANDARD_IA.",
        _CHANGES,
        "TRITON_S3_STORAGE_CLASS",
    ),
    Setting(
        "max_batch_size",
        _count(0),
        "N",
        "Largest batch of a generated config.pbtxt, 0 for none (default 4 where every input and "
        "output has a free first dimension, else 0).",
        Use.DEPLOY | Use.RUN_LOCAL,
    ),
    Setting(
        "instance_count",
        _count(1),
        "N",
        "Instances of the model in a generated config.pbtxt (default: Triton's own).",
        Use.DEPLOY | Use.RUN_LOCAL,
    ),
    Setting(
        "dynamic_batching",
        _switch,
        "true|false",
        "Whether Triton joins requests to batches, in a generated config.pbtxt (default true "
        "where max_batch_size is above 1).",
        Use.DEPLOY | Use.RUN_LOCAL,
    ),
    Setting(
        CONFIG_KEY,
        _text,
        "PATH",
        "A file with any part of Triton's model configuration, as config.pbtxt or JSON, merged "
        "over the one that is generated or was logged: what it says goes before that. Inputs, "
        "outputs and warm-up samples are merged by name, entries of maps by key; other lists are "
        "replaced. Any field can also be given by its own name, which goes before the file: "
        "-C instance_group='[{kind: KIND_CPU, count: 2}]'. config.NAME=PATH is merged over all of "
        "that to make configs/NAME.pbtxt, which Triton started with --model-config-name NAME reads "
        "in place of config.pbtxt.",
        Use.DEPLOY | Use.RUN_LOCAL,
    ),
    Setting(
        "preprocess",
        _several,
        "URI",
        "Models that a request passes through before the one that is deployed, as a Triton "
        "ensemble: model URIs, several with commas between them (default: none). To be given again "
        "with each update, as all settings of the model are.",
        Use.DEPLOY | Use.RUN_LOCAL,
    ),
    Setting(
        "postprocess",
        _several,
        "URI",
        "The same, of models after it.",
        Use.DEPLOY | Use.RUN_LOCAL,
    ),
    Setting(
        "preprocess_flavor",
        _several,
        "FLAVOR",
        "The flavors of these, as many as there are models, with commas between them (default: "
        "found out from each model).",
        Use.DEPLOY | Use.RUN_LOCAL,
    ),
    Setting(
        "postprocess_flavor",
        _several,
        "FLAVOR",
        "The flavors of those after it.",
        Use.DEPLOY | Use.RUN_LOCAL,
    ),
    Setting(
        "warmup",
        _switch,
        "true|false",
        "Whether Triton runs the model's logged input example on each version before it serves "
        "(default false).",
        Use.DEPLOY | Use.RUN_LOCAL,
    ),
    Setting(
        "keep_versions",
        _count(0),
        "N",
        "Previous versions that stay in the repository: going back to one of them transfers "
        f"nothing (default {DEFAULT_KEEP_VERSIONS}).",
        Use.UPDATE | Use.RUN_LOCAL,
    ),
    Setting(
        "force",
        _switch,
        "true|false",
        "Whether update has Triton load the model again though nothing has changed (default "
        "false).",
        Use.UPDATE | Use.RUN_LOCAL,
    ),
    Setting(
        "check",
        _switch,
        "on|off",
        "Whether a model is read as Triton would read it before anything is touched, and what "
        "Triton would refuse is refused at once (default on).",
        Use.DEPLOY | Use.RUN_LOCAL,
    ),
    Setting(
        "tags",
        _switch,
        "on|off",
        "Whether MLflow is told what is deployed where: the tag triton.<name> on the model's "
        "version in the registry, or on the logged model (default on).",
        _CHANGES,
        "TRITON_TAGS",
    ),
    Setting(
        "repair",
        _switch,
        "true|false",
        "Deploy nothing: finish or undo what was interrupted, and load what is deployed, such as "
        "after a restart of Triton. Without --model-uri. For a whole repository: "
        "mlflow-triton repair.",
        Use.UPDATE,
    ),
    Setting("http_port", _port, "PORT", "HTTP port (default: a free one).", Use.RUN_LOCAL),
    Setting("grpc_port", _port, "PORT", "gRPC port (default: a free one).", Use.RUN_LOCAL),
    Setting("metrics_port", _port, "PORT", "Metrics port (default: a free one).", Use.RUN_LOCAL),
)

_OWN_KEYS = frozenset(setting.key for setting in SETTINGS)
_FLAVORS = Use.DEPLOY | Use.RUN_LOCAL


def flavor_settings() -> tuple[Setting, ...]:
    """Return the settings that flavors have of their own; those of the plugin go before them."""
    return tuple(
        Setting(own.key, own.parse, own.value, f"{own.help} (Flavor {name}.)", _FLAVORS)
        for name, flavor in Registry.installed().usable()
        for own in flavor.settings
        if own.key not in _OWN_KEYS
    )


@dataclass(frozen=True, slots=True)
class StepSetting:
    """A model beside the one that is deployed.

    Attributes:
        role: ``preprocess`` or ``postprocess``.
        uri: its URI.
        flavor: its flavor; None to find it out.
    """

    role: str
    uri: str
    flavor: str | None


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one call, each with its own type; keys that were not given are absent.

    Attributes:
        values: key → value.
        written: what was given of the model's configuration.
        local_server: whether the server is one that ``run-local`` has started.
    """

    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    written: WrittenConfig = field(default_factory=WrittenConfig, repr=False)
    local_server: bool = False

    @property
    def triton_url(self) -> str:
        """Where Triton answers."""
        return str(self.values.get("triton_url", DEFAULT_URL))

    @property
    def triton_model_repo(self) -> str:
        """Where Triton reads models from.

        Raises:
            InvalidSettingError: nobody said.
        """
        location = self.values.get("triton_model_repo")
        if location is None:
            raise InvalidSettingError(
                "The model repository is unknown. Set TRITON_MODEL_REPO to what Triton was started "
                "with (--model-repository): a directory, s3://… or gs://…."
            )
        return str(location)

    @property
    def s3(self) -> dict[str, str]:
        """How objects are to be stored on S3."""
        given = self.values.items()
        return {key.removeprefix(_S3): str(text) for key, text in given if key.startswith(_S3)}

    @property
    def timeout(self) -> float:
        """How long one load or unload may take, in seconds."""
        return float(self.values.get("timeout", DEFAULT_TIMEOUT_SECONDS))

    @property
    def request_timeout(self) -> float:
        """How long any other request may take, in seconds."""
        return float(self.values.get("request_timeout", DEFAULT_REQUEST_TIMEOUT_SECONDS))

    @property
    def keepalive(self) -> float | None:
        """How long a connection may be silent before it is tried, in seconds."""
        return cast("float | None", self.values.get("keepalive"))

    @property
    def nameserver(self) -> str | None:
        """The DNS server that knows the servers' names."""
        return cast("str | None", self.values.get("nameserver"))

    @property
    def rollout(self) -> Rollout:
        """How operations go through a fleet."""
        return Rollout(
            strategy=self.values.get("strategy", Strategy.ALL),
            parallelism=self.values.get("parallelism"),
            quorum=self.values.get("quorum"),
        )

    @property
    def servers(self) -> str | None:
        """For which servers of a fleet the deployment is."""
        return cast("str | None", self.values.get("servers"))

    @property
    def shared_memory(self) -> bool:
        """Whether large tensors may go through shared memory."""
        return bool(self.values.get("shared_memory", True))

    @property
    def access(self) -> Access:
        """Whom the server's connection trusts, and how it shows who asks.

        Raises:
            InvalidSettingError: what is given does not go together, or can't be sent.
        """
        keys = (given.name for given in fields(Access))
        return Access(**{key: self.values[key] for key in keys if key in self.values})

    @property
    def keep_versions(self) -> int:
        """How many previous versions stay in the repository."""
        return int(self.values.get("keep_versions", DEFAULT_KEEP_VERSIONS))

    @property
    def steps(self) -> tuple[StepSetting, ...]:
        """The models that make it an ensemble, in their order.

        Raises:
            InvalidSettingError: there are flavors, but not one for each model.
        """
        return (*self._steps("preprocess"), *self._steps("postprocess"))

    def _steps(self, role: str) -> tuple[StepSetting, ...]:
        uris = self.values.get(role, ())
        flavors = self.values.get(f"{role}_flavor", ())
        if flavors and len(flavors) != len(uris):
            raise InvalidSettingError(
                f"{role}_flavor names {len(flavors)} flavors, but {role} {len(uris)} models: name "
                "one for each model, or leave it out."
            )
        pairs = zip(uris, flavors or (None,) * len(uris), strict=True)
        return tuple(StepSetting(role, uri, flavor) for uri, flavor in pairs)

    @property
    def force(self) -> bool:
        """Whether the model is loaded again though nothing has changed."""
        return bool(self.values.get("force", False))

    @property
    def package_options(self) -> PackageOptions:
        """What the user asks of a model's configuration.

        Raises:
            InvalidSettingError: what was given of it can't be read.
        """
        batch = self.values.get("max_batch_size")
        changes = self.written.changes(max_batch_size=batch) if self.written else None
        if changes is not None and changes.max_batch_size is not None:
            batch = changes.max_batch_size
        return PackageOptions(
            max_batch_size=batch,
            instance_count=self.values.get("instance_count"),
            dynamic_batching=self.values.get("dynamic_batching"),
            check=self.values.get("check", True),
            local_server=self.local_server,
            own={key: value for key, value in self.values.items() if key not in _OWN_KEYS},
            changes=changes,
            hardware=self.written.named_changes(),
            warmup=bool(self.values.get("warmup", False)),
        )

    @property
    def tags(self) -> bool:
        """Whether MLflow is told what is deployed where."""
        return bool(self.values.get("tags", True)) and not self.local_server

    @property
    def repair(self) -> bool:
        """Whether an update is a repair of what is deployed."""
        return bool(self.values.get("repair", False))


def read_settings(
    use: Use,
    *,
    target_uri: str = "triton",
    config: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Collect the settings of one call.

    Args:
        use: what they are for.
        target_uri: ``triton``, ``triton:URL`` or ``triton://host:port``, with ``?key=value``.
        config: ``-C`` or ``config=``: text, or values of the right type.
        environment: the process's own if left out.

    Raises:
        InvalidSettingError: an unknown key, or a value that is not one.
    """
    here = (*SETTINGS, *(flavor_settings() if use & _FLAVORS else ()))
    known = {setting.key: setting for setting in here if setting.uses & use}
    values = _from_environment(known, os.environ if environment is None else environment)
    given = _from_uri(target_uri)
    # One target URI serves every operation, so it may hold what this one does not read.
    elsewhere = _OWN_KEYS - set(known)
    if not elsewhere | set(known) >= set(given):
        elsewhere |= {setting.key for setting in flavor_settings()} - set(known)
    values |= _parsed(
        known,
        {key: value for key, value in given.items() if key not in elsewhere},
        where="{} in the target URI",
    )
    if not use & _FLAVORS:
        values |= _parsed(known, config or {}, where="-C {}")
        return Settings(MappingProxyType(values))
    ours, written = split_config(config or {}, flavors=set(known) - _OWN_KEYS)
    values |= _parsed(known, ours, where="-C {}", more=fields_of_config())
    return Settings(MappingProxyType(values), written)


REQUEST_VARIABLES = tuple(
    setting.variable for setting in SETTINGS if setting.variable and setting.uses & Use.REQUEST
)
"""Every variable of the environment that can change what `read_settings` returns for requests."""


def _from_environment(
    known: Mapping[str, Setting], environment: Mapping[str, str]
) -> dict[str, Any]:
    return {
        key: _parse(setting, setting.variable, environment[setting.variable])
        for key, setting in known.items()
        # An empty variable is as good as none: that is how shells and charts unset them.
        if setting.variable and environment.get(setting.variable, "").strip()
    }


def _from_uri(target_uri: str) -> dict[str, str]:
    start, _, query = target_uri.partition("?")
    address = start.partition(":")[2].removeprefix("//").rstrip("/")
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    if address:
        pairs["triton_url"] = address
    return pairs


def _parsed(
    known: Mapping[str, Setting],
    given: Mapping[str, object],
    *,
    where: str,
    more: Collection[str] = (),
) -> dict[str, Any]:
    """Parse values. `more` are keys that can be given as well, but are none of these settings."""
    parsed = {}
    for key, value in given.items():
        if key not in known:
            close = get_close_matches(key, [*known, *more], n=1)
            too = ", config.NAME; and any field of Triton's model configuration" if more else ""
            wrong = f"{where.format(repr(key))}: {_why_unknown(key)}"
            if close:
                raise InvalidSettingError(
                    f"{wrong} Did you mean {close[0]}? "
                    "'mlflow deployments help -t triton' lists all."
                )
            raise InvalidSettingError(f"{wrong} Known ones: {', '.join(known)}{too}.")
        if value is not None:
            parsed[key] = _parse(known[key], key, str(value), where=where)
    return parsed


def _why_unknown(key: str) -> str:
    uses = [name for use, name in USES if any(use & one.uses for one in SETTINGS if one.key == key)]
    if not uses:
        return "there is no such setting here."
    return f"it is a setting of {', '.join(uses)}, and means nothing here: leave it out."


def _parse(setting: Setting, name: str, text: str, *, where: str = "{}") -> Any:
    try:
        return setting.parse(text)
    except ValueError as error:
        given = where.format(name if setting.secret else f"{name}={text!r}")
        raise InvalidSettingError(f"{given}: {error}.") from None
