"""The kind of a training, by the tags of its log."""

from typing import get_args

import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.kinds import KINDS, Kind
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reports import html, markdown
from scram_plugin.reports.text import plain_report
from scram_plugin.reviews.as_json import review_as_json
from scram_plugin.reviews.run import review
from tests.event_files import curve
from tests.paths import DOMAIN_LOGS
from tests.recorded import LOGS, recorded
from tests.training_runs import training_run

VALUES = [3.0, 2.0, 1.0, 0.5]
# (kind, why its loss shows no progress, its tags), as their frameworks write them
TAGS = [
    ("supervised", None, "train/loss"),
    ("supervised", None, "epoch_loss epoch_accuracy"),
    ("supervised", None, "train/loss eval/loss eval/accuracy"),
    ("supervised", None, "train/box val/box"),
    ("supervised", None, "train/loss train/entropy"),  # of a classifier, perhaps
    ("supervised", None, "train/loss val/loss val/mAP"),  # of a retrieval or of labels, perhaps
    ("supervised", None, "train/loss metrics/accuracy_top1"),  # a classifier of Ultralytics
    ("supervised", None, "train/loss train/perplexity"),  # of a codebook, perhaps
    ("language model", None, "train/loss train/mean_token_accuracy"),
    ("language model", None, "train/loss train/entropy train/num_tokens"),
    ("language model", None, "train/loss eval/loss eval/mean_token_accuracy"),
    ("language model", None, "lm loss"),
    ("preference", None, "train/loss train/rewards/chosen train/rewards/rejected"),
    ("preference", None, "train/loss train/rewards/margins train/rewards/accuracies train/logps/chosen"),
    ("preference", None, "train/loss train/rewards/margins train/mean_token_accuracy train/entropy"),
    ("group-relative policy", "reinforcement", "train/loss train/reward train/reward_std train/completion_length"),
    ("group-relative policy", "reinforcement", "train/reward train/completions/clipped_ratio train/entropy"),
    ("group-relative policy", "reinforcement", "train/reward train/frac_reward_zero_std"),
    ("group-relative policy", "reinforcement", "critic/score/mean actor/pg_loss response_length/mean"),
    ("reinforcement", "reinforcement", "critic/score/mean actor/pg_loss response_length/mean critic/vf_loss"),
    ("reinforcement", "reinforcement", "objective/rlhf_reward loss/policy_avg loss/value_avg"),
    ("reinforcement", "reinforcement", "train/reward train/reward_std"),  # of episodes, perhaps
    ("reinforcement", "reinforcement", "rollout/ep_rew_mean train/loss train/policy_gradient_loss train/value_loss"),
    ("reinforcement", "reinforcement", "rollout/ep_rew_mean train/critic_loss train/actor_loss"),
    ("reinforcement", "reinforcement", "train/policy_gradient_loss"),
    ("reinforcement", "reinforcement", "charts/episodic_return losses/value_loss"),
    ("detection", None, "train/box_loss train/cls_loss train/dfl_loss val/box_loss metrics/mAP50(B) metrics/mAP50-95(B)"),
    ("detection", None, "train/box_loss train/obj_loss metrics/mAP_0.5"),
    ("detection", None, "total_loss bbox/AP fast_rcnn/cls_accuracy"),
    ("detection", None, "loss coco/bbox_mAP"),
    ("detection", None, "Loss/total_loss DetectionBoxes_Precision/mAP"),
    ("adversarial", "adversarial", "losses/l_g_pix losses/l_d_real"),
    ("adversarial", "adversarial", "critic_loss generator_loss"),
    ("adversarial", "adversarial", "loss_G loss_D train/loss"),
]
RECORDED = {
    "torch_policies": "reinforcement",
    "torch_trainers/completions-are-cut": "group-relative policy",
    "torch_trainers/no-reward-differs": "group-relative policy",
    "torch_trainers/the-reward-is-lost-to-the-limit-of-length": "group-relative policy",
    "torch_trainers/everything-is-masked": "supervised",
    "torch_controls": "supervised",
    "torch_language_models": "supervised",
    "keras_curves": "supervised",
    "keras_scenarios": "supervised",
}


