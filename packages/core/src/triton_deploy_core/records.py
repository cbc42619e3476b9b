"""The record: ``<name>/mlflow-meta.json``, which makes a directory a deployment of ours.

Its keys and its place are those of NVIDIA's plugin, so that each reads what the other wrote.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from triton_deploy_core.errors import DamagedRecordError
from triton_deploy_core.names import MAX_NAME_BYTES, DeploymentName
from triton_deploy_core.package import Origin

RECORD_FILE = "mlflow-meta.json"
_MAX_RECORD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """What the repository remembers of a deployment.

    Attributes:
        name: the deployment's name.
        triton_model_path: where its files are.
        mlflow_model_uri: which model it is.
        flavor: the flavor that it was deployed as.
        servers: which servers of a fleet it is for (`placement`); empty for all of them.
        part_of: the deployment whose part it is; empty: it is one itself.
        parts: of an ensemble, the models that its steps name, in their order.
    """

    name: DeploymentName
    triton_model_path: str
    mlflow_model_uri: str
    flavor: str
    servers: str = ""
    part_of: str = ""
    parts: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: DeploymentName, location: str, origin: Origin, servers: str = "") -> Record:
        """Make the record of a model that is deployed into the repository at `location`."""
        path = f"{location.rstrip('/')}/{name}"
        return cls(name, path, origin.model_uri, origin.flavor, servers)

    def encode(self) -> bytes:
        """Return the file's content: strings only, as NVIDIA's plugin reads no more than that."""
        fields = {
            "name": str(self.name),
            "triton_model_path": self.triton_model_path,
            "mlflow_model_uri": self.mlflow_model_uri,
            "flavor": self.flavor,
        }
        more = {"servers": self.servers, "part_of": self.part_of, "parts": ",".join(self.parts)}
        fields |= {key: text for key, text in more.items() if text}
        return (json.dumps(fields, indent=4) + "\n").encode()

    @classmethod
    def decode(cls, data: bytes, name: DeploymentName) -> Record:
        """Read the record that lies in the directory of `name`.

        Raises:
            DamagedRecordError: it is no record, or that of another name (a copied directory).
        """
        fields = _fields(data, name)
        other = fields.get("name", "")
        if other != str(name):
            raise DamagedRecordError(
                f"{name}/{RECORD_FILE} is the record of {other[:MAX_NAME_BYTES]!a}, not of "
                f"'{name}': the directory was copied or renamed by hand. Remove it, or correct "
                "its record."
            )
        return cls(
            name=name,
            triton_model_path=fields.get("triton_model_path", ""),
            mlflow_model_uri=fields.get("mlflow_model_uri", ""),
            flavor=fields.get("flavor", ""),
            servers=fields.get("servers", ""),
            part_of=fields.get("part_of", ""),
            parts=tuple(filter(None, fields.get("parts", "").split(","))),
        )


_TEXTS = (
    *("name", "triton_model_path", "mlflow_model_uri", "flavor"),
    *("servers", "part_of", "parts"),
)


def _fields(data: bytes, name: DeploymentName) -> dict[str, str]:
    try:
        fields = json.loads(data) if len(data) <= _MAX_RECORD_BYTES else None
    except (ValueError, RecursionError):
        fields = None
    if isinstance(fields, dict):
        known = {key: fields[key] for key in _TEXTS if key in fields}
        if all(isinstance(text, str) for text in known.values()):
            return known
    raise DamagedRecordError(
        f"{name}/{RECORD_FILE} can't be read as a deployment's record. "
        "Restore it, or remove the directory by hand if nobody needs it."
    )
