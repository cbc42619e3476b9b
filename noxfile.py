"""The project's chores: ``nox -s quickstart``, ``tests``, ``lint``, ``build`` and more."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests", "lint"]
nox.options.error_on_missing_interpreters = False

ROOT = Path(__file__).parent
PACKAGES = ["core", "storage", "transport", "local-server", "mlflow-plugin", "publish-cli"]
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
PROJECT = nox.project.load_toml("pyproject.toml")
# Without bytecode every `mlflow` command takes two to three times as long.
ENVIRONMENT = {"UV_COMPILE_BYTECODE": "1", "PYTHONDONTWRITEBYTECODE": ""}


def install(
    session: nox.Session,
    *extra: str,
    editable: bool = True,
    constraints: str = "constraints.txt",
    is_run: bool = True,
) -> None:
    """Install all six packages, and what else a session needs, in the pinned versions.

    Where nothing of it `is_run`, but only read, it needs no bytecode.
    """
    session.env.update(ENVIRONMENT if is_run else {})
    packages = [f"./packages/{name}" for name in PACKAGES]
    if editable:
        packages = [argument for package in packages for argument in ("-e", package)]
    elif session.venv_backend == "uv":
        # Else uv installs the members of the workspace that others depend on as editable.
        packages = ["--no-sources", *packages]
    session.install("-c", constraints, *packages, *extra)


@nox.session
def quickstart(session: nox.Session) -> None:
    """From MLflow to a real Triton and back, each command shown with its output."""
    install(session, "mlflow", "onnxruntime", "pip", editable=False)
    session.run("python", "examples/quickstart.py", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Every test: unit, contract, property, and end to end on real servers."""
    install(session, "mlflow", *nox.project.dependency_groups(PROJECT, "test", "docs"))
    # Much of the time goes into waiting for servers: more workers than cores is right.
    session.run(
        "pytest",
        "--numprocesses=6",
        "--dist=loadfile",
        "--no-loadscope-reorder",  # files of few but long tests come first, as they are named
        *session.posargs,
    )


@nox.session
def coverage(session: nox.Session) -> None:
    """What of the core its tests reach: apart from `tests`, which it would make thrice as slow."""
    install(session, "mlflow", *nox.project.dependency_groups(PROJECT, "test"))
    session.run(
        "pytest",
        "--numprocesses=2",
        *("tests/unit/core", "tests/contract", "tests/property"),
        *("--cov", "--cov-report=term", "--cov-fail-under=95"),
        *session.posargs,
    )


@nox.session(python=["3.10", "3.12", "3.13"])
def compat(session: nox.Session) -> None:
    """What needs no server, on the other versions of Python."""
    install(session, "mlflow", *nox.project.dependency_groups(PROJECT, "test"))
    session.run(
        "pytest",
        "--numprocesses=2",
        *("tests/unit", "tests/contract", "tests/property", "tests/test_architecture.py"),
        *(
            "--ignore=tests/contract/test_http_server.py",
            "--ignore=tests/contract/test_grpc_server.py",
        ),
        *session.posargs,
    )


@nox.session
def mlflow2(session: nox.Session) -> None:
    """The plugin's own tests, the end-to-end ones too, under MLflow 2.22."""
    groups = nox.project.dependency_groups(PROJECT, "test")
    install(session, "mlflow", *groups, constraints="constraints-mlflow2.txt")
    session.run(
        "pytest",
        "--numprocesses=4",
        "--dist=loadfile",
        *("tests/unit/mlflow_plugin", "tests/e2e/plugin", "tests/e2e/source", "tests/e2e/publish"),
        *session.posargs,
    )


@nox.session
def crash(session: nox.Session) -> None:
    """Pull the plug at every step on every repository: hours; makes docs/reliability.md."""
    install(session, *nox.project.dependency_groups(PROJECT, "test"))
    seen = f"{session.create_tmp()}/seen.json"
    session.run("python", "-m", "reliability", f"--seen={seen}", *session.posargs)
    if not session.posargs:
        session.run("python", "-m", "reliability.report", "docs/reliability.md", seen)


@nox.session
def errors(session: nox.Session) -> None:
    """Collect the messages of all errors that the fast tests provoke; makes docs/errors.md."""
    install(session, "mlflow", *nox.project.dependency_groups(PROJECT, "test"))
    seen = Path(session.create_tmp()) / "seen"
    shutil.rmtree(seen, ignore_errors=True)
    seen.mkdir()
    session.run(
        "pytest",
        "--numprocesses=2",
        *("-p", "collect_errors"),
        *("tests/unit", "tests/contract", "tests/property"),
        *(
            "--ignore=tests/contract/test_http_server.py",
            "--ignore=tests/contract/test_grpc_server.py",
        ),
        env={"ERRORS_SEEN": str(seen), "PYTHONPATH": "scripts", "HYPOTHESIS_PROFILE": "ci"},
    )
    session.run("python", "scripts/collect_errors.py", str(seen))


