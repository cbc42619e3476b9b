"""The plugin's face to MLflow: ``mlflow deployments … -t triton`` and ``get_deploy_client``.

MLflow finds this module by the entry point ``triton`` of the group ``mlflow.deployments``, and
in it the one subclass of `BaseDeploymentClient`, `run_local` and `target_help`.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Generator, Hashable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from mlflow.deployments import BaseDeploymentClient

from mlflow_triton import bootstrap
from mlflow_triton.exceptions import as_mlflow_errors
from mlflow_triton.settings import REQUEST_VARIABLES, Use, read_settings
from triton_deploy_core.errors import InvalidSettingError

if TYPE_CHECKING:
    from pandas import DataFrame

    from mlflow_triton.predicting import Predictor
    from mlflow_triton.settings import Settings
    from triton_deploy_core.ports.request_options import Parameter

__all__ = ["TritonDeploymentClient", "run_local", "target_help"]


class TritonDeploymentClient(BaseDeploymentClient):
    """Deploys models that MLflow tracks to NVIDIA Triton Inference Server.

    One client may be used by several threads. Every method raises
    `mlflow_triton.exceptions.TritonDeploymentError`, an `MlflowException`.
    """

    def __init__(self, target_uri: str) -> None:
        """Take a target URI: ``triton``, ``triton:URL`` or ``triton://host:port?key=value``."""
        super().__init__(target_uri)  # type: ignore[no-untyped-call]
        self._predictors: dict[Hashable, Predictor] = {}
        self._lock = threading.Lock()
        # What the environment said at the last prediction, and what came of it.
        self._last: tuple[tuple[str | None, ...], Predictor | None, float] = (), None, 0.0
        # MLflow's clients have no close(): connections go with the client.
        weakref.finalize(self, _close_all, self._predictors)

    def create_deployment(
        self,
        name: str,
        model_uri: str,
        flavor: str | None = None,
        config: Mapping[str, object] | None = None,
        endpoint: str | None = None,
    ) -> dict[str, str]:
        """Deploy a model under a new name; return when Triton serves it.

        Args:
            name: the deployment's name.
            model_uri: any form of model URI that MLflow knows, or a local path.
            flavor: a flavor that is installed; found out from the model if left out.
            config: settings, as ``mlflow deployments help -t triton`` lists them.
            endpoint: none: Triton has no endpoints.

        Returns:
            ``{"name": …, "flavor": …}``.
        """
        from mlflow_triton.deploying import create  # noqa: PLC0415 (slow, and only needed here)

        with as_mlflow_errors():
            _refuse_endpoint(endpoint)
            settings = self._settings(Use.DEPLOY, config)
            with bootstrap.deployment_service(settings) as service:
                record = create(service, name, model_uri, flavor, settings)
            return {"name": str(record.name), "flavor": record.flavor}

    def update_deployment(
        self,
        name: str,
        model_uri: str | None = None,
        flavor: str | None = None,
        config: Mapping[str, object] | None = None,
        endpoint: str | None = None,
    ) -> dict[str, str]:
        """Replace the model that a name serves; the old one serves until the new one does.

        Args:
            name: the deployment's name.
            model_uri: the new model; the one that is deployed now if left out, for new settings.
            flavor: a flavor that is installed; found out from the model if left out.
            config: settings, as ``mlflow deployments help -t triton`` lists them.
            endpoint: none: Triton has no endpoints.

        Returns:
            ``{"flavor": …}``.
        """
        from mlflow_triton.deploying import update  # noqa: PLC0415 (slow, and only needed here)
        from mlflow_triton.repair_reports import repair_one  # noqa: PLC0415 (only needed here)

        with as_mlflow_errors():
            _refuse_endpoint(endpoint)
            settings = self._settings(Use.DEPLOY | Use.UPDATE, config)
            with bootstrap.deployment_service(settings) as service:
                if settings.repair:
                    record = repair_one(service, name, model_uri, settings)
                else:
                    record = update(service, name, model_uri, flavor, settings)
            return {"flavor": record.flavor}

    def delete_deployment(
        self,
        name: str,
        config: Mapping[str, object] | None = None,
        endpoint: str | None = None,
    ) -> None:
        """Unload a deployment and remove its files. A name that is not there is no error.

        Args:
            name: the deployment's name.
            config: settings, as ``mlflow deployments help -t triton`` lists them.
            endpoint: none: Triton has no endpoints.
        """
        from mlflow_triton.deleting import delete  # noqa: PLC0415 (slow, and only needed here)

        with as_mlflow_errors():
            _refuse_endpoint(endpoint)
            settings = self._settings(Use.DELETE, config)
            with bootstrap.deployment_service(settings) as service:
                delete(service, name, settings)

    def repair_deployments(
        self, name: str | None = None, config: Mapping[str, object] | None = None
    ) -> list[dict[str, str]]:
        """Finish or undo what was interrupted, and have Triton serve what is deployed.

        On the command line: ``mlflow deployments update -t triton --name … -C repair=true``, and
        ``mlflow-triton repair`` for the whole repository.

        Args:
            name: a deployment; all that are in the repository if left out.
            config: settings, as for an update.

        Returns:
            For each name ``name``, ``outcome`` (``fine``, ``repaired``, ``busy`` or ``failed``)
            and, where there is anything to say, ``done`` and ``problem``.
        """
        from mlflow_triton.repair_reports import describe_repair, repair  # noqa: PLC0415 (only here)

        with as_mlflow_errors():
            settings = self._settings(Use.DEPLOY | Use.UPDATE, config)
            with bootstrap.deployment_service(settings) as service:
                return [describe_repair(report) for report in repair(service, name, settings)]

    def rollback_deployment(
        self,
        name: str,
        version: int | None = None,
        config: Mapping[str, object] | None = None,
    ) -> dict[str, str]:
        """Go back to a version that served before, with the configuration that it had.

        No model is read and no file of one transferred: the repository keeps one previous version,
        or as many as ``keep_versions`` said. What serves now is kept, so that a second rollback
        returns to it. On the command line: ``mlflow-triton rollback NAME``.

        Args:
            name: the deployment's name.
            version: which of Triton's versions; the one that served last if left out.
            config: settings, as for a delete.

        Returns:
            ``{"name": …, "flavor": …, "version": …, "mlflow_model_uri": …}``.
        """
        from mlflow_triton.rolling_back import roll_back  # noqa: PLC0415 (only needed here)

        with as_mlflow_errors():
            settings = self._settings(Use.DELETE, config)
            with bootstrap.deployment_service(settings) as service:
                done = roll_back(service, name, version, settings)
            record = done.record
            return {
                "name": done.name,
                "flavor": record.flavor,
                "version": str(done.version),
                "mlflow_model_uri": record.mlflow_model_uri,
            }

    def list_deployments(self, endpoint: str | None = None) -> list[dict[str, str]]:
        """Return every deployment: ``name``, ``version``, ``state`` and what the record says.

        Models in the repository that MLflow did not deploy are left out. Why a server does not
        answer is told once, by a warning (logger ``mlflow_triton.descriptions``).
        """
        from mlflow_triton.descriptions import describe, told_once  # noqa: PLC0415 (likewise)

        with as_mlflow_errors():
            _refuse_endpoint(endpoint)
            with bootstrap.deployment_service(self._settings(Use.REQUEST)) as service:
                found = service.list()
            told_once(found)
            return [describe(deployment, is_silence_told=True) for deployment in found]

    def get_deployment(self, name: str, endpoint: str | None = None) -> dict[str, str]:
        """Return one deployment: ``name``, ``version``, ``state`` and what the record says.

        ``differences`` says what does not agree about record, files and server, and ``repair`` by
        which command that can be put right; both are there only if there is anything to say.
        Of one that serves also what it takes and gives, its batch limit, and its statistics: see
        `serving_details`.
        """
        from mlflow_triton.descriptions import describe  # noqa: PLC0415 (only needed here)
        from mlflow_triton.serving_details import serving_details  # noqa: PLC0415

        with as_mlflow_errors():
            _refuse_endpoint(endpoint)
            settings = self._settings(Use.REQUEST)
            with bootstrap.deployment_service(settings) as service:
                deployment = service.get(name)
            shown = describe(deployment)
            if deployment.versions:
                with closing(bootstrap.server(settings)) as server:
                    shown |= serving_details(server, deployment.name)
            return shown

    def predict(
        self,
        deployment_name: str | None = None,
        inputs: object = None,
        endpoint: str | None = None,
        *,
        parameters: Mapping[str, Parameter] | None = None,
        outputs: Sequence[str] | Mapping[str, int] | None = None,
        version: int | None = None,
        request_id: str | None = None,
    ) -> DataFrame:
        """Run a model on inputs.

        Args:
            deployment_name: the deployment's name.
            inputs: a dict of arrays, lists or scalars; a DataFrame with a column an input; a JSON
                object as the command line or MLflow's scoring server takes it; for a model with
                one input, its value alone. Values are converted where that loses nothing. More
                rows than the model takes at once are split. The JSON object may have the keyword
                arguments below beside the inputs, as ``params``.
            endpoint: none: Triton has no endpoints.
            parameters: of the request, for the model; ``sequence_id``, ``sequence_start``,
                ``sequence_end``, ``priority`` and ``timeout`` (in the queue, microseconds) are for
                Triton's schedulers, as in its REST protocol.
            outputs: the names of those to return, or name → number of classes: that many largest
                elements of each row, as ``value:index:label``; 0 for the output itself.
            version: which of Triton's versions answers; the server's choice if left out.
            request_id: shows in the server's logs and traces.

        Returns:
            A DataFrame with the column ``outputs`` and a row an output, each cell an array.
        """
        with as_mlflow_errors():
            _refuse_endpoint(endpoint)
            predictor, timeout = self._predictor()
            params = _params(parameters, outputs, version, request_id)
            return predictor.predict(deployment_name, inputs, timeout=timeout, params=params)

    def predict_stream(
        self,
        deployment_name: str | None = None,
        inputs: object = None,
        endpoint: str | None = None,
        *,
        parameters: Mapping[str, Parameter] | None = None,
        outputs: Sequence[str] | Mapping[str, int] | None = None,
        version: int | None = None,
        request_id: str | None = None,
    ) -> Generator[DataFrame, None, None]:
        """Run a model on inputs and yield its answers as they come: over gRPC only.

        It is what decoupled models need, which answer a request any number of times; others answer
        once. Closing the iterator cancels the request. The setting ``request_timeout`` limits the
        waiting for each answer, not the whole. Nothing is sent before the first one is asked for.

        Args:
            deployment_name: the deployment's name.
            inputs: as `predict` takes them, at most as many rows as the model takes at once.
            endpoint: none: Triton has no endpoints.
            parameters: see `predict`.
            outputs: see `predict`.
            version: see `predict`.
            request_id: see `predict`.

        Yields:
            DataFrames as `predict` returns them.
        """
        with as_mlflow_errors():
            _refuse_endpoint(endpoint)
            predictor, timeout = self._predictor()
            params = _params(parameters, outputs, version, request_id)
            yield from predictor.predict_stream(
                deployment_name, inputs, timeout=timeout, params=params
            )

    def _settings(self, use: Use, config: Mapping[str, object] | None = None) -> Settings:
        return read_settings(use, target_uri=self.target_uri, config=config)

    def _predictor(self) -> tuple[Predictor, float]:
        """Return one, with its open connections, and its time-out, for as long as settings stay."""
        environment = tuple(map(os.environ.get, REQUEST_VARIABLES))
        last_environment, predictor, timeout = self._last
        if predictor is not None and environment == last_environment:
            return predictor, timeout
        from mlflow_triton.predicting import Predictor  # noqa: PLC0415 (slow, only needed here)

        settings = self._settings(Use.REQUEST)
        limits = settings.request_timeout, settings.keepalive
        target = settings.triton_url, settings.nameserver
        key = *target, settings.access, settings.shared_memory, *limits
        with self._lock:
            if key not in self._predictors:
                self._predictors[key] = Predictor(bootstrap.model_server(settings))
            predictor = self._predictors[key]
        self._last = environment, predictor, settings.request_timeout
        return predictor, settings.request_timeout


