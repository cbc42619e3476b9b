"""What a model file of XGBoost says, read without XGBoost and without its trees.

Sources: ``doc/model.schema`` and ``src/learner.cc`` of dmlc/xgboost (the file),
``python-package/xgboost/sklearn.py`` (what ``predict`` returns), and
``src/model_loader/detail/xgboost.cc`` of dmlc/treelite 4.0, which FIL reads it with (objectives).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlflow_triton.flavors.document_outline import NotADocumentError, is_json, read_outline
from mlflow_triton.flavors.fil_forest import Answer, Forest, unsuitable
from mlflow_triton.ranged_reading import RangedReader

BOOSTER_CLASS = "xgboost.core.Booster"

_TREES = frozenset({"trees", "tree_info", "weights", "weight_drop"})
_BOOSTERS = frozenset({"gbtree", "dart"})
_BINARY = frozenset({"binary:logistic", "binary:logitraw", "binary:hinge"})
_MULTICLASS = frozenset({"multi:softmax", "multi:softprob"})
_OBJECTIVES = _BINARY | _MULTICLASS
_OBJECTIVES |= {"reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror"}
_OBJECTIVES |= {"reg:logistic", "reg:gamma", "reg:tweedie", "count:poisson"}
_OBJECTIVES |= {"survival:cox", "survival:aft", "rank:pairwise", "rank:ndcg", "rank:map"}


def read_xgboost(reader: RangedReader, model_class: str) -> Forest:
    """Return what a file in JSON or UBJSON says.

    Args:
        reader: of the file.
        model_class: the class that MLflow loads it as, whose ``predict`` is to be matched.

    Raises:
        UnsuitableModelError: FIL can't serve the model, or not with the numbers that it returns.
    """
    try:
        learner = _learner(read_outline(reader, _TREES))
        return _forest(learner, _format(reader), model_class)
    except NotADocumentError as error:
        raise unsuitable(
            f"its file may be in XGBoost's old binary format, for {error}",
            "Load it with XGBoost and log it again",
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unsuitable(f"its file is not one of XGBoost's ({error!r})") from error


def _format(reader: RangedReader) -> str:
    return "xgboost_json" if is_json(reader) else "xgboost_ubj"


def _learner(document: Any) -> Mapping[str, Any]:
    learner = document["learner"]
    if not isinstance(learner, Mapping):
        raise TypeError("learner")
    return learner


def _forest(learner: Mapping[str, Any], model_type: str, model_class: str) -> Forest:
    param = learner["learner_model_param"]
    objective = str(learner["objective"]["name"])
    booster = learner["gradient_booster"]
    model = (booster.get("gbtree") or booster).get("model") or {}
    is_wrapped = model_class != BOOSTER_CLASS
    if booster["name"] not in _BOOSTERS:
        raise unsuitable(f"its booster is {booster['name']}, and only trees can be served")
    if objective not in _OBJECTIVES:
        raise unsuitable(f"its objective is {objective}")
    if int(param.get("num_target", 1)) > 1:
        raise unsuitable("it has several targets")
    if (model.get("cats") or {}).get("enc"):
        raise unsuitable("it turns categories into numbers itself")
    if is_wrapped:
        _require_all_rounds(learner.get("attributes") or {}, model)
    return Forest(
        model_type,
        features=int(param["num_feature"]),
        classes=2 if objective in _BINARY else max(1, int(param.get("num_class", 0))),
        answer=_answer(objective, learner, model_class),
        feature_names=tuple(map(str, learner.get("feature_names") or ())),
    )


def _answer(objective: str, learner: Mapping[str, Any], model_class: str) -> Answer:
    if model_class != BOOSTER_CLASS and _is_classifier(learner, model_class):
        return Answer.CLASS
    if objective == "multi:softmax":
        return Answer.CLASS
    return Answer.PROBABILITIES if objective == "multi:softprob" else Answer.NUMBER


def _is_classifier(learner: Mapping[str, Any], model_class: str) -> bool:
    said = str((learner.get("attributes") or {}).get("scikit_learn", ""))
    return '"classifier"' in said or model_class.endswith("Classifier")


def _require_all_rounds(attributes: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    """Refuse a model of which XGBoost's classes for scikit-learn use the first rounds alone."""
    best = attributes.get("best_iteration")
    rounds = len(model.get("iteration_indptr") or ()) - 1
    if best is not None and int(best) + 1 != rounds:
        raise unsuitable(
            f"it was stopped early and predicts with its best {int(best) + 1} rounds, where FIL "
            "would use all that are in its file",
            "Log its booster with these rounds alone, model.get_booster()[: model.best_iteration "
            "+ 1]",
        )
