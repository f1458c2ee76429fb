"""Fetches the schemas that reports are held against, as packages ship them: `python tests/fetch_schemas.py`.

SARIF's own (OASIS) comes with its validator for npm, JUnit's (of Jenkins' xUnit plugin; JUnit itself has none) with pytest's
sources. Once fetched, they stay in the virtual environment.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
SCHEMAS = ROOT / ".venv" / "schemas"
SARIF, JUNIT = SCHEMAS / "sarif-2.1.0.json", SCHEMAS / "junit-10.xsd"


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from build_frontend import npm

    SCHEMAS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        if not SARIF.is_file():
            npm("pack", "--silent", "--pack-destination", scratch, "@microsoft/sarif-multitool-linux@5.7.0")
            _take(Path(scratch), "*.tgz", SARIF)
        if not JUNIT.is_file():
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "pytest", "--dest", scratch]
            subprocess.run([*pip, "pytest==8.4.2"], check=True)
            _take(Path(scratch), "*.tar.gz", JUNIT)


def _take(directory: Path, pattern: str, wanted: Path) -> None:
    """The one file of that name from the one archive."""
    (archive,) = directory.glob(pattern)
    with tarfile.open(archive) as packed:
        member = next(member for member in packed if member.name.endswith(f"/{wanted.name}"))
        content = packed.extractfile(member)
        assert content is not None
        wanted.write_bytes(content.read())


if __name__ == "__main__":
    main()
