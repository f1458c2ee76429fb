"""Real trainings with Stable-Baselines3, TRL and Ultralytics, as they are installed, watched by their recorders.

`pip install 'tensorboard-plugin-scram[frameworks]'`; without a package its tests are skipped.
"""

import os
import subprocess
import sys

import pytest
import torch

import scram_plugin
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews.run import review
from tests.paths import ROOT, environment
from tests.training.torch.models import SQUARES, seed

pytestmark = pytest.mark.slow
REASON = "needs Stable-Baselines3, TRL and Ultralytics"
WATCHED = {"every": 4, "print_findings": False}


def only_run(path):
    (run,) = training_runs(scram_plugin.read(path))
    return run


def tags(run, part="train"):
    return set(run.logged(next(name for name in run.parts if name.split("/")[-1] == part)))


def troubles(run):
    return [(f.heuristic, f.title) for f in review(run, catalogue()).findings if f.severity != "info"]


def assert_same(plain, watched):
    assert plain.keys() == watched.keys()
    for name, value in plain.items():
        assert torch.equal(value, watched[name]), name


# ---- Stable-Baselines3

AGENTS = {
    "PPO": ("CartPole-v1", 512, {"n_steps": 64, "batch_size": 16, "n_epochs": 2}),
    "A2C": ("CartPole-v1", 600, {}),
    "DQN": ("CartPole-v1", 400, {"learning_starts": 100, "train_freq": 1}),
    "SAC": ("Pendulum-v1", 850, {"learning_starts": 750, "batch_size": 32}),
    "TD3": ("Pendulum-v1", 850, {"learning_starts": 750, "batch_size": 32}),
}
LAYERS = {
    "PPO": "mlp_extractor.policy_net.0",
    "A2C": "action_net",
    "DQN": "q_net.q_net.0",
    "SAC": "critic.qf0.0",
    "TD3": "critic.qf0.0",
}


def agent(kind, **more):
    stable_baselines3 = pytest.importorskip("stable_baselines3", reason=REASON)
    place, _, how = AGENTS[kind]
    return getattr(stable_baselines3, kind)("MlpPolicy", place, seed=3, device="cpu", **how, **more)


def learned(kind, callback=None, **more):
    model = agent(kind, **more)
    model.learn(AGENTS[kind][1], callback=callback, log_interval=1)
    return model


@pytest.mark.filterwarnings("error:SCRAM")
@pytest.mark.parametrize("kind", AGENTS)
def test_an_agent_is_watched_and_not_changed(kind, tmp_path):
    plain = learned(kind, tensorboard_log=str(tmp_path / "plain"))
    watched = learned(kind, scram_plugin.StableBaselines3SCRAM(tmp_path / "logs", **WATCHED))
    assert_same(plain.policy.state_dict(), watched.policy.state_dict())
    own, run = only_run(tmp_path / "plain"), only_run(tmp_path / "logs")
    (place,) = own.parts
    numbers = {tag for tag in own.logged(place) if not tag.startswith("time/")}
    assert {"rollout/ep_rew_mean", "rollout/ep_len_mean", "train/learning_rate"} < numbers <= tags(run)
    for tag in sorted(numbers):
        mine = run.logged("train")[tag]
        assert mine.steps.tolist() == own.logged(place)[tag].steps.tolist(), tag
        assert mine.values.tolist() == pytest.approx(own.logged(place)[tag].values.tolist(), nan_ok=True), tag
    assert run.kind == "reinforcement"
    assert run.ended == "finished"
    assert len(run.signal("batch loss")) > 20
    assert f"layer/{LAYERS[kind]}/mean" in run.columns("statistics")
    assert f"gradient/{LAYERS[kind]}/weight/norm" in run.columns("statistics")
    if kind in ("SAC", "TD3"):
        assert any(name.startswith("update/actor.") for name in run.columns("statistics"))
        assert not any("target" in name for name in run.columns("statistics"))
    # at first a greedy agent is worse than a random one, and DQN becomes greedy
    assert [title for check, title in troubles(run) if (kind, check) != ("DQN", "return-collapse")] == []


