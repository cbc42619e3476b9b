"""What a model file of LightGBM says, read without LightGBM and without its trees.

Sources: ``GBDT::SaveModelToString`` in ``src/boosting/gbdt_model_text.cpp`` of
microsoft/LightGBM, and ``src/model_loader/lightgbm.cc`` of dmlc/treelite, which FIL reads it with.
"""

from __future__ import annotations

from mlflow_triton.flavors.fil_forest import Answer, Forest, unsuitable
from mlflow_triton.ranged_reading import RangedReader

_LONGEST = 16 << 20
_FIRST_TREE = b"\nTree=0\n"
_NUMBERS = frozenset({"regression", "regression_l1", "huber", "fair", "quantile", "mape"})
_NUMBERS |= {"poisson", "gamma", "tweedie", "cross_entropy", "cross_entropy_lambda"}
_NUMBERS |= {"lambdarank", "rank_xendcg", "custom"}


def read_lightgbm(reader: RangedReader) -> Forest:
    """Return what a file in LightGBM's text format says.

    Raises:
        UnsuitableModelError: FIL can't serve the model, or not with the numbers that it returns.
    """
    try:
        head, end = _head(reader)
        _refuse_what_treelite_ignores(reader.read(end, _LONGEST))
        return _forest(head)
    except (KeyError, ValueError) as error:
        raise unsuitable(f"its file is not LightGBM's text ({error})") from error


def _head(reader: RangedReader) -> tuple[dict[str, str], int]:
    """Return the lines before the first tree, key → value, and where the trees end."""
    length = 1 << 16
    while (place := (start := reader.read(0, length)).find(_FIRST_TREE)) < 0:
        if length >= min(reader.size, _LONGEST):
            raise ValueError("it has no tree")
        length *= 4
    if not start.startswith(b"tree"):
        raise ValueError("its first line is not 'tree'")
    head = _fields(start[:place].decode("utf-8"))
    sizes = sum(int(size) for size in head.get("tree_sizes", "").split())
    return head, min(place + 1 + sizes, reader.size)


def _fields(text: str) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition("=") for line in text.splitlines())}


def _forest(head: dict[str, str]) -> Forest:
    objective = (head.get("objective") or "custom").split()[0]
    classes = int(head["num_class"])
    features = int(head["max_feature_idx"]) + 1
    if classes > 1 and objective != "multiclass":
        raise unsuitable(f"its objective for {classes} classes is {objective}")
    if objective == "multiclass":
        return Forest("lightgbm", features, classes, Answer.PROBABILITIES)
    if objective == "binary":
        return Forest("lightgbm", features, 2, Answer.NUMBER)
    if objective not in _NUMBERS:
        raise unsuitable(f"its objective is {objective}")
    return Forest("lightgbm", features, 1, Answer.NUMBER)


def _refuse_what_treelite_ignores(tail: bytes) -> None:
    lines = [line.strip() for line in tail.decode("utf-8", "replace").splitlines()]
    if "[linear_tree: 1]" in lines:
        raise unsuitable("its leaves are linear models")
    if "[zero_as_missing: 1]" in lines:
        raise unsuitable("it takes zeros for missing values")
    for line in lines:
        key, _, value = line.partition(":")
        if key == "pandas_categorical" and value.strip() not in {"", "null", "[]"}:
            raise unsuitable("it turns categories into numbers itself")
