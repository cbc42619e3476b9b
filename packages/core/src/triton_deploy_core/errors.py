"""Every error that this project raises on purpose, in one tree.

::

    DeployError
    ├── InvalidRequestError          what was asked for can't be: nothing was touched
    │   ├── InvalidNameError         not a name that Triton can serve
    │   ├── InvalidPackageError      the files are not what Triton would load
    │   ├── InvalidInputError        tensors that the model does not take
    │   ├── InvalidOptionsError      what a request says beside its inputs
    │   └── InvalidSettingError      an unknown setting, or a value that it can't have
    ├── DeploymentNotFoundError      no deployment of that name
    ├── NoPreviousVersionError       a rollback, where no version is kept to go back to
    ├── DeploymentExistsError        create, where there is one already
    ├── NotOursError                 a directory that no deployment of ours made
    │   ├── DamagedRecordError       it has a record, but not one that can be read
    │   └── PartOfEnsembleError      it is a part of another deployment
    ├── DeploymentBusyError          another operation on that name holds its lease
    │   └── LeaseLostError           this operation was paused, and another took its lease over
    ├── ModelSourceError             the model that was named can't be had
    ├── StoreError                   the model repository
    │   ├── RepositoryNotFoundError  the directory or bucket does not exist
    │   ├── StoreAccessError         read-only, or no permission
    │   ├── StoreUnavailableError    unreachable, overloaded, out of space
    │   ├── BlobNotFoundError        no such file in the repository
    │   └── PreconditionFailedError  a conditional write lost
    │       └── StaleWriterError     a guarded change of a writer that lost its lease
    └── ServerError                  the inference server
        ├── ServerUnreachableError   refused, unresolvable, not reachable
        │   └── AnswerLostError      the connection broke after the request was sent
        ├── ServerTimeoutError       no answer within the deadline
        │   └── LoadTimeoutError     a load that was still going on at its deadline
        ├── NotSettledError          it answers, but a model was on its way down at the deadline
        ├── NotTritonError           something answered that does not speak the protocol
        ├── ControlModeError         the server does not run in EXPLICIT mode
        ├── LoadFailedError          Triton refused a load or unload; `reason` is its own word
        ├── ModelNotServedError      a request for a model that the server does not serve now
        └── RequestRefusedError      any other refused request; `reason` is the server's word

A message is one line that says what happened, where, and what to do. No message holds a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from triton_deploy_core.problems import Problem


class DeployError(Exception):
    """Base of all errors of this project."""

    def amend(self, text: str) -> None:
        """Add a sentence to the message: what the failure led to, and what to do about it."""
        message = str(self).rstrip("; ")
        stop = "" if message.endswith((".", "!", "?")) else "."
        self.args = (f"{message}{stop} {text}", *self.args[1:])


class InvalidRequestError(DeployError):
    """What was asked for can't be done by anybody; nothing was touched."""


class InvalidNameError(InvalidRequestError):
    """The name is not one that Triton can serve under every protocol."""


class InvalidPackageError(InvalidRequestError):
    """The model's files are not a model that Triton would load.

    Attributes:
        problems: one for each thing that is wrong, where several can be.
    """

    def __init__(self, message: str, *, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class InvalidInputError(InvalidRequestError):
    """The inputs of a prediction are not what the model takes."""


class InvalidOptionsError(InvalidRequestError):
    """What a request says beside its inputs is nothing that a server takes.

    Attributes:
        problems: one for each thing that is wrong.
    """

    def __init__(self, message: str, *, problems: tuple[str, ...]) -> None:
        super().__init__(message)
        self.problems = problems


class InvalidSettingError(InvalidRequestError):
    """A setting is unknown or has a value that it can't have."""


class DeploymentNotFoundError(DeployError):
    """There is no deployment of that name."""


class NoPreviousVersionError(DeployError):
    """There is no version to go back to, or it is not what it was any more."""


class DeploymentExistsError(DeployError):
    """There is a deployment of that name already."""


class NotOursError(DeployError):
    """The repository holds a directory of that name which no deployment of ours made."""


class DamagedRecordError(NotOursError):
    """A directory has a record that can't be read, or that is another name's."""


class PartOfEnsembleError(NotOursError):
    """A model is a part of a deployment, and no deployment by itself."""


class DeploymentBusyError(DeployError):
    """Another operation on that name holds its lease.

    Attributes:
        holder: who holds it, as the lease says.
        expires_at: when the lease runs out, in seconds since the epoch.
    """

    def __init__(self, message: str, *, holder: str, expires_at: float) -> None:
        super().__init__(message)
        self.holder = holder
        self.expires_at = expires_at


class LeaseLostError(DeploymentBusyError):
    """This operation was paused for longer than its lease, and another has taken the name over.

    Nothing that it did after that has changed the repository.
    """


class ModelSourceError(DeployError):
    """The model that a URI names does not exist or can't be read."""


class StoreError(DeployError):
    """The model repository could not do what was asked."""


class RepositoryNotFoundError(StoreError):
    """The repository's root does not exist."""


class StoreAccessError(StoreError):
    """The repository may not be read or written by this user."""


class StoreUnavailableError(StoreError):
    """The repository can't be reached, is overloaded or has no space left."""


class BlobNotFoundError(StoreError):
    """A file that should be read is not in the repository."""


class PreconditionFailedError(StoreError):
    """A conditional write found another content than the condition says."""


class StaleWriterError(PreconditionFailedError):
    """A guarded change was refused: another writer has taken over since."""


class ServerError(DeployError):
    """The inference server could not do what was asked.

    Attributes:
        failures: URL → what happened there, where several servers were asked; else empty.
        untouched: the URLs of those that were not asked any more.
    """

    failures: Mapping[str, ServerError] = MappingProxyType({})
    untouched: frozenset[str] = frozenset()


class ServerUnreachableError(ServerError):
    """No connection to the server could be made: it has not seen the request."""


class AnswerLostError(ServerUnreachableError):
    """The connection broke before the answer was complete: the request may have been done."""


class ServerTimeoutError(ServerError):
    """The server did not answer within the deadline."""


class LoadTimeoutError(ServerTimeoutError):
    """A load was still going on when its deadline passed: it may yet succeed or fail."""


class NotSettledError(ServerError):
    """The server answers, but a model was still on its way up or down at the deadline."""


class NotTritonError(ServerError):
    """Something answered that does not speak the KServe v2 protocol."""


class ControlModeError(ServerError):
    """The server does not take load and unload requests (it is not in EXPLICIT mode)."""


class LoadFailedError(ServerError):
    """Triton refused to load or unload a model.

    Attributes:
        reason: Triton's own words.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class ModelNotServedError(ServerError):
    """The server does not serve that model or version now."""


class RequestRefusedError(ServerError):
    """The server refused a request.

    Attributes:
        reason: the server's own words.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
