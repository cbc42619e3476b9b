"""Pulls the plug at every step of every operation, while a real Triton serves.

``python -m reliability`` runs create, update and delete in a process of their own on a repository
that a real Triton reads. Before each thing that this process does to the repository or to the
server, it is killed, or can't reach the one or the other any more. Each time the sweep looks what a
Triton serves that is started right then, what the one that runs on serves, and what the next
operation makes of it. What it saw becomes ``docs/reliability.md``. ``nox -s crash`` runs it.
"""
