"""Finds what `torch.compile` builds with, a C++ compiler and the headers of Python, or installs it.

`python tests/find_compiler.py [--install]` ends with status 1 if it is not there.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path


def found() -> bool:
    return shutil.which("g++") is not None and Path(sysconfig.get_path("include"), "Python.h").is_file()


def main() -> int:
    if not found() and "--install" in sys.argv:
        print("SCRAM: installing a C++ compiler for the tests of torch.compile ...", file=sys.stderr)
        subprocess.run(["sh", str(Path(__file__).with_name("install_debian.sh")), "g++", "python3-dev"])
    return 0 if found() else 1


if __name__ == "__main__":
    sys.exit(main())