def test_an_agent_writes_beside_its_own_log_and_goes_on(tmp_path):
    model = agent("A2C", tensorboard_log=str(tmp_path))
    callback = scram_plugin.StableBaselines3SCRAM(**WATCHED)
    model.learn(600, callback=callback, log_interval=20)
    first = len(only_run(tmp_path).signal("batch loss"))
    assert callback._scalars not in model.logger.output_formats
    model.learn(600, callback=callback, log_interval=20, reset_num_timesteps=False)
    assert first == 120
    assert len(only_run(tmp_path).signal("batch loss")) == 240
    assert model.num_timesteps == 1200


def test_an_agent_goes_on_where_scram_fails(tmp_path, recwarn):
    plain = learned("PPO")
    from stable_baselines3.common.callbacks import BaseCallback

    class Unusual(BaseCallback):
        def _on_step(self):
            self.logger.record("mine/huge", 10**400)  # a number that is no float
            return True

    model = agent("PPO")
    callbacks = [Unusual(), scram_plugin.StableBaselines3SCRAM(tmp_path, **WATCHED)]
    model.learn(AGENTS["PPO"][1], callback=callbacks, log_interval=1)
    assert_same(plain.policy.state_dict(), model.policy.state_dict())
    said = [str(warning.message) for warning in recwarn if "SCRAM" in str(warning.message)]
    assert len(said) == 1
    assert said[0].startswith("SCRAM stopped recording: OverflowError")
    assert model.policy._forward_hooks == {}


def test_a_wrong_option_is_said_at_the_start(tmp_path):
    with pytest.raises(ValueError, match="stop_on"):
        agent("PPO").learn(64, callback=scram_plugin.StableBaselines3SCRAM(tmp_path, stop_on="warning"))


# ---- TRL and PEFT


def tokenizer():
    transformers = pytest.importorskip("transformers", reason=REASON)
    from tokenizers import Tokenizer, models, pre_tokenizers

    names = ["<pad>", "<s>", "</s>", "<unk>", *(f"w{i}" for i in range(60))]
    made = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **special)


def language_model():
    transformers = pytest.importorskip("transformers", reason=REASON)
    seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "vocab_size": 64}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, **heads, **special))


def words(count, start):
    return " ".join(f"w{(start + i) % 60}" for i in range(count))


def variety(completions, **_):
    return [float(len(set(completion.split()))) for completion in completions]


def tuned(kind, path, lora, *callbacks):
    """Weights after a training with one of TRL's trainers."""
    trl = pytest.importorskip("trl", reason=REASON)
    datasets = pytest.importorskip("datasets", reason=REASON)
    adapters = {}
    if lora:
        peft = pytest.importorskip("peft", reason=REASON)
        adapters["peft_config"] = peft.LoraConfig(task_type="CAUSAL_LM", r=8, target_modules="all-linear")
    how = {
        **{"per_device_train_batch_size": 4, "num_train_epochs": 2, "logging_steps": 2, "save_strategy": "no"},
        **{
            "report_to": "none",
            "use_cpu": True,
            "bf16": False,
            "disable_tqdm": True,
            "seed": 3,
            "learning_rate": 5e-3 if lora else 1e-3,
        },
    }
    if kind == "SFT":
        data = datasets.Dataset.from_list([{"text": words(12, 7 * i % 60)} for i in range(48)])
        how |= {"eval_strategy": "steps", "eval_steps": 5, "max_length": 32}
        adapters["eval_dataset"] = data.select(range(8))
    elif kind == "DPO":
        made = [{"prompt": words(4, i), "chosen": " " + words(4, i + 4), "rejected": " " + words(4, 7 * i)} for i in range(48)]
        data = datasets.Dataset.from_list(made)
        if not lora:
            adapters["ref_model"] = language_model()
    else:
        data = datasets.Dataset.from_list([{"prompt": words(4, i)} for i in range(16)])
        how |= {"num_generations": 4, "max_completion_length": 8}
        adapters["reward_funcs"] = variety
    arguments = getattr(trl, f"{kind}Config")(output_dir=str(path), **how)
    trainer = getattr(trl, f"{kind}Trainer")(
        language_model(),
        args=arguments,
        train_dataset=data,
        processing_class=tokenizer(),
        callbacks=list(callbacks),
        **adapters,
    )
    trainer.train()
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


