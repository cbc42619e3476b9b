"""A model from code: what MLflow 2 took from notebooks and files."""

import mlflow


class Scaled(mlflow.pyfunc.PythonModel):
    """Returns values, as many times as large as the parameter says, of days in leap years."""

    def predict(self, context, model_input, params=None):
        by = (params or {}).get("by", 1.0)
        leap = model_input["when"].dt.is_leap_year
        return model_input[["value"]].where(leap, 0.0) * by


mlflow.models.set_model(Scaled())
