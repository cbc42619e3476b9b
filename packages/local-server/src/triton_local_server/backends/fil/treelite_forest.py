# ruff: noqa: INP001 - a folder as Triton wants it, not a package
"""A forest of trees in treelite's C library: the loaders and the reference inference of FIL.

The library is called without treelite's Python package, which would import scipy (113 MB).
Source: ``include/treelite/c_api.h`` of dmlc/treelite.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

XGBOOST_KINDS = frozenset({"xgboost_json", "xgboost_ubj"})
LOADERS: Mapping[str, str] = MappingProxyType(
    {
        "xgboost": "TreeliteLoadXGBoostModelLegacyBinary",
        "xgboost_json": "TreeliteLoadXGBoostModelJSON",
        "xgboost_ubj": "TreeliteLoadXGBoostModelUBJSON",
        "lightgbm": "TreeliteLoadLightGBMModel",
    }
)
"""FIL's ``model_type`` → the function that reads a file of it; all but treelite's own format."""


class ForestError(Exception):
    """What treelite says is wrong."""


class Forest:
    """A model that treelite has read.

    Attributes:
        features: How many features a row has.
        classes: How many numbers it returns for a row.

    Raises:
        ForestError: treelite can't read the file.
    """

    def __init__(
        self, file: Path, model_type: str, *, allow_unknown_field: bool = False, threads: int = -1
    ) -> None:
        library = _library(_find_library())
        self._library = library
        self._model = ctypes.c_void_p()
        path, model = str(file).encode(), ctypes.byref(self._model)
        if model_type in LOADERS:
            options = {"allow_unknown_field": allow_unknown_field}
            parser = json.dumps(options if model_type in XGBOOST_KINDS else {}).encode()
            _check(library, getattr(library, LOADERS[model_type])(path, parser, model))
        else:
            _check(library, library.TreeliteDeserializeModelFromFile(path, model))
        self._config = ctypes.c_void_p()
        wanted = json.dumps({"predict_type": "default", "nthread": threads}).encode()
        _check(library, library.TreeliteGTILParseConfig(wanted, ctypes.byref(self._config)))
        features = ctypes.c_size_t()
        _check(library, library.TreeliteQueryNumFeature(self._model, ctypes.byref(features)))
        self.features = features.value
        self._input_type = self._type_of(library.TreeliteGetInputType)
        self._output_type = self._type_of(library.TreeliteGetOutputType)
        self.classes = int(np.prod(self._output_shape(1)[1:]))

    def predict(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Returns what the trees say, after the model's own transformation.

        Args:
            rows: FP32 of shape [rows, features].

        Returns:
            FP32 of shape [rows, classes].

        Raises:
            ForestError: treelite refuses them.
        """
        dtype = np.dtype(self._input_type)
        data = np.ascontiguousarray(rows, dtype=dtype)
        result = np.zeros(self._output_shape(len(rows)), dtype=np.dtype(self._output_type))
        if len(rows):
            done = self._library.TreeliteGTILPredict(
                self._model,
                data.ctypes.data_as(ctypes.c_void_p),
                self._input_type.encode(),
                ctypes.c_uint64(len(rows)),
                result.ctypes.data_as(ctypes.c_void_p),
                self._config,
            )
            _check(self._library, done)
        return result.reshape(len(rows), self.classes).astype(np.float32)

    def _output_shape(self, rows: int) -> tuple[int, ...]:
        shape = ctypes.POINTER(ctypes.c_uint64)()
        dimensions = ctypes.c_uint64()
        done = self._library.TreeliteGTILGetOutputShape(
            self._model,
            ctypes.c_uint64(rows),
            self._config,
            ctypes.byref(shape),
            ctypes.byref(dimensions),
        )
        _check(self._library, done)
        return tuple(shape[place] for place in range(dimensions.value))

    def _type_of(self, ask: Callable[..., int]) -> str:
        name = ctypes.c_char_p()
        _check(self._library, ask(self._model, ctypes.byref(name)))
        return (name.value or b"").decode()


def _find_library() -> Path:
    """Returns treelite's library without importing treelite."""
    from importlib.util import find_spec  # noqa: PLC0415 - `sys.path` is complete by now

    spec = find_spec("treelite")
    if spec is None or spec.origin is None:
        raise ForestError("treelite is not installed")
    return Path(spec.origin).with_name("lib") / "libtreelite.so"


@cache
def _library(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    library.TreeliteGetLastError.restype = ctypes.c_char_p
    return library


def _check(library: ctypes.CDLL, status: int) -> None:
    if status != 0:
        lines = library.TreeliteGetLastError().decode("utf-8", "replace").splitlines()
        raise ForestError((lines or ["treelite failed"])[0])
