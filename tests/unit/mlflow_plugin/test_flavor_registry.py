"""Flavors are found by their entry points, this package's and other people's alike."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from mlflow_triton.flavors.choosing import choose_flavor
from mlflow_triton.flavors.packaging import Fit, Flavor, FlavorSetting, PackageOptions
from mlflow_triton.flavors.registry import GROUP, BrokenFlavorError, Registry
from mlflow_triton.mlmodel import MLmodel
from triton_deploy_core.errors import InvalidRequestError, InvalidSettingError


class Theirs(Flavor):
    """Another package's flavor, which fits models with the entry `theirs`."""

    help = "somebody else's"
    settings = (FlavorSetting("colour", str, "NAME", "The colour."),)

    def __init__(self, fit: Fit = Fit.NATIVE) -> None:
        self._fit = fit

    def fit(self, mlmodel):
        return self._fit if "theirs" in mlmodel.flavors else Fit.NONE

    def package(self, model, options):
        raise NotImplementedError


@pytest.fixture
def module() -> Iterator[str]:
    module = ModuleType("a_package_of_theirs")
    module.NATIVE, module.GENERAL = Theirs(), Theirs(Fit.GENERAL)
    module.REQUEST, module.NO_FLAVOR = Theirs(Fit.ON_REQUEST), object()
    sys.modules[module.__name__] = module
    yield module.__name__
    del sys.modules[module.__name__]


def registry(module: str, **objects: str) -> Registry:
    return Registry.of(
        [EntryPoint(name, f"{module}:{where}", GROUP) for name, where in objects.items()]
    )


def model(*flavors: str) -> MLmodel:
    return MLmodel(flavors={name: {} for name in flavors})


def test_our_own_are_registered_as_others_would_be():
    installed = Registry.installed()
    assert {"onnx", "triton"} <= set(installed.names)
    for name, flavor in installed.usable():
        assert flavor.help, name


def test_a_flavor_of_another_package_is_chosen_and_named(module):
    found = registry(module, theirs="NATIVE")
    assert choose_flavor(model("theirs"), None, found).name == "theirs"
    assert choose_flavor(model("theirs"), "theirs", found).name == "theirs"


def test_the_flavor_that_is_made_for_a_model_goes_before_a_general_one(module):
    found = registry(module, general="GENERAL", native="NATIVE", request="REQUEST")
    assert choose_flavor(model("theirs"), None, found).name == "native"
    assert choose_flavor(model("theirs"), "general", found).name == "general"
    assert choose_flavor(model("theirs"), "request", found).name == "request"


@pytest.mark.parametrize(
    ("flavors", "requested", "message"),
    [
        (("theirs",), None, "choose also or native with --flavor .*: theirs; supported: also, na"),
        (("sklearn", "other"), None, "no flavor that can be deployed .*: other, sklearn; supp"),
        (("sklearn",), "native", "has no flavor 'native' .*: sklearn; supported"),
        (("sklearn",), "sklearn", "'sklearn' is not supported .*supported: also, native"),
    ],
)
def test_what_cannot_be_chosen_names_what_is_there(module, flavors, requested, message):
    found = registry(module, native="NATIVE", also="NATIVE")
    with pytest.raises(InvalidRequestError, match=message):
        choose_flavor(model(*flavors), requested, found)


def test_what_fits_on_request_alone_is_never_found_out(module):
    with pytest.raises(InvalidRequestError, match="no flavor that can be deployed"):
        choose_flavor(model("theirs"), None, registry(module, request="REQUEST"))


@pytest.mark.parametrize(
    ("where", "reason"),
    [("NO_FLAVOR", "is not a Flavor"), ("GONE", "GONE")],
)
def test_a_broken_flavor_is_named_and_stops_no_other(module, caplog, where, reason):
    found = registry(module, broken=where, native="NATIVE")
    with pytest.raises(BrokenFlavorError, match=rf"Flavor 'broken' of .*{reason}.*uninstall it"):
        choose_flavor(model("theirs"), "broken", found)
    assert choose_flavor(model("theirs"), None, found).name == "native"
    assert "Flavor 'broken'" in caplog.text


def test_a_module_that_is_not_there_is_a_broken_flavor():
    found = Registry.of([EntryPoint("x", "no_such_module:FLAVOR", GROUP)])
    with pytest.raises(BrokenFlavorError, match="No module named 'no_such_module'"):
        found.load("x")


def test_of_two_with_one_name_one_counts_and_a_warning_says_so(module, caplog):
    found = Registry.of(
        [EntryPoint("x", f"{module}:NATIVE", GROUP), EntryPoint("x", f"{module}:GENERAL", GROUP)]
    )
    assert found.names == ("x",)
    assert "flavor x of package a_package_of_theirs is not used" in caplog.text


def test_a_setting_of_another_flavor_is_refused(module):
    chosen = choose_flavor(model("theirs"), None, registry(module, theirs="NATIVE"))
    chosen.require_own_settings(PackageOptions(own={"colour": "red"}))
    with pytest.raises(InvalidSettingError, match="The flavor theirs has no setting env"):
        chosen.require_own_settings(PackageOptions(own={"env": "pack"}))


@pytest.mark.parametrize("flavor", ["onnx", "triton"])
def test_the_native_flavor_is_found_out(flavor):
    assert choose_flavor(model(flavor, "python_function"), "").name == flavor


def test_any_other_model_is_a_python_model_and_so_is_every_one_on_request():
    assert choose_flavor(model("sklearn", "python_function"), None).name == "pyfunc"
    assert choose_flavor(model("onnx", "python_function"), "pyfunc").name == "pyfunc"
    with pytest.raises(InvalidRequestError, match="has no flavor 'pyfunc'"):
        choose_flavor(model("triton"), "pyfunc")


def test_of_two_native_ones_the_user_chooses():
    with pytest.raises(InvalidRequestError, match=r"several flavors .*: onnx, triton; supported"):
        choose_flavor(model("onnx", "triton"), None)
    assert choose_flavor(model("onnx", "triton"), "triton").name == "triton"
