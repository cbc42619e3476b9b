"""The command ``mlflow-triton``: what MLflow's ``deployments`` has no verb for."""
