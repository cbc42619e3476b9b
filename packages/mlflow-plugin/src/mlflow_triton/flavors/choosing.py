"""Which flavor a model is deployed as."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mlflow_triton.flavors.packaging import Fit, Flavor, PackageOptions
from mlflow_triton.flavors.registry import Registry
from mlflow_triton.mlmodel import MLmodel
from triton_deploy_core.errors import InvalidRequestError, InvalidSettingError


@dataclass(frozen=True, slots=True)
class ChosenFlavor:
    """A flavor and the name that it is registered under."""

    name: str
    flavor: Flavor

    def require_own_settings(self, options: PackageOptions) -> None:
        """Do nothing if this flavor has every setting of a flavor that was given.

        Raises:
            InvalidSettingError: a setting is another flavor's.
        """
        known = {setting.key for setting in self.flavor.settings}
        foreign = sorted(set(options.own) - known)
        if foreign:
            raise InvalidSettingError(
                f"The flavor {self.name} has no setting {foreign[0]}. Leave it out, or name the "
                "flavor that has it (--flavor)."
            )

    def settings_of_step(self, options: PackageOptions, *, is_beside: bool) -> dict[str, object]:
        """Return those settings of flavors that are for one step of an ensemble.

        Args:
            options: what was given.
            is_beside: whether the step is there for another model.
        """
        known = {one.key for one in self.flavor.settings if one.for_all_steps or not is_beside}
        return {key: value for key, value in options.own.items() if key in known}


def choose_flavor(
    mlmodel: MLmodel,
    requested: str | None,
    registry: Registry | None = None,
    *,
    unsuitable: Collection[str] = (),
    own: Collection[str] = (),
) -> ChosenFlavor:
    """Return the flavor to deploy a model as.

    Args:
        mlmodel: the model.
        requested: the flavor that the user named; None or empty to find the best one.
        registry: the flavors there are; None for all that are installed.
        unsuitable: names of flavors that are not to be found.
        own: the settings of flavors that were given. One that chooses its flavor does so where
            none was requested.

    Raises:
        InvalidRequestError: there is no flavor of that name, or the model is not of it; or none
            was requested and no flavor suits the model, or several suit it best.
        BrokenFlavorError: the flavor that was named can't be used.
    """
    registry = registry or Registry.installed()
    requested = requested or _chosen_by(own, registry)
    if requested:
        if requested not in registry.names:
            raise _refusal(f"flavor {requested!r} is not supported", mlmodel, registry)
        flavor = registry.load(requested)
        if flavor.fit(mlmodel) is Fit.NONE:
            raise _refusal(f"the model has no flavor {requested!r}", mlmodel, registry)
        return ChosenFlavor(requested, flavor)
    fits = {
        ChosenFlavor(name, flavor): flavor.fit(mlmodel)
        for name, flavor in registry.usable()
        if name not in unsuitable
    }
    best = max(fits.values(), default=Fit.NONE)
    if best <= Fit.ON_REQUEST:
        raise _refusal("the model has no flavor that can be deployed", mlmodel, registry)
    candidates = [chosen for chosen, fit in fits.items() if fit is best]
    if len(candidates) > 1:
        names = " or ".join(chosen.name for chosen in candidates)
        raise _refusal(
            f"the model has several flavors that can be deployed: choose {names} with --flavor",
            mlmodel,
            registry,
        )
    return candidates[0]


def _chosen_by(own: Collection[str], registry: Registry) -> str | None:
    if not own:
        return None
    return next(
        (
            name
            for name, flavor in registry.usable()
            if any(setting.chooses and setting.key in own for setting in flavor.settings)
        ),
        None,
    )


def _refusal(problem: str, mlmodel: MLmodel, registry: Registry) -> InvalidRequestError:
    present = ", ".join(sorted(mlmodel.flavors))
    return InvalidRequestError(
        f"{problem[0].upper()}{problem[1:]} (the model's flavors: {present}; supported: "
        f"{', '.join(registry.names)})."
    )
