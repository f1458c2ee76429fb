"""A program that is only tried out writes in its own directories alone, whichever way it tries."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

GUARDED = """\
import sys
from scram_plugin.training.proof.guard import enforce
inside, outside, hook = sys.argv[1:4]
if hook == "hook alone":
    import scram_plugin.training.proof.guard as guard
    def refuse(*_): raise OSError("no Landlock")
    guard._restrict = refuse
enforce([inside], lambda place: print("refused", place))
import os, pathlib, shutil, sqlite3, subprocess
"""
WAYS = {
    "open": "open(outside + '/new', 'w')",
    "append": "open(outside + '/kept', 'a').write('more')",
    "pathlib": "pathlib.Path(outside, 'new').write_text('x')",
    "os.open": "os.open(outside + '/new', os.O_WRONLY | os.O_CREAT)",
    "remove": "os.remove(outside + '/kept')",
    "rename out": "open(inside + '/x', 'w').close(); os.rename(inside + '/x', outside + '/new')",
    "rename in": "os.rename(outside + '/kept', inside + '/taken')",
    "mkdir": "os.mkdir(outside + '/new')",
    "rmdir": "os.rmdir(outside + '/empty')",
    "rmtree": "shutil.rmtree(outside)",
    "copy": "open(inside + '/x', 'w').close(); shutil.copy(inside + '/x', outside + '/new')",
    "truncate": "os.truncate(outside + '/kept', 0)",
    "chmod": "os.chmod(outside + '/kept', 0o777)",
    "link": "open(inside + '/x', 'w').close(); os.link(inside + '/x', outside + '/new')",
    "symlink": "os.symlink('/', outside + '/new')",
    "through a link": "open(inside + '/link/new', 'w')",
    "through a link to a file": "open(inside + '/file', 'w')",
    "relative to a descriptor": "os.remove('kept', dir_fd=os.open(outside, os.O_RDONLY))",
    "dots": "open(inside + '/../outside/new', 'w')",
}
NATIVE = {
    "a shell": "subprocess.run(['sh', '-c', f'echo x > {outside}/new'], check=True)",
    "a shell that removes": "subprocess.run(['rm', '-f', outside + '/kept'], check=True)",
    "python": "subprocess.run(['python3', '-c', f'open({outside!r} + \"/new\", \"w\")'], check=True)",
    "sqlite": "sqlite3.connect(outside + '/new').execute('create table x (y)')",
    "ctypes": "import ctypes; assert ctypes.CDLL(None).unlink((outside + '/kept').encode()) == 0",
}


@pytest.fixture
def places(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for place in (inside, outside, outside / "empty"):
        place.mkdir()
    (outside / "kept").write_text("as it was")
    (outside / "kept").chmod(0o644)
    (inside / "link").symlink_to(outside)
    (inside / "file").symlink_to(outside / "kept")
    return inside, outside


def run(places, code, hook="both"):
    command = [sys.executable, "-c", GUARDED + code, *map(str, places), hook]
    return subprocess.run(command, cwd=places[0], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


def state(place):
    return {
        str(path.relative_to(place)): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in [place, *place.rglob("*")]
    }


@pytest.mark.parametrize("hook", ["both", "hook alone"])
def test_python_is_refused_with_a_sentence(places, hook):
    """All ways in one process, each of which must fail."""
    before = state(places[1])
    code = "".join(
        f"try:\n    {'; '.join(way.split('; '))}\n    print('DONE', {name!r})\n"
        f"except OSError as error:\n    print('ERROR', {name!r}, type(error).__name__, error)\n"
        for name, way in WAYS.items()
    )
    done = run(places, code, hook)
    told = [line for line in done.stdout.splitlines() if line.startswith(("DONE", "ERROR"))]
    assert len(told) == len(WAYS), done.stderr
    assert [line for line in told if not line.startswith("ERROR") or "Refused" not in line] == []
    assert "this run only tries out a fix" in told[0]
    assert state(places[1]) == before


def has_landlock():
    version = Path("/sys/kernel/security/lsm")
    code = "from scram_plugin.training.proof.guard import _restrict; _restrict(['/tmp'], [])"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
    return done.returncode == 0 or (version.exists() and "landlock" in version.read_text())


@pytest.mark.skipif(not has_landlock(), reason="this kernel has no Landlock")
@pytest.mark.parametrize("name", NATIVE)
def test_what_python_does_not_see_is_refused_by_the_kernel(places, name):
    before = state(places[1])
    done = run(places, NATIVE[name])
    assert done.returncode != 0
    assert state(places[1]) == before


def test_everything_is_possible_inside(places):
    code = """
os.chdir(inside)
os.makedirs("a/b"); open("a/b/c", "w").write("x"); os.rename("a/b/c", "d"); shutil.copy("d", "e"); os.remove("d")
os.symlink("e", "f"); os.remove("f"); os.truncate("e", 0); os.chmod("e", 0o600); shutil.rmtree("a")
subprocess.run(["sh", "-c", "echo x > g; mv g a; rm a; mkdir h; mv e h"], check=True)
sqlite3.connect("base").execute("create table x (y)")
open(os.devnull, "w").write("x"); open(outside + "/kept").read(); os.remove("link")
import multiprocessing.shared_memory as shared
block = shared.SharedMemory(create=True, size=8); block.close(); block.unlink()
print("DONE")
"""
    done = run(places, code)
    assert done.stdout.splitlines()[-1:] == ["DONE"], done.stderr
    assert (places[1] / "kept").exists()