def _close_all(predictors: dict[Hashable, Predictor]) -> None:
    for predictor in predictors.values():
        predictor.close()


def _params(
    parameters: Mapping[str, Parameter] | None,
    outputs: Sequence[str] | Mapping[str, int] | None,
    version: int | None,
    request_id: str | None,
) -> dict[str, object]:
    given = {
        "parameters": parameters,
        "outputs": outputs,
        "version": version,
        "request_id": request_id,
    }
    return {key: value for key, value in given.items() if value is not None}


def _refuse_endpoint(endpoint: str | None) -> None:
    if endpoint is not None:
        raise InvalidSettingError(
            f"Triton has no endpoints, so there is no {endpoint!r}. Name the deployment (--name)."
        )


def run_local(
    name: str,
    model_uri: str,
    flavor: str | None = None,
    config: Mapping[str, object] | None = None,
) -> None:
    """Start a Triton on this machine, deploy a model there and serve until Ctrl-C.

    Args:
        name: the deployment's name.
        model_uri: any form of model URI that MLflow knows, or a local path.
        flavor: a flavor that is installed; found out from the model if left out.
        config: settings, as ``mlflow deployments help -t triton`` lists them.
    """
    from mlflow_triton.local_run import serve_locally  # noqa: PLC0415 (only needed here)

    with as_mlflow_errors():
        settings = read_settings(Use.RUN_LOCAL, config=config)
        serve_locally(name, model_uri, flavor, settings)


def target_help() -> str:
    """Return what ``mlflow deployments help -t triton`` prints."""
    from mlflow_triton.help_text import help_text  # noqa: PLC0415 (only needed here)

    return help_text()
