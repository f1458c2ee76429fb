"""Which fix of a check is said in the words of the framework that wrote the log."""

from __future__ import annotations

from scram_plugin.heuristics.page import Snippet
from scram_plugin.heuristics.remedies import REMEDIES

# (check, cause) -> what is to be done
FIXES = {
    ("overfitting", "too-long"): "stop at the best",
    ("overfitting", "no-regularization"): "regularise",
    ("overfitting", "too-little-data"): "augment",
    ("divergence", "learning-rate"): "a smaller rate",
    ("divergence", "no-clipping"): "clip",
    ("nonfinite-loss", "learning-rate"): "a smaller rate",
    ("nonfinite-loss", "recurrent"): "clip",
    ("nonfinite-loss", "float16"): "bfloat16",
    ("zero-loss", "overflow"): "bfloat16",
    ("no-learning", "learning-rate"): "a smaller rate",
    ("plateau", "learning-rate"): "lower the rate late",
    ("oscillating-loss", "learning-rate"): "a smaller rate",
    ("oscillating-loss", "batch-size"): "larger batches",
    ("undertrained", "few-epochs"): "train longer",
    ("missing-validation", "not-measured"): "validate",
    ("noisy-validation", "learning-rate"): "lower the rate late",
    ("loss-spike", "learning-rate"): "a smaller rate",
    ("loss-spike", "no-clipping"): "clip",
    ("learning-rate-schedule", "early-drop"): "lower the rate late",
    ("learning-rate-schedule", "no-drop"): "lower the rate late",
    ("learning-rate-schedule", "no-warm-up"): "warm up",
    ("learning-rate-schedule", "long-warm-up"): "a shorter warm-up",
    ("learning-rate-schedule", "unit"): "lower the rate late",
    ("unconventional-learning-rate", "too-high"): "a usual rate",
    ("unconventional-learning-rate", "too-low"): "a usual rate",
    ("unconventional-learning-rate", "negative"): "a usual rate",
    ("return-collapse", "large-updates"): "smaller updates",
    ("return-collapse", "no-exploration"): "reward entropy",
    ("return-collapse", "not-kept"): "keep the best",
    ("entropy-collapse", "no-bonus"): "reward entropy",
    ("entropy-collapse", "large-updates"): "smaller updates",
    ("kl-blow-up", "learning-rate"): "smaller updates",
    ("kl-blow-up", "no-target"): "smaller updates",
    ("box-loss-without-map", "validation-labels"): "look at the labels",
    ("box-loss-without-map", "class-numbers"): "look at the labels",
    ("box-loss-without-map", "box-format"): "look at the labels",
    ("clip-saturation", "learning-rate"): "smaller updates",
    ("clip-saturation", "many-epochs"): "smaller updates",
    ("truncated-completions", "limit"): "longer completions",
    ("no-return-gain", "large-updates"): "smaller updates",
    ("no-return-gain", "no-exploration"): "reward entropy",
    ("preference-memorised", "too-long"): "fewer steps on preferences",
    ("preference-memorised", "learning-rate"): "fewer steps on preferences",
    ("preference-memorised", "labels"): "allow for wrong labels",
    ("likelihood-displacement", "objective"): "hold the chosen answers",
    ("likelihood-displacement", "learning-rate"): "fewer steps on preferences",
    ("length-drift", "normalisation"): "the same divisor for all",
    ("reward-hacking", "too-far"): "stay near the reference",
    ("reward-hacking", "prompts"): "keep the best on other prompts",
    ("epoch-steps", "epochs"): "stop at the best",
    ("epoch-steps", "learning-rate"): "a smaller rate",
    ("exploding-grad-norm", "learning-rate"): "a smaller rate",
    ("exploding-grad-norm", "no-clipping"): "clip",
    ("vanishing-grad-norm", "learning-rate"): "a smaller rate",
    ("loss-scale-collapse", "learning-rate"): "a smaller rate",
    ("loss-scale-collapse", "range"): "bfloat16",
    ("fp16-overflow", "float16"): "bfloat16",
    ("fp16-overflow", "learning-rate"): "a smaller rate",
    ("exploding-gradients", "unclipped"): "clip",
    ("exploding-gradients", "learning-rate"): "a smaller rate",
}


def in_framework(framework: str | None, heuristic: str, cause: str) -> str | None:
    """The fix of a cause as code of this framework; None where it is that of the page."""
    code = REMEDIES.get(FIXES.get((heuristic, cause), ""), {}).get(framework or "")
    return None if code is None else Snippet(str(framework), code.strip()).shown.strip()
