#!/usr/bin/env python3
"""The command ``triton-publish`` under the name that NVIDIA's plugin has for it.

::

    python publish_model_to_mlflow.py --model_name NAME --model_directory DIR --flavor triton
"""

from __future__ import annotations

from triton_publish.cli import main

if __name__ == "__main__":
    main()
