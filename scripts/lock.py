"""Compile requirements/*.in to names, versions and hashes, with no address in them. Needs uv on the path."""

import subprocess
from pathlib import Path

COMPILE = (
    "uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras"
    " --no-header --no-annotate --no-emit-index-url --no-emit-find-links"
)


def main() -> None:
    """Compile every lane."""
    for source in sorted(Path("requirements").glob("*.in")):
        subprocess.run([*COMPILE.split(), "-o", str(source.with_suffix(".txt")), str(source)], check=True)


if __name__ == "__main__":
    main()
