"""Trains the three scenarios while TensorBoard's SCRAM tab is open: `python demo_logs/train_live.py [--port 6006]`.

The programs run one after the other in a temporary directory; Ctrl-C ends everything.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SCENARIOS = Path(__file__).parent / "scenarios"
DATA = Path(__file__).parent.parent.parent / "shared" / "data"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", default="6006")
    parser.add_argument("--once", action="store_true", help="end when the trainings have ended, instead of at Ctrl-C")
    arguments = parser.parse_args()
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if DATA.is_dir():
        environment.setdefault("SCRAM_DATA", str(DATA.resolve()))
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(SCENARIOS, scratch, dirs_exist_ok=True)
        logs = Path(scratch, "logs")
        logs.mkdir()
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs), "--host", "127.0.0.1", "--port"]
        server = subprocess.Popen([*command, arguments.port], stderr=subprocess.DEVNULL)
        print(f"SCRAM: open http://127.0.0.1:{arguments.port}/#scram and watch (Ctrl-C ends it)", flush=True)
        try:
            for program in sorted(SCENARIOS.glob("*.py")):
                if program.name != "data.py":
                    print(f"== training {program.name}", flush=True)
                    subprocess.run([sys.executable, program.name], cwd=scratch, env=environment, check=True)
            if not arguments.once:
                print("All three have trained. TensorBoard stays until Ctrl-C.", flush=True)
                server.wait()
        except KeyboardInterrupt:
            pass
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
