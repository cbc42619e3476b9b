"""Does a model's ``forward`` take and return what its signature says, and Triton's backend can do?

Source: ``ModelInstanceState`` in ``src/libtorch.cc`` of triton-inference-server/pytorch_backend.
Inputs go to the arguments of their names, if all have such; else by the numbers in their names
(``INPUT__0``), if all have one; else in their order. Outputs likewise, without the first rule.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from mlflow_triton.flavors.packaging import unsuitable as unsuitable_for
from triton_deploy_core.errors import InvalidPackageError

if TYPE_CHECKING:
    from mlflow_triton.flavors.pyfunc_signature import ServedSignature, ServedTensor
    from mlflow_triton.flavors.pytorch_file import Argument, Forward

unsuitable = partial(unsuitable_for, "PyTorch")
"""Makes the error for a model that the backend can't serve: of a reason and, maybe, a remedy."""

_TEXTS = "List[str]"
_SERVED = frozenset({"Tensor", _TEXTS})
_NEVER = re.compile(r"Dict\[|List\[|(?:float|int|bool|str|None)$")
_NUMBERED = re.compile(r".*?__(\d*)")


def check_forward(forward: Forward, signature: ServedSignature) -> None:
    """Do nothing if a model can be served.

    Raises:
        UnsuitableModelError: it takes what the backend can't give.
        InvalidPackageError: its signature is not that of its ``forward``, or it returns what
            nothing can serve.
    """
    arguments = forward.arguments
    if not (len(arguments) == 1 and arguments[0].type.startswith("Dict[str, Tensor")):
        _check_types(arguments)
        _check_arguments(arguments, signature.inputs)
    if forward.returns is not None:
        _check_returns(forward.returns, signature.outputs)


def _check_types(arguments: Sequence[Argument]) -> None:
    for argument in arguments:
        if argument.type not in _SERVED:
            raise unsuitable(
                f"its forward takes {argument.name!r} of type {argument.type}, and the backend "
                "gives tensors, lists of text or one dictionary of tensors"
            )


def _check_arguments(arguments: Sequence[Argument], inputs: Sequence[ServedTensor]) -> None:
    names = [argument.name for argument in arguments]
    given = [tensor.name for tensor in inputs]
    if len(names) != len(given):
        raise _mismatch(f"names {len(given)} inputs, and forward takes ({', '.join(names)})")
    order = _order(given, names)
    if sorted(order) != list(range(len(order))):
        raise _mismatch(f"names the inputs {', '.join(given)}, which are not numbered from 0")
    by_name = set(given) <= set(names)
    for tensor, place in zip(inputs, order, strict=True):
        argument = arguments[place]
        if not by_name and tensor.name in names and tensor.name != argument.name:
            raise _mismatch(f"names the inputs {', '.join(given)}, and forward {', '.join(names)}")
        if (argument.type == _TEXTS) != (tensor.data_type == "TYPE_STRING"):
            kind = "text" if tensor.data_type == "TYPE_STRING" else "numbers"
            raise _mismatch(f"has {tensor.name!r} as {kind}, and forward takes {argument.type}")


def _check_returns(returns: Sequence[str], outputs: Sequence[ServedTensor]) -> None:
    for kind in returns:
        if kind != _TEXTS and _NEVER.match(kind):
            raise InvalidPackageError(
                f"The model's forward returns {kind}, which neither Triton's PyTorch backend nor "
                "MLflow can serve. Log one that returns a tensor or a tuple of tensors."
            )
    order = _order([tensor.name for tensor in outputs], ())
    if max(order) >= len(returns):
        listed = ", ".join(tensor.name for tensor in outputs)
        raise _mismatch(f"names the outputs {listed}, and forward returns {len(returns)}")


def _order(names: Sequence[str], arguments: Sequence[str]) -> list[int]:
    """Return the place of each tensor, as the backend finds it."""
    if arguments and set(names) <= set(arguments):
        return [arguments.index(name) for name in names]
    numbers = [_NUMBERED.fullmatch(name) for name in names]
    if all(numbers):
        return [int(number[1] or 0) for number in numbers if number]
    return list(range(len(names)))


def _mismatch(problem: str) -> InvalidPackageError:
    return InvalidPackageError(
        f"The model's signature {problem}. Log the model with a signature of its forward's own "
        "arguments and results, in their order."
    )