@pytest.mark.filterwarnings("error:SCRAM")
@pytest.mark.parametrize("lora", [False, True], ids=["whole", "lora"])
@pytest.mark.parametrize("kind", ["SFT", "DPO", "GRPO"])
def test_a_language_model_is_watched_and_not_changed(kind, lora, tmp_path):
    plain = tuned(kind, tmp_path / "plain", lora)
    watched = tuned(kind, tmp_path / "watched", lora, scram_plugin.TransformersSCRAM(tmp_path / "logs", **WATCHED))
    assert_same(plain, watched)
    run = only_run(tmp_path / "logs")
    steps = {"SFT": 24, "DPO": 24, "GRPO": 32}[kind]
    assert len(run.signal("batch loss")) == steps
    assert run.kind == ("reinforcement" if kind == "GRPO" else None)
    logged = {
        "SFT": {"train/loss", "eval/loss", "train/mean_token_accuracy"},
        "DPO": {"train/loss", "train/rewards/margins"},
        "GRPO": {"train/loss", "train/reward", "train/completions/mean_length"},
    }
    assert logged[kind] <= tags(run)
    gradients = [name for name in run.columns("statistics") if name.startswith("gradient/") and name.endswith("/norm")]
    assert gradients
    assert all("lora_" in name for name in gradients) or not lora
    assert bool(run.facts["model"]["adapters"]) is lora
    assert run.ended == "finished"
    # a model of random weights hardly ever ends a completion, and adapters of it learn little
    known = ("truncated-completions", "no-learning") if lora else ("truncated-completions",)
    assert [title for check, title in troubles(run) if check not in known] == []
    if kind == "SFT":  # an evaluation is no epoch, and its point is at its step
        assert sorted(set(run.signal("epoch").values)) != []
        assert set(run.statistic("batches", "epoch").values) == {0, 1}
        assert run.signal("validation loss").steps.tolist() == [5, 10, 15, 20, 24]
        assert run.signal("validation loss").axis == "step"


# ---- Ultralytics

PROGRAM = (
    SQUARES
    + """\
import torch

from scram_plugin import UltralyticsSCRAM

how = {"epochs": 3, "imgsz": 64, "batch": 4, "nbs": 4, "device": "cpu", "workers": 0, "plots": False, "amp": False}
kept = []
for name in ("plain", "watched"):
    torch.manual_seed(0)
    model = YOLO("yolov8n.yaml")
    if name == "watched":
        UltralyticsSCRAM(top / "logs", every=2, print_findings=False).attach(model)
    model.train(data=str(top / "data.yaml"), project=str(top / "runs"), name=name, **how)
    kept.append(model.trainer.ema.ema.state_dict())
assert all(torch.equal(value, kept[1][name]) for name, value in kept[0].items())
"""
)


def test_a_detector_is_watched_and_not_changed(tmp_path):
    pytest.importorskip("ultralytics", reason=REASON)
    (tmp_path / "program.py").write_text(PROGRAM)
    # while pytest runs Ultralytics writes no logs of its own
    clean = {name: value for name, value in {**os.environ, **environment()}.items() if "PYTEST" not in name}
    clean |= {"YOLO_CONFIG_DIR": str(tmp_path), "YOLO_OFFLINE": "true", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "program.py", str(tmp_path / "top")]
    done = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    run, own = only_run(tmp_path / "top" / "logs"), only_run(tmp_path / "top" / "runs" / "watched")
    (place,) = own.parts
    assert tags(run) >= set(own.logged(place))
    losses = run.logged("train")["train/box_loss"]
    assert losses.steps.tolist() == [1, 2, 3]
    assert losses.values.tolist() == pytest.approx(own.logged(place)["train/box_loss"].values.tolist(), abs=1e-5)
    assert run.logged("train")["metrics/mAP50(B)"].steps.tolist() == [1, 2, 3]
    assert len(run.signal("batch loss")) == 6
    assert sorted(set(run.statistic("batches", "epoch").values)) == [0, 1, 2]
    # the loss of a batch is that of its sum, and cannot be compared with the parts of the validation
    assert run.signal("training loss").tag.startswith("train/box_loss")
    assert run.signal("validation loss").tag.startswith("val/box_loss")
    assert "gradient/model.0.conv/weight/norm" in run.columns("statistics")
    assert run.ended == "finished"
    assert run.facts["source"]["file"] == "program.py"
