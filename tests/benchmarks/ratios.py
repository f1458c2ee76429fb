"""Seconds of configurations that took turns, as ratios to the plain ones of the same round."""

import numpy as np


def of_turns(name, batch, steps, stretches, found):
    """Prints a table. `found`: configuration -> (wall, processor) seconds a step of each stretch; so many `stretches` are a
    round, and each had so many `steps`."""
    of_rounds = {config: np.array(turns).reshape(-1, stretches, 2).mean(axis=1) for config, turns in found.items()}
    plain = np.mean([of_rounds[config] for config in ("plain", "plain again") if config in of_rounds], axis=0)
    size = f"{len(plain)} rounds of {stretches * steps} steps"
    print(f"\n{name} net, batch {batch}: {1e3 * np.median(plain[:, 0]):.2f} ms a step, {size}")
    print(f"  {'':34}{'processor time':>22}{'wall time':>18}")
    for config, seconds in of_rounds.items():
        ratio = seconds / plain[: len(seconds)]
        low, middle, high = np.quantile(ratio[:, 1], (0.25, 0.5, 0.75))
        print(f"  {config:34}{middle:8.3f} ({low:.2f}-{high:.2f}){np.median(ratio[:, 0]):18.3f}", flush=True)
