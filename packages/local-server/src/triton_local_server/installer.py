"""Building a virtual environment with uv, or with ``venv`` and pip."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from triton_local_server.errors import EnvironmentBuildError, PackageDownloadError, with_tail
from triton_local_server.interpreter import find_uv
from triton_local_server.requirements import NUMPY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_TAIL_LINES = 15
_PYTORCH_BUILD = "cpu"
"""uv's name of a build of PyTorch, and what such a build's version ends with."""
_UNREACHABLE = re.compile(
    r"name resolution|Name or service not known|dns error|Failed to establish a new connection"
    r"|error sending request|Network is unreachable|[Cc]onnection (refused|timed out|reset)"
    r"|[Tt]imed out|ProxyError|Failed to fetch",
)


def install(
    root: Path,
    python: str,
    requirements: Sequence[str],
    timeout: float,
    *,
    more: Sequence[str] = (),
) -> None:
    """Creates a virtual environment in `root` and installs `requirements`, exactly, and `more`.

    uv is used where it is found, with its own settings and variables (``UV_*``); where it is
    missing or fails, ``venv`` and pip with theirs. What was in `root` is removed.

    Args:
        root: Where the environment goes: its final place, since its scripts name it.
        python: The interpreter to build on.
        requirements: Pinned requirements; their dependencies are not installed.
        timeout: Seconds that one command may take.
        more: Further requirements, installed with what they depend on. numpy stays `NUMPY`: what
            does not go with that one can't be installed.

    Raises:
        PackageDownloadError: The package index cannot be reached.
        EnvironmentBuildError: Anything else, with the end of the installer's output.
    """
    uv = find_uv()
    outputs: list[str] = []
    with _files(root.parent, more) as (further, numpy):
        attempts = [_with_uv(uv, root, python, requirements)] if uv else []
        attempts.append(_with_pip(root, python, requirements))
        if more:
            if uv:
                attempts[0].append(_more_with_uv(uv, root, further, numpy))
            attempts[-1].append(_more_with_pip(root, further, numpy))
        for commands in attempts:
            shutil.rmtree(root, ignore_errors=True)
            output = _run_all(commands, cwd=root.parent, timeout=timeout)
            if output is None:
                return
            outputs.append(output)
    shutil.rmtree(root, ignore_errors=True)
    raise _build_error([*requirements, *more], "\n".join(outputs))


def install_into(target: Path, python: Path, requirements: Path, timeout: float) -> None:
    """Installs a file of pinned requirements into a directory, without their dependencies.

    uv is used where it is found, and looks where pip is told to look too (``PIP_FIND_LINKS``); then
    pip; then, for PyTorch's builds, uv with the index that it knows for them. Bytecode is left to
    the first import: of what is installed much is never imported.

    Args:
        target: Where they go; made if it is missing.
        python: The interpreter that is to import them.
        requirements: As in a ``requirements.txt``.
        timeout: Seconds that one command may take.

    Raises:
        PackageDownloadError: The package index cannot be reached.
        EnvironmentBuildError: Anything else, with the end of the installer's output.
    """
    lines = (line.strip() for line in requirements.read_text(encoding="utf-8").splitlines())
    wanted = [line for line in lines if line and not line.startswith("#")]
    outputs: list[str] = []
    for command in _into(target, python, requirements, wanted):
        output = _run_all([command], cwd=target.parent, timeout=timeout)
        if output is None:
            return
        outputs.append(output)
        shutil.rmtree(target, ignore_errors=True)
    raise _build_error(wanted, "\n".join(outputs), _advice(wanted))


def _into(
    target: Path, python: Path, requirements: Path, wanted: Sequence[str]
) -> Iterator[list[str]]:
    exactly = ["--no-deps", "--only-binary", ":all:", "--target", str(target)]
    exactly += ["--requirement", str(requirements)]
    uv = find_uv()
    with_uv = [uv, "pip", "install", "--python", str(python), *exactly] if uv else []
    if uv:
        yield with_uv
    pip = [str(python), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    yield [*pip, "--no-compile", "--retries", "2", *exactly]
    if uv and _of_pytorch(wanted):
        yield [*with_uv, f"--torch-backend={_PYTORCH_BUILD}"]


def _of_pytorch(wanted: Sequence[str]) -> bool:
    return any(f"+{_PYTORCH_BUILD}" in requirement for requirement in wanted)


def _advice(wanted: Sequence[str]) -> str:
    if not _of_pytorch(wanted):
        return ""
    return (
        " PyTorch's builds for CPUs are in an index of its own: uv knows it, to pip it has to be "
        "named (PIP_EXTRA_INDEX_URL)."
    )


@contextmanager
def _files(folder: Path, more: Sequence[str]) -> Iterator[tuple[Path, Path]]:
    """Writes the further requirements and the numpy that holds, as files that uv and pip read."""
    with tempfile.TemporaryDirectory(prefix=".requirements-", dir=folder) as scratch:
        further, numpy = Path(scratch, "requirements.txt"), Path(scratch, "numpy.txt")
        further.write_text("\n".join(more), encoding="utf-8")
        numpy.write_text(NUMPY, encoding="utf-8")
        yield further, numpy


def _more_with_uv(uv: str, root: Path, further: Path, numpy: Path) -> list[str]:
    return [
        *(uv, "pip", "install", "--python", str(root / "bin/python"), "--constraint", str(numpy)),
        *("--compile-bytecode", "--requirement", str(further)),
    ]


def _more_with_pip(root: Path, further: Path, numpy: Path) -> list[str]:
    return [
        *(str(root / "bin/python"), "-m", "pip", "install", "--no-input", "--retries", "2"),
        *("--disable-pip-version-check", "--constraint", str(numpy), "--requirement", str(further)),
    ]


def _with_uv(uv: str, root: Path, python: str, requirements: Sequence[str]) -> list[list[str]]:
    return [
        [uv, "venv", "--no-project", "--python", python, str(root)],
        [
            *(uv, "pip", "install", "--python", str(root / "bin/python"), "--no-deps"),
            *("--only-binary", ":all:", "--compile-bytecode", *requirements),
        ],
    ]


def _with_pip(root: Path, python: str, requirements: Sequence[str]) -> list[list[str]]:
    return [
        [python, "-m", "venv", str(root)],
        [
            *(str(root / "bin/python"), "-m", "pip", "install", "--no-deps", "--no-input"),
            *("--only-binary", ":all:", "--disable-pip-version-check", "--retries", "2"),
            *requirements,
        ],
    ]


def _run_all(commands: list[list[str]], cwd: Path, timeout: float) -> str | None:
    """Runs `commands` in turn; returns None, or the output of the first that fails."""
    for command in commands:
        try:
            done = subprocess.run(
                command,
                check=False,
                cwd=cwd,
                env=_with_places(clean_variables(os.environ)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            return f"{command[0]} did not end within {timeout:g} s"
        except OSError as error:
            return f"{command[0]} does not run: {error}"
        if done.returncode != 0:
            return done.stdout
    return None


def _with_places(variables: Mapping[str, str]) -> dict[str, str]:
    """Returns `variables` with pip's places of packages as uv's too; no command line shows them."""
    places = [variables.get("UV_FIND_LINKS", ""), *variables.get("PIP_FIND_LINKS", "").split()]
    found = ",".join(filter(None, places))
    return {**variables, "UV_FIND_LINKS": found} if found else dict(variables)


def clean_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Returns `variables` without those that would make one Python see another one's packages."""
    foreign = {"PYTHONHOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "CONDA_PREFIX"}
    foreign |= {"PYTHONSTARTUP", "PYTHONSAFEPATH", "__PYVENV_LAUNCHER__", "PIP_TARGET", "PIP_USER"}
    return {name: value for name, value in variables.items() if name not in foreign}


def _build_error(
    requirements: Sequence[str], output: str, advice: str = ""
) -> EnvironmentBuildError:
    tail = [line for line in output.splitlines() if line.strip()][-_TAIL_LINES:]
    wanted = ", ".join(requirements)
    if _UNREACHABLE.search(output):
        return PackageDownloadError(
            with_tail(
                f"Could not download {wanted}: check the network, or the package index that pip "
                f"or uv is configured with, and try again.{advice} The installer's last lines:",
                tail,
            )
        )
    return EnvironmentBuildError(
        with_tail(f"Could not install {wanted}.{advice} The installer's last lines:", tail)
    )
