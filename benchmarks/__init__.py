"""Benchmarks of the data path: ``python -m benchmarks --help``, or ``nox -s benchmarks``."""
