"""Makes a minimal Debian, clones SCRAM into it, and runs `make demo` and `make test` there, each a second time.

    python -m tests.bare_machine [--demo] [--directory DIR]

Needs root and debootstrap, which it installs where apt-get is there. ``--demo`` leaves `make test` out, which takes a PyTorch
with CUDA from the package index, as a stranger's pip does: several gigabytes. The result is written to ``proof.json``, with
a hash of the files that a build depends on; the last one with `make test` stays in it. ``--needed`` tells whether one of the
files has changed since.
"""

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests import demo
from tests.paths import ROOT

PACKAGES = "ca-certificates,git,make,python3"
PROOF = Path(__file__).parent / "proof.json"
# What decides whether the set-up works: the build, and what the environments are made of.
BUILD = ("Makefile", "pyproject.toml", "build_frontend.py", "frontend/package.json", "frontend/types.mjs", "tests/*.sh")
PORT = 6061
PATIENCE = 900  # seconds for a first `make demo`


def state() -> str:
    """A hash of the files that the set-up depends on."""
    files = sorted(path for pattern in BUILD for path in ROOT.glob(pattern))
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def needed() -> bool:
    return not PROOF.is_file() or json.loads(PROOF.read_text())["state"] != state()


def whole() -> dict[str, object]:
    """The last proof that included `make test`, which takes half an hour; empty if there is none."""
    known = json.loads(PROOF.read_text()) if PROOF.is_file() else {}
    return known.get("with make test", known if any(what.startswith("make test") for what in known.get("seconds", {})) else {})


def debian(root: Path) -> None:
    """A minimal Debian with the four packages, from the mirror that this machine uses."""
    if not shutil.which("debootstrap"):
        subprocess.run(["sh", str(ROOT / "tests" / "install_debian.sh"), "debootstrap"], check=True)
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "stable", str(root), *_mirror()]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    # how this machine reaches the network is how the bare one does: its resolver, hosts and certificates
    for file in ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt"):
        if Path(file).is_file():
            shutil.copy(file, root / file.lstrip("/"))


def _mirror() -> list[str]:
    """The address of the mirror of Debian in this machine's own sources; none for debootstrap's default."""
    for file in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        with contextlib.suppress(OSError):
            for word in file.read_text().split():
                if word.startswith(("http://", "https://")) and word.rstrip("/").endswith("/debian"):
                    return [word]
    return []


@contextlib.contextmanager
def mounted(root: Path) -> Iterator[None]:
    """With the file systems of the kernel in it, as on a machine that has booted."""
    targets = [root / "proc", root / "sys", root / "dev", root / "dev" / "shm", root / "dev" / "pts"]
    kinds = [("-t", "proc", "proc"), ("-t", "sysfs", "sys"), ("--bind", "/dev"), ("-t", "tmpfs", "shm"), ("--bind", "/dev/pts")]
    try:
        for target, how in zip(targets, kinds, strict=True):
            subprocess.run(["mount", *how, str(target)], check=True)
        yield
    finally:
        for target in reversed(targets):
            subprocess.run(["umount", "--lazy", str(target)], check=False, stderr=subprocess.DEVNULL)


def environment() -> dict[str, str]:
    """What a login gives, and what this machine's network asks for."""
    kept = {
        name: value for name, value in os.environ.items() if name.lower().endswith("_proxy") or "CERT" in name or "CA_" in name
    }
    plain = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {**kept, "PATH": plain, "HOME": "/root", "LANG": "C.UTF-8"}


def inside(root: Path, command: str) -> list[str]:
    return ["chroot", str(root), "sh", "-c", f"cd /root/scram && {command}"]


def make_demo(root: Path) -> float:
    """The seconds that `make demo` takes until its runs are reviewed. Raises RuntimeError where they are not."""
    return demo.reviewed(inside(root, f"exec make demo PORT={PORT}"), PORT, PATIENCE, env=environment())[0]


def make_test(root: Path, arguments: str = "") -> tuple[float, float]:
    """The seconds that `make test` takes for its set-up and for its tests. Raises RuntimeError where a test fails."""
    start = time.monotonic()
    ready = start
    command = inside(root, f"make test PYTEST_ARGS='{arguments}' 2>&1")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace", env=environment()) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith("== ") and ready == start:  # the first group of tests begins
                ready = time.monotonic()
    if process.returncode:
        raise RuntimeError(f"make test failed, with exit status {process.returncode}")
    return ready - start, time.monotonic() - ready


def prove(root: Path, with_tests: bool) -> dict[str, float]:
    """Makes the machine, and runs the commands twice each: seconds by what was done.

    The second time `make test` runs the tests of PyTorch alone: what is proved is that it starts at once, and passes again.
    """
    start = time.monotonic()
    debian(root)
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(root / "root" / "scram")], check=True)
    seconds = {"machine": time.monotonic() - start}
    with mounted(root):
        for turn in ("first", "second"):
            seconds[f"make demo, {turn} time"] = make_demo(root)
        for turn, arguments in (("first", ""), ("second", "--group torch")) if with_tests else ():
            set_up, tests = make_test(root, arguments)
            seconds |= {f"make test, {turn} time: set-up": set_up, f"make test, {turn} time: tests": tests}
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", action="store_true", help="leave `make test` out")
    parser.add_argument("--directory", type=Path, help="where the machine is made, and left; by default a temporary one")
    parser.add_argument("--needed", action="store_true", help="exit status 0 if what was proved is no longer so")
    given = parser.parse_args()
    if given.needed:
        return 0 if needed() else 1
    if os.geteuid() != 0:
        print("SCRAM: a bare machine can only be made by root; nothing was tested", file=sys.stderr)
        return 0
    root = given.directory or Path(tempfile.mkdtemp(prefix="scram-bare-"))
    try:
        seconds = prove(root, not given.demo)
    finally:
        if given.directory is None:
            shutil.rmtree(root, ignore_errors=True)
    rounded = {what: round(taken, 1) for what, taken in seconds.items()}
    proof = {"state": state(), "seconds": rounded, **({"with make test": whole()} if given.demo else {})}
    PROOF.write_text(json.dumps(proof, indent=2) + "\n")
    print(json.dumps(rounded))
    return 0


if __name__ == "__main__":
    sys.exit(main())
