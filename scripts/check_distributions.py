"""Look into the sdists and wheels of all packages: does each have what it needs, and no more?

    python scripts/check_distributions.py dist

Besides ``twine check --strict``, which looks at the metadata.
"""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path

PACKAGES = Path(__file__).resolve().parents[1] / "packages"


def problems(package: Path, dist: Path) -> list[str]:
    """Return what is wrong with one package's distributions."""
    source = package / "src"
    needed = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    own = f"{_name(package)}-"
    sdists, wheels = list(dist.glob(f"{own}*.tar.gz")), list(dist.glob(f"{own}*.whl"))
    if len(sdists) != 1 or len(wheels) != 1:
        return [f"{package.name}: not one sdist and one wheel in {dist}"]
    (sdist,), (wheel,) = sdists, wheels
    with tarfile.open(sdist) as archive:
        members = {name.partition("/")[2] for name in archive.getnames()}
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
    meta = {name for name in files if ".dist-info/" in name}
    beside = {"LICENSE", "README.md", "pyproject.toml", "PKG-INFO"}
    found = [f"{sdist.name} lacks {name}" for name in sorted(beside - members)]
    found += [
        f"{sdist.name} lacks {name}" for name in sorted(needed) if f"src/{name}" not in members
    ]
    found += [f"{wheel.name} lacks {name}" for name in sorted(needed - files)]
    found += [f"{wheel.name} has {name}" for name in sorted(files - needed - meta)]
    if not any(name.endswith("/licenses/LICENSE") for name in meta):
        found.append(f"{wheel.name} lacks the license")
    return found


def _name(package: Path) -> str:
    """Return the name that a package's files begin with."""
    lines = (package / "pyproject.toml").read_text().splitlines()
    name = next(line for line in lines if line.startswith("name = ")).split('"')[1]
    return name.replace("-", "_")


def main() -> None:
    """Print every problem; exit status 1 if there is one."""
    dist = Path(sys.argv[1])
    found = [line for package in sorted(PACKAGES.iterdir()) for line in problems(package, dist)]
    for line in found:
        sys.stderr.write(f"{line}\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
