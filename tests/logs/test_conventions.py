"""How each framework names its tags is understood; the names are those of real logs of that framework."""

import numpy as np
import pytest

from scram_plugin.logs.conventions import higher_is_better, meaning, words
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from tests.event_files import curve, event, write
from tests.paths import REAL_RUNS

UP, DOWN = [0.1, 0.2, 0.3], [3.0, 2.0, 1.0]
# framework -> (its files: directory -> tag -> values, the signals that must be found: signal -> tag)
FRAMEWORKS = {
    "keras": (
        {"train": {"epoch_loss": DOWN, "epoch_accuracy": UP, "epoch_learning_rate": UP}, "validation": {"epoch_loss": DOWN}},
        {"training loss": "epoch_loss", "validation loss": "epoch_loss", "training accuracy": "epoch_accuracy"},
    ),
    "keras of TensorFlow 1": (
        {"": {"loss": DOWN, "acc": UP, "val_loss": DOWN, "val_acc": UP}},
        {
            "training loss": "loss",
            "training accuracy": "acc",
            "validation loss": "val_loss",
            "validation accuracy": "val_acc",
        },
    ),
    "estimator": (
        {"": {"loss_1": DOWN, "global_step/sec": UP}, "eval": {"loss": DOWN}},
        {"training loss": "loss_1", "validation loss": "loss"},
    ),
    "own loop": (
        {"train": {"loss": DOWN, "accuracy": UP}, "test": {"accuracy": UP}},
        {"training loss": "loss", "training accuracy": "accuracy", "validation accuracy": "accuracy"},
    ),
    "object detection api": (
        {"train": {"Loss/total_loss": DOWN}, "eval": {"Loss/total_loss": DOWN, "DetectionBoxes_Precision/mAP": UP}},
        {
            "training loss": "Loss/total_loss",
            "validation loss": "Loss/total_loss",
            "validation detectionboxes precision map": "DetectionBoxes_Precision/mAP",
        },
    ),
    "lightning": (
        {"version_0": {"train_loss_step": DOWN, "train_loss_epoch": DOWN, "val_loss": DOWN, "epoch": UP, "lr-Adam": UP}},
        {
            "training loss": "train_loss_epoch",
            "batch loss": "train_loss_step",
            "validation loss": "val_loss",
            "learning rate": "lr-Adam",
            "epoch": "epoch",
        },
    ),
    "hugging face": (
        {
            "": {
                "train/loss": DOWN,
                "eval/loss": DOWN,
                "train/train_loss": [2.0],
                "train/learning_rate": UP,
                "eval/accuracy": UP,
            }
        },
        {
            "training loss": "train/loss",
            "validation loss": "eval/loss",
            "learning rate": "train/learning_rate",
            "validation accuracy": "eval/accuracy",
        },
    ),
    "yolo": (
        {"train": {"train/box_loss": DOWN, "train/cls_loss": DOWN, "val/box_loss": DOWN, "val/cls_loss": DOWN, "lr/pg0": UP}},
        {
            "training loss": "train/box_loss + train/cls_loss",
            "validation loss": "val/box_loss + val/cls_loss",
            "learning rate": "lr/pg0",
        },
    ),
    "detectron2": (
        {"": {"total_loss": DOWN, "loss_cls": DOWN, "bbox/AP": UP, "fast_rcnn/cls_accuracy": UP, "lr": UP}},
        {"training loss": "total_loss", "validation bbox ap": "bbox/AP", "learning rate": "lr"},
    ),
    "torch, add_scalars": (
        {"Loss_train": {"Loss": DOWN}, "Loss_val": {"Loss": DOWN}, "": {"lr": UP}},
        {"training loss": "Loss", "validation loss": "Loss", "learning rate": "lr"},
    ),
    "allennlp": (
        {"log/train": {"loss": DOWN}, "log/validation": {"loss": DOWN}},
        {"training loss": "loss", "validation loss": "loss"},
    ),
    "squad": (
        {"": {"train/NLL": DOWN, "dev/NLL": DOWN, "dev/F1": UP, "train/LR": UP}},
        {"training loss": "train/NLL", "validation loss": "dev/NLL", "validation f1": "dev/F1", "learning rate": "train/LR"},
    ),
    "coqui": (
        {"": {"TrainIterStats/loss": DOWN, "TrainEpochStats/avg_loss": DOWN, "EvalStats/avg_loss": DOWN}},
        {
            "batch loss": "TrainIterStats/loss",
            "training loss": "TrainEpochStats/avg_loss",
            "validation loss": "EvalStats/avg_loss",
        },
    ),
    "stable-baselines3": (
        {"PPO_1": {"rollout/ep_rew_mean": UP, "train/loss": DOWN, "train/policy_gradient_loss": DOWN}},
        {"return": "rollout/ep_rew_mean", "policy loss": "train/policy_gradient_loss"},
    ),
    "ml-agents": (
        {"": {"Environment/Cumulative Reward": UP, "Losses/Policy Loss": DOWN}},
        {"return": "Environment/Cumulative Reward", "policy loss": "Losses/Policy Loss"},
    ),
    "basicsr": (
        {"": {"losses/l_g_pix": DOWN, "losses/l_d_real": DOWN}},
        {"adversarial loss": "losses/l_d_real"},
    ),
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_framework(framework, tmp_path):
    files, signals = FRAMEWORKS[framework]
    for directory, tags in files.items():
        for tag, values in tags.items():
            curve(tmp_path / directory, tag, values)
    (run,) = training_runs(read(tmp_path))
    assert {s: run.signal(s).tag for s in signals} == signals
    if framework in ("stable-baselines3", "ml-agents"):
        assert run.kind == "reinforcement"
    elif framework == "basicsr":
        assert run.kind == "adversarial"
    else:
        assert run.kind is None


@pytest.mark.parametrize(
    ("training", "validation"),
    [
        ("Loss/train", "Loss/validation"),
        ("Loss/Train", "Loss/Test"),
        ("loss/train", "loss/valid"),
        ("train_loss", "val_loss"),
        ("training_loss", "validation_loss"),
        ("Train Loss", "Validation Loss"),
        ("avg_train_loss", "avg_val_loss"),
        ("epoch/train_loss", "epoch/val_loss"),
        ("train/total_loss", "val/total_loss"),
        ("trainLoss", "valLoss"),
        ("train-cross_entropy", "dev-cross_entropy"),
        ("loss", "val/loss"),
    ],
)
def test_usual_names(training, validation, tmp_path):
    curve(tmp_path, training, DOWN)
    curve(tmp_path, validation, DOWN)
    (run,) = training_runs(read(tmp_path))
    assert (run.signal("training loss").tag, run.signal("validation loss").tag) == (training, validation)


def test_the_entropy_of_a_policy_is_not_its_loss(tmp_path):
    """As Stable-Baselines3 names them."""
    for tag in ("rollout/ep_rew_mean", "train/entropy_loss", "train/loss", "train/value_loss"):
        curve(tmp_path, tag, [3, 2, 1])
    (run,) = training_runs(read(tmp_path))
    assert run.signal("training loss").tag == "train/loss"


def test_a_validation_set_is_preferred_to_a_test_set(tmp_path):
    for tag in ("test/loss", "val/loss", "train/loss"):
        curve(tmp_path, tag, DOWN)
    (run,) = training_runs(read(tmp_path))
    assert run.signal("validation loss").tag == "val/loss"


def test_a_sum_of_parts_is_a_curve_of_its_own(tmp_path):
    curve(tmp_path, "train/box_loss", [3, 2, 1])
    curve(tmp_path, "train/cls_loss", [1, 1, 0.5])
    (run,) = training_runs(read(tmp_path))
    assert run.signal("training loss").values.tolist() == [4, 3, 1.5]
    assert len(run.series(run.signal("training loss"))) == 3


@pytest.mark.parametrize(
    "tag",
    [
        "weights/mean",
        "time",
        "gpu/memory",
        "samples per second",
        "layer1/kernel/summaries/max",
        "best_loss",
        "objective/scores",
    ],
)
def test_other_tags_mean_nothing(tag):
    found = meaning("", tag)
    assert found is None or not found.signal or found.signal == "training loss part"


# tag -> what it means in the code or the documentation of its framework
MEANINGS = {
    "train/grad_norm": "gradient norm",
    "gnorm": "gradient norm",
    "grad-norm": "gradient norm",
    "grad_2.0_norm_total": "gradient norm",
    "actor/grad_norm": "gradient norm",
    "train/rewards/chosen": "chosen reward",
    "train/rewards/rejected": "rejected reward",
    "train/rewards/margins": "reward margin",
    "train/rewards/accuracies": "preference accuracy",
    "eval/rewards/accuracies": "validation preference accuracy",
    "train/logps/chosen": "chosen log-probability",
    "train/reward": "return",
    "eval/reward": "validation return",
    "val-core/openai/gsm8k/acc/mean@8": "validation return",
    "train/reward_std": "reward spread",
    "train/frac_reward_zero_std": "groups without spread",
    "train/rewards/format/std": "",
    "train/completions/mean_length": "completion length",
    "train/completions/clipped_ratio": "truncated completions",
    "train/mean_token_accuracy": "training token accuracy",
    "train/entropy": "token entropy",
    "train/kl": "reference kl",
    "objective/kl": "reference kl",
    "objective/rlhf_reward": "return",
    "policy/approxkl_avg": "policy kl",
    "loss/value_avg": "value loss",
    "critic/score/mean": "return",
    "critic/vf_explained_var": "explained variance",
    "actor/entropy": "policy entropy",
    "response_length/clip_ratio": "truncated completions",
    "rollout/success_rate": "success rate",
    "rollout/ep_len_mean": "episode length",
    "train/approx_kl": "policy kl",
    "train/clip_fraction": "clip fraction",
    "train/entropy_loss": "entropy loss",
    "train/explained_variance": "explained variance",
    "train/value_loss": "value loss",
    "train/critic_loss": "value loss",
    "train/actor_loss": "policy loss",
    "charts/episodic_return": "return",
    "losses/approx_kl": "policy kl",
    "losses/clipfrac": "clip fraction",
    "losses/entropy": "policy entropy",
    "losses/a_loss": "policy loss",
    "losses/c_loss": "value loss",
    "info/kl": "policy kl",
    "Train/mean_reward": "return",
    "Loss/value_function": "value loss",
    "Loss/learning_rate": "learning rate",
    "Policy/Entropy": "policy entropy",
    "Losses/Value Loss": "value loss",
    "Environment/Episode Length": "episode length",
    "0.monitor/r": "return",
    "coco/bbox_mAP": "validation bbox map",
    "mIoU": "validation miou",
    "accuracy/top1": "validation accuracy",
    "mean_fg_dice": "validation mean fg dice",
    "metrics/accuracy_top1": "validation accuracy top1",
    "metrics/mAP50-95(B)": "validation map50 95 b",
    "lr/pg0": "bias learning rate",
    "lr/pg1": "learning rate",
    "x/lr0": "bias learning rate",
    "loss_scale": "loss scale",
    "loss-scale": "loss scale",
    "best_loss": "",
    "lm loss": "training loss",
    "lm loss validation": "validation loss",
    "lm loss vs samples": "",
    "eval/rouge1": "validation rouge1",
    "data_time": "data time",
}


@pytest.mark.parametrize("tag", MEANINGS)
def test_a_tag_means_what_its_framework_says(tag):
    found = meaning("", tag)
    assert found is not None
    assert found.signal == MEANINGS[tag]


def test_the_rate_of_the_biases_is_used_only_where_there_is_no_other(tmp_path):
    curve(tmp_path / "one", "lr/pg0", [0.1, 0.05, 0.01])
    curve(tmp_path / "both", "lr/pg0", [0.1, 0.05, 0.01])
    curve(tmp_path / "both", "lr/pg1", [0.0, 0.005, 0.01])
    both, one = training_runs(read(tmp_path))
    assert [run.signal("learning rate").tag for run in (both, one)] == ["lr/pg1", "lr/pg0"]


def test_a_critic_of_reinforcement_learning_is_no_opponent(tmp_path):
    for tag in ("rollout/ep_rew_mean", "train/critic_loss", "train/actor_loss"):
        curve(tmp_path / "sac", tag, DOWN)
    for tag in ("critic_loss", "generator_loss"):
        curve(tmp_path / "wgan", tag, DOWN)
    sac, wgan = training_runs(read(tmp_path))
    assert (sac.kind, wgan.kind) == ("reinforcement", "adversarial")


def test_runs_of_folds_and_sweeps_stay_apart(tmp_path):
    for name in ("fold_0", "fold_1"):
        curve(tmp_path / name / "train", "loss", DOWN)
        curve(tmp_path / name / "val", "loss", DOWN)
    for name in ("lr0.1_wd0", "lr0.01_wd0"):
        curve(tmp_path / name, "train/loss", DOWN)
    curve(tmp_path / "exp7_train", "loss", DOWN)
    curve(tmp_path / "exp7_val", "loss", DOWN)
    runs = {run.name: run.tensorboard_runs for run in training_runs(read(tmp_path))}
    assert runs == {
        "exp7": ["exp7_train", "exp7_val"],
        "fold_0": ["fold_0/train", "fold_0/val"],
        "fold_1": ["fold_1/train", "fold_1/val"],
        "lr0.01_wd0": ["lr0.01_wd0"],
        "lr0.1_wd0": ["lr0.1_wd0"],
    }


def test_steps_are_epochs_only_where_the_log_says_so(tmp_path):
    curve(tmp_path / "epochs", "train/loss", DOWN)
    curve(tmp_path / "epochs", "val/loss", DOWN)
    write(tmp_path / "steps" / "x.tfevents.1", [event(i * 500, i, **{"train/loss": 1.0, "val/loss": 1.0}) for i in range(4)])
    epochs, steps = training_runs(read(tmp_path))
    assert (epochs.signal("training loss").axis, steps.signal("training loss").axis) == ("epoch", "step")


def test_words():
    assert words("TrainEpochStats/avg_loss") == ["train", "epoch", "stats", "avg", "loss"]
    assert words("metrics/mAP50(B)") == ["metrics", "map50", "b"]


def test_direction_of_metrics():
    assert higher_is_better("accuracy") is True
    assert higher_is_better("word error") is False
    assert higher_is_better("something") is None


@pytest.mark.skipif(not REAL_RUNS.is_dir(), reason="needs the real runs of ../shared")
@pytest.mark.parametrize(
    ("path", "signals"),
    [
        ("Mormolykos+trainproof/evidence/xtts_coqui_feb2026", {"training loss": "TrainEpochStats/avg_loss"}),
        ("Kevindic0214+detectron2_training/output", {"training loss": "total_loss"}),
        ("rschmidt347+squad_project/save/train/ch_cqexact_proj_notok-01", {"validation loss": "dev/NLL"}),
        ("tensorflow+tensorboard/tensorboard/functionaltests/testdata", {"training loss": "loss", "validation loss": "loss"}),
    ],
)
def test_real_logs(path, signals):
    (run,) = training_runs(read(REAL_RUNS / path))
    assert {s: run.signal(s).tag for s in signals} == signals


@pytest.mark.skipif(not REAL_RUNS.is_dir(), reason="needs the real runs of ../shared")
def test_the_whole_tree_gives_the_same_reviews_as_each_part():
    from scram_plugin.heuristics.catalogue import catalogue
    from scram_plugin.reviews.run import review_all

    rules = catalogue()
    whole = {r.name: [(f.heuristic, f.summary) for f in r.findings] for r in review_all(read(REAL_RUNS), rules)}
    parts = {}
    for directory in sorted(p for p in REAL_RUNS.iterdir() if p.is_dir()):
        for r in review_all(read(directory), rules):
            name = directory.name if r.name == "." else f"{directory.name}/{r.name}"
            parts[name] = [(f.heuristic, f.summary) for f in r.findings]
    assert whole == parts
    assert np.sum([len(findings) for findings in whole.values()]) > 5


def test_the_only_loss_of_each_data_set_is_the_loss(tmp_path):
    tags = ("train/ctc_loss", "test/ctc_loss", "validation/ctc_loss")
    points = [event(i, 1e9, **{"loss": 1.0}, **({} if i % 4 else dict.fromkeys(tags, 1.0))) for i in range(20)]
    write(tmp_path / "events.out.tfevents.1.host", points)
    (run,) = training_runs(read(tmp_path))
    assert [run.signal(f"{side} loss").tag for side in ("training", "validation")] == ["train/ctc_loss", "validation/ctc_loss"]


@pytest.mark.parametrize("more", ["train/loss", "train/attention_loss"])
def test_a_loss_beside_others_is_a_part(tmp_path, more):
    tags = ("train/ctc_loss", "val/ctc_loss", more)
    write(tmp_path / "events.out.tfevents.1.host", [event(i, 1e9, **dict.fromkeys(tags, 1.0)) for i in range(5)])
    (run,) = training_runs(read(tmp_path))
    assert run.signal("training loss").tag == (
        "train/loss" if more == "train/loss" else "train/attention_loss + train/ctc_loss"
    )


@pytest.mark.parametrize("kind", ["kl", "ctc"])
def test_a_penalty_or_a_part_that_is_logged_with_the_whole_is_not_the_loss(tmp_path, kind):
    tags = ("loss", f"train/{kind}_loss", f"val/{kind}_loss")
    write(tmp_path / "events.out.tfevents.1.host", [event(i, 1e9, **dict.fromkeys(tags, 1.0)) for i in range(5)])
    (run,) = training_runs(read(tmp_path))
    assert run.signal("training loss").tag == "loss"


def test_data_sets_are_never_added_up(tmp_path):
    tags = [f"{side}/{kind}_loss" for side in ("train", "val", "test") for kind in ("heat", "offset")]
    write(tmp_path / "events.out.tfevents.1.host", [event(i, 1e9, **dict.fromkeys(tags, 1.0)) for i in range(5)])
    (run,) = training_runs(read(tmp_path))
    assert run.signal("validation loss").tag == "val/heat_loss + val/offset_loss"


def test_mean_average_precision_is_no_precision():
    assert meaning("", "validation/mean_average_precision").signal == "validation map"
    assert meaning("", "val/precision").signal == "validation precision"
