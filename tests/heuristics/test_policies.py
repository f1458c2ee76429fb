"""Policies, language models and detectors that are trained with one fault, and their healthy twins; they log no event file."""

import os

import pytest

from tests.reviews import fault_is_found, review_of, review_of_recorded, twin_is_sound

# training of tests/recorded/programs/torch_policies.py -> (heuristic, first cause)
FAULTS = {
    "the return collapses": ("return-collapse", "large-updates"),
    "no other actions": ("entropy-collapse", "large-updates"),
    "an update goes too far": ("kl-blow-up", "learning-rate"),
    "no episode earns a reward": ("no-return-gain", "sparse-reward"),
    "the updates are too small": ("no-return-gain", "small-updates"),
    "the critic's loss has the wrong sign": ("value-not-fitted", "critic-rate"),
    "most samples are clipped": ("clip-saturation", "other-policy"),
}
# the same of torch_detectors.py
DETECTORS = {
    "corners for centres": ("box-loss-without-map", "box-format"),
    "classes are numbered from 1": ("box-loss-without-map", "class-numbers"),
}
# the same of torch_trainers.py
TRAINERS = {
    "the gradients explode": ("exploding-grad-norm", "learning-rate"),
    "everything is masked": ("zero-gradient", "masked"),
    "no reward differs": ("zero-gradient", "no-spread"),
    "completions are cut": ("truncated-completions", "limit"),
    "the reward is lost to the limit of length": ("truncated-completions", "longer-and-longer"),
    "answers grow for nothing": ("length-drift", "reward"),
    "the reward is not the goal": ("reward-hacking", "goal"),
    "facts are memorised": ("epoch-steps", "epochs"),
}
# the same of torch_preferences.py
PREFERENCES = {
    "preferences are memorised": ("preference-memorised", "too-long"),
    "chosen answers become unlikely": ("likelihood-displacement", "objective"),
}
# the same of torch_norms.py
NORMS = {
    "the gradient vanishes": ("vanishing-grad-norm", "decay"),
    "every step overflows": ("loss-scale-collapse", "nan-gradient"),
    "activations overflow": ("fp16-overflow", "learning-rate"),
}
# the same of torch_text_logs.py
TEXT_LOGS = {
    "the discriminator wins": ("adversarial-imbalance", "strong-discriminator"),
    "data come late": ("slow-input", "pipeline"),
}
ALL = {("torch_policies", name): what for name, what in FAULTS.items()}
ALL |= {("torch_detectors", name): what for name, what in DETECTORS.items()}
ALL |= {("torch_trainers", name): what for name, what in TRAINERS.items()}
ALL |= {("torch_preferences", name): what for name, what in PREFERENCES.items()}
ALL |= {("torch_norms", name): what for name, what in NORMS.items()}
ALL |= {("torch_text_logs", name): what for name, what in TEXT_LOGS.items()}
# causes that a log of these programs has no evidence for
UNTOLD = ("learning-rate", "critic-rate", "other-policy", "strong-discriminator", "pipeline")


@pytest.mark.parametrize("place", ALL, ids="-".join)
def test_the_fault_is_found(place):
    one = fault_is_found(*ALL[place], *place)
    assert one.causes[0].for_ or one.causes[0].id in UNTOLD


@pytest.mark.parametrize("place", ALL, ids="-".join)
def test_its_healthy_twin_is_sound(place):
    twin_is_sound(ALL[place][0], *place)


def test_what_the_limit_of_length_brings_about_is_its_consequence():
    """The completions had grown before they were cut: that stands by itself."""
    review = review_of_recorded("torch_trainers", "the reward is lost to the limit of length", "fault")
    assert [f.heuristic for f in review.alone] == ["truncated-completions", "length-drift"]
    assert {f.heuristic for f in review.findings if f.explained_by == "truncated-completions"} >= {"return-collapse"}
    assert "Consequence: The return fell" in review.headline().text


@pytest.mark.parametrize(("name", "others"), [("every step overflows", set()), ("activations overflow", {"zero-loss"})])
def test_what_half_precision_brings_about_is_its_consequence(name, others):
    review, (id_, _) = review_of_recorded("torch_norms", name, "fault"), NORMS[name]
    assert {f.heuristic for f in review.findings if f.explained_by == id_} >= others
    assert [f.heuristic for f in review.alone if f.severity != "info"] == [id_]


def test_what_came_before_an_overflow_is_not_its_consequence():
    review = review_of_recorded("torch_norms", "activations overflow", "fault")
    spike, overflow = (next(f for f in review.findings if f.heuristic == h) for h in ("loss-spike", "fp16-overflow"))
    assert spike.first_step < overflow.first_step
    assert spike.explained_by is None


def test_they_are_read_from_text_files():
    assert "Read from progress.csv." in review_of_recorded("torch_policies", "no other actions", "healthy").notes
    assert "Read from trainer_state.json." in review_of_recorded("torch_trainers", "no reward differs", "healthy").notes


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (("torch_trainers", "the gradients explode"), "TrainingArguments("),
        (("torch_preferences", "preferences are memorised"), "DPOConfig("),
        (("torch_policies", "an update goes too far"), "from stable_baselines3 import PPO"),
        (("torch_detectors", "classes are numbered from 1"), "model.val("),
    ],
)
def test_fixes_of_a_text_file_alone_are_in_the_words_of_its_framework(place, words):
    review = review_of_recorded(*place, "fault")
    assert words in review.alone[0].fixes[0].code


def test_fixes_of_lightnings_csv_are_in_its_words(tmp_path):
    rows = [f"{i},{10 * i},{2 / (i + 1)},{abs(i - 8) / 10 + 1}" for i in range(30)]
    (tmp_path / "metrics.csv").write_text("\n".join(["epoch,step,train_loss,val_loss", *rows, ""]))
    os.utime(tmp_path / "metrics.csv", (1e9, 1e9))
    (found,) = review_of(tmp_path).alone
    assert "from lightning.pytorch.callbacks import EarlyStopping" in found.fixes[0].code
