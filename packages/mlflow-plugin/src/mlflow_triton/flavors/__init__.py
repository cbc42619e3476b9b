"""From an MLflow model to a model package: each flavor is registered, and imported when needed."""
