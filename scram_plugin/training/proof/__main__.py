"""``python -m scram_plugin.training.proof SPEC``: one run of a proof, as the file SPEC says (see `proof_run.py`)."""

from __future__ import annotations

import sys

from scram_plugin.proof_run import Spec
from scram_plugin.training.proof.program import run

if __name__ == "__main__":
    run(Spec.read(sys.argv[1]))
