"""``watched.py PROGRAM LOGS``: runs a program with all that it trains watched, as if it had been written so."""

import gc
import runpy
import sys
from pathlib import Path


def watch_keras(logs):
    import keras

    from scram_plugin import SCRAM

    original, count = keras.Model.fit, 0

    def fit(self, *args, **options):
        nonlocal count
        count += 1
        options["callbacks"] = [*(options.get("callbacks") or []), SCRAM(f"{logs}/{count}", print_findings=False)]
        return original(self, *args, **options)

    keras.Model.fit = fit
    return []  # a callback ends with its training


def watch_torch(logs):
    import torch

    import scram_plugin

    watching = []

    def smallest_with(optimizer):
        """The smallest module that has all parameters of an optimiser."""
        own = {id(p) for group in optimizer.param_groups for p in group["params"]}
        modules = [m for m in gc.get_objects() if isinstance(m, torch.nn.Module) and own <= {id(p) for p in m.parameters()}]
        return min(modules, key=lambda m: (len(list(m.parameters())), -len(list(m.modules()))), default=None)

    def watched(kind):
        original = kind.__init__

        def init(self, *args, **options):
            original(self, *args, **options)
            if type(self) is kind and (model := smallest_with(self)) is not None:
                watching.append(scram_plugin.watch(model, self, log_dir=f"{logs}/{len(watching) + 1}", print_findings=False))

        kind.__init__ = init

    for kind in vars(torch.optim).values():
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and kind is not torch.optim.Optimizer:
            watched(kind)
    return watching


def main():
    program, logs = sys.argv[1:]
    watching = {"keras": watch_keras, "torch": watch_torch}[Path(program).parent.name](logs)
    sys.argv = [program]
    runpy.run_path(program, run_name="__main__")
    for one in watching:
        one.close()


if __name__ == "__main__":
    main()