def reviewed(tags: str):
    return review(training_run(dict.fromkeys(split(tags), VALUES)), catalogue())


def split(tags: str) -> list[str]:
    return [tags] if tags == "lm loss" else tags.split()


@pytest.mark.parametrize(("kind", "of_loss", "tags"), TAGS)
def test_tags_say_the_kind(kind, of_loss, tags):
    run = training_run(dict.fromkeys(split(tags), VALUES))
    assert (run.training, run.kind) == (kind, of_loss)


def test_each_kind_is_in_the_table():
    assert list(KINDS) == list(get_args(Kind))
    assert {kind for kind, _, _ in TAGS} == set(KINDS)


def test_a_model_beside_another_one_is_no_other_kind():
    run = training_run({"loss": VALUES}, facts={"framework": "torch", "beside": True})
    assert (run.training, run.kind) == ("supervised", "beside")


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_trainings(name):
    runs = training_runs(read(LOGS / name))
    assert runs
    assert {run.training for run in runs} == {RECORDED[name]}


@pytest.mark.skipif(not DOMAIN_LOGS.is_dir(), reason="needs the real runs of ../shared")
def test_other_peoples_trainings():
    """Of reinforcement learning all that have a return; one has an exploitability alone."""
    kinds = {run.name: run.training for run in training_runs(read(DOMAIN_LOGS))}
    others = {name: kind for name, kind in kinds.items() if kind != "supervised"}
    assert {name for name, kind in others.items() if kind == "group-relative policy"} == {"hf-032", "hf-076"}
    assert {name for name, kind in others.items() if kind == "reinforcement"} == {n for n in kinds if n[:3] == "rl-"} - {
        "rl-100"
    }
    assert {name for name, kind in others.items() if kind == "detection"} == {"sv-010", "sv-114", "sv-126", "sv-127", "sv-137"}
    assert set(others.values()) == {"group-relative policy", "reinforcement", "detection"}


@pytest.mark.parametrize(("kind", "tags"), [(kind, tags) for kind, _, tags in TAGS if kind != "supervised"][::3])
def test_every_report_says_the_kind(kind, tags):
    done, sentence = reviewed(tags), KINDS[kind].sentence
    assert sentence in " ".join(plain_report([done]).split())
    assert sentence in markdown.report([done])
    assert sentence in html.report([done], "log")
    assert sentence in review_as_json(done)["notes"]
    assert review_as_json(done)["training"] == kind


def test_nothing_is_said_of_supervised_training():
    done = reviewed("train/loss")
    assert review_as_json(done)["training"] == "supervised"
    assert done.notes == ()


def test_the_kind_alone_makes_no_run_worth_a_report():
    """Else each sound policy of a sweep would have a block of its own."""
    run = training_run({"rollout/ep_rew_mean": VALUES})
    (sentence,) = run.notes()
    assert review(run, catalogue()).quiet
    assert not review(run, catalogue(), ["Read from progress.csv."]).quiet
    assert sentence == KINDS["reinforcement"].sentence


def test_tensorboard_shows_nothing_of_text_files(tmp_path):
    state = recorded("torch_trainers", "no-reward-differs", "healthy") / "trainer_state.json"
    for name in ("text", "both"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "trainer_state.json").write_bytes(state.read_bytes())
    for name in ("both", "events"):
        curve(tmp_path / name, "train/loss", VALUES)
    found = {run.name: review(run, catalogue()) for run in training_runs(read(tmp_path))}
    assert {name: review_as_json(done)["without_event_files"] for name, done in found.items()} == {
        "text": ["text"],
        "both": [],
        "events": [],
    }
    assert found["text"].within("logs").without_event_files == ("logs/text",)