@nox.session
def lint(session: nox.Session) -> None:
    """Style and types."""
    install(
        session,
        "mlflow",
        *nox.project.dependency_groups(PROJECT, "lint"),
        *nox.project.dependency_groups(PROJECT, "test"),
        is_run=False,
    )
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy", *(f"packages/{name}/src" for name in PACKAGES))
    with session.chdir("examples/embedding"):
        session.run("mypy")  # a user's project, on what is installed


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Against the libraries alone; ``-- --quick`` and more: see benchmarks/README.md."""
    install(session, "mlflow", "boto3", "obstore", "tritonclient[grpc,http]", "matplotlib")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation's site and serve it on localhost:8080.

    ``-- serve -a localhost:PORT`` serves it on another port; ``-- build`` only builds it, in
    build/site.
    """
    install(session, *nox.project.dependency_groups(PROJECT, "docs"))
    session.env["NO_MKDOCS_2_WARNING"] = "1"  # which ADR 20 is about
    session.run("python", "-m", "mkdocs", *(session.posargs or ("serve",)))


@nox.session
def build(session: nox.Session) -> None:
    """Build all six, look at what was built, and use it from empty environments."""
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.install("-c", "constraints.txt", "build", "hatchling", "twine")
    for name in PACKAGES:
        # The wheel is made from the sdist, which so proves to be complete.
        session.run("python", "-m", "build", "--no-isolation", "-o", str(dist), f"packages/{name}")
    session.run("twine", "check", "--strict", *map(str, sorted(dist.iterdir())))
    session.run("python", "scripts/check_distributions.py", str(dist))
    for python in PYTHONS:
        session.notify(f"wheels-{python}")
    session.notify("skinny")


def built(session: nox.Session) -> list[str]:
    """Return the wheels that `build` made."""
    found = sorted(str(wheel) for wheel in (ROOT / "dist").glob("*.whl"))
    if len(found) != len(PACKAGES):
        session.error("build the wheels first: nox -s build")
    return found


@nox.session(python=PYTHONS)
def wheels(session: nox.Session) -> None:
    """Run the quick start from the wheels that `build` made."""
    session.env.update(ENVIRONMENT)
    session.install("-c", "constraints.txt", *built(session), "mlflow", "onnxruntime")
    session.run("python", "examples/quickstart.py")


@nox.session
def skinny(session: nox.Session) -> None:
    """The same beside mlflow-skinny alone; what logs and tracks is another environment's."""
    session.env.update(ENVIRONMENT)
    session.install("-c", "constraints.txt", *built(session))
    other = Path(session.create_tmp()).resolve() / "other"
    session.run("uv", "venv", "--quiet", "--clear", str(other), external=True)
    python = str(other / "bin" / "python")
    session.run(
        *("uv", "pip", "install", "--quiet", "--python", python, "-c", "constraints.txt"),
        *("mlflow", "onnx", "onnxruntime"),
        external=True,
    )
    session.run(
        *("python", "scripts/with_mlflow_server.py", python),
        *("python", "examples/quickstart.py", "--tracking-uri", "{url}", "--logger", python),
    )


@nox.session(venv_backend="none")
def version(session: nox.Session) -> None:
    """Set the version of all six, and of what they require of each other: -- 0.2.0."""
    (new,) = session.posargs
    old = PROJECT["project"]["version"]
    pins = re.compile(rf"((?:{'|'.join(DISTRIBUTIONS)})(?:\[\w+\])?==){re.escape(old)}(?=\")")
    for name in ("pyproject.toml", *(f"packages/{name}/pyproject.toml" for name in PACKAGES)):
        file = ROOT / name
        text = file.read_text().replace(f'version = "{old}"', f'version = "{new}"', 1)
        text = pins.sub(rf"\g<1>{new}", text)
        file.write_text(text)


@nox.session
def constraints(session: nox.Session) -> None:
    """Pin every dependency again, for MLflow 3 and for MLflow 2."""
    session.install("uv")
    sources = [f"packages/{name}/pyproject.toml" for name in PACKAGES]
    for output, requirements in (
        ("constraints.txt", "mlflow==3.17.2"),
        ("constraints-mlflow2.txt", "mlflow==2.22.1\nsqlalchemy<2.1"),
    ):
        extra = Path(session.create_tmp()) / "requirements.in"
        extra.write_text(f"{requirements}\nonnxruntime\nbuild\nhatchling\ntwine\n")
        session.run(
            *("uv", "pip", "compile", "--quiet", "--universal", "--python-version=3.10"),
            *("--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate"),
            *("--group=test", "--group=lint", "--group=docs", "--all-extras"),
            *(f"--no-emit-package={name}" for name in DISTRIBUTIONS),
            *(f"--output-file={output}", str(extra), *sources),
        )


DISTRIBUTIONS = [
    "triton-deploy-core",
    "triton-deploy-storage",
    "triton-deploy-transport",
    "triton-local-server",
    "mlflow-triton",
    "triton-publish",
]
