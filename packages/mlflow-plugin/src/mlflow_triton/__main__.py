"""``python -m mlflow_triton``: the command ``mlflow-triton``."""

from __future__ import annotations

from mlflow_triton.command.group import main

if __name__ == "__main__":
    main(prog_name="mlflow-triton")
