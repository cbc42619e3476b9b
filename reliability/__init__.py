"""Pulls the plug at every step of every operation, while a real Triton serves.

``python -m reliability`` runs create, update and delete in a process of their own on a repository
that a real Triton reads, kills that process with ``kill -9`` before each thing that it does to the
repository or to the server, and looks each time what a Triton serves that is started right then,
what the one that runs on serves, and what the next operation makes of it. What it saw becomes
``docs/reliability.md``. ``nox -s crash`` runs it.
"""
