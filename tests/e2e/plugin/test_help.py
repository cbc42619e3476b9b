"""``mlflow deployments help -t triton``: complete, and without any server."""

from __future__ import annotations

from mlflow_triton.deployments import target_help
from mlflow_triton.settings import SETTINGS


def test_help_needs_no_server_and_no_setting(store, site):
    done = site.mlflow("help", TRITON_URL="nobody.invalid:1", TRITON_MODEL_REPO="")
    assert done.status == 0, done.err
    assert done.out.strip() == target_help().strip()
    assert all(f"  {setting.key}=" in done.out for setting in SETTINGS)
    assert all(setting.variable in done.out for setting in SETTINGS if setting.variable)
