"""Each extra alone, from the built wheel, in an environment of its own: what the documentation promises for it works there, and
what needs something else says in one sentence what to install. Slow, since packages are installed: `make test-all`.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import DEMO_LOGS, ROOT

KERAS = """
import sys
import keras
import numpy as np
from scram_plugin import SCRAM

keras.utils.set_random_seed(3)
x = np.random.default_rng(0).normal(size=(640, 8)).astype("float32")
y = (x[:, :1] > 0).astype("float32")
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(1, "sigmoid")])
model.compile("adam", "binary_crossentropy")
model.fit(x, y, validation_split=0.2, epochs=3, verbose=0, callbacks=[SCRAM("logs/exp")])
assert "torch" not in sys.modules
"""
TORCH = """
import sys
import torch
import scram_plugin

torch.manual_seed(3)
x = torch.randn(640, 8)
y = (x[:, 0] > 0).long()
model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 32, shuffle=True)
loss_function = torch.nn.CrossEntropyLoss()
with scram_plugin.watch(model, optimizer, log_dir="logs/exp") as scram:
    for epoch in range(3):
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss_function(model(inputs), targets).backward()
            optimizer.step()
        scram.log(val_loss=float(loss_function(model(x), y)))
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
"""
LIGHTNING = """
import lightning
import torch
from scram_plugin import LightningSCRAM

class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(8, 2)
    def training_step(self, batch, index):
        return torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-3)

data = torch.utils.data.TensorDataset(torch.randn(320, 8), torch.arange(320) % 2)
quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False, "accelerator": "cpu"}
logger = lightning.pytorch.loggers.TensorBoardLogger("logs")
trainer = lightning.Trainer(max_epochs=3, logger=logger, callbacks=[LightningSCRAM()], **quiet)
trainer.fit(Module(), torch.utils.data.DataLoader(data, 32))
"""
TRANSFORMERS = """
import torch
import transformers
from scram_plugin import TransformersSCRAM

sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 50}
model = transformers.BertForSequenceClassification(transformers.BertConfig(num_labels=2, **sizes))
data = [{"input_ids": torch.randint(0, 50, (8,)), "labels": torch.tensor(i % 2)} for i in range(64)]
how = {"num_train_epochs": 2, "per_device_train_batch_size": 8, "report_to": [], "use_cpu": True}
arguments = transformers.TrainingArguments("logs", **how)
transformers.Trainer(model=model, args=arguments, train_dataset=data, callbacks=[TransformersSCRAM()]).train()
"""
STABLE_BASELINES3 = """
from stable_baselines3 import A2C
from scram_plugin import StableBaselines3SCRAM

A2C("MlpPolicy", "CartPole-v1", device="cpu").learn(1_000, callback=StableBaselines3SCRAM("logs/exp"), log_interval=10)
"""
ULTRALYTICS = """
from ultralytics import YOLO
from scram_plugin import UltralyticsSCRAM

UltralyticsSCRAM("logs/exp").attach(YOLO("yolov8n.yaml"))
"""
REMOTE = """
import fsspec
import scram_plugin
from pathlib import Path
import sys

memory = fsspec.filesystem("memory")
for file in Path(sys.argv[1]).rglob("*tfevents*"):
    memory.pipe(f"/logs/{file.relative_to(sys.argv[1]).as_posix()}", file.read_bytes())
names = [review.name for review in scram_plugin.review("memory://logs", cache=False)]
assert len(names) == 6, names
"""
DASK = """
import subprocess, sys
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(n_workers=1, processes=True, dashboard_address=None) as cluster:
        command = [sys.executable, "-m", "scram_plugin", "check", sys.argv[1], "--dask", cluster.scheduler_address]
        done = subprocess.run([*command, "--no-cache"], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "6 training runs" in done.stdout
"""
# extra -> the program that shows what it is for, and whether a preflight of it is promised
EXTRAS = {
    "": (None, False),
    "tensorflow": (KERAS, True),
    "torch": (TORCH, True),
    "lightning": (LIGHTNING, False),
    "transformers": (TRANSFORMERS, False),
    "stable-baselines3": (STABLE_BASELINES3, False),
    "ultralytics": (ULTRALYTICS, False),
    "remote": (REMOTE, False),
    "dask": (DASK, False),
}
TAB = """
import json, sys
from types import SimpleNamespace
from werkzeug.test import Client
from scram_plugin.tensorboard.plugin import ScramPlugin

apps = ScramPlugin(SimpleNamespace(logdir=sys.argv[1], flags=None)).get_plugin_apps()
client = Client(lambda environ, start: apps[environ["PATH_INFO"]](environ, start))
while client.get("/runs").json["progress"]["done"] < 6:
    pass
assert client.get("/index.js").status_code == 200
assert client.get("/review", query_string={"run": "fashion_mnist/overfit"}).json["findings"]
assert not {"tensorflow", "keras", "torch"} & set(sys.modules)
"""
# what needs a framework -> the package that its sentence names
NEEDS = {
    "from scram_plugin import SCRAM": "tensorflow",
    "import scram_plugin; scram_plugin.watch": "torch",
    "from scram_plugin import LightningSCRAM": "lightning",
    "from scram_plugin import TransformersSCRAM": "transformers",
    "from scram_plugin import StableBaselines3SCRAM": "stable-baselines3",
    "from scram_plugin import UltralyticsSCRAM": "ultralytics",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def run(python, folder, *arguments, status=0):
    done = subprocess.run([python, *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == status, done.stderr[-3000:]
    return done


def interpreter(version):
    """The Python of this version on this machine; None if there is none."""
    of_pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    return of_pyenv[-1] if of_pyenv else shutil.which(f"python{version}")


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.10", "3.13"])
def test_the_oldest_and_a_newer_python(version, wheel, tmp_path):
    python = interpreter(version)
    if python is None:
        pytest.skip("this Python is not on this machine")
    assert_works(python, "tensorflow", wheel, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_alone(extra, wheel, tmp_path):
    assert_works(sys.executable, extra, wheel, tmp_path)


def assert_works(base, extra, wheel, tmp_path):
    """In an environment of the Python `base`: what is promised works, what needs something else says what to install."""
    subprocess.run([base, "-m", "venv", tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    wanted = f"{wheel}[{extra}]" if extra else str(wheel)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-compile", wanted], check=True, timeout=1800)
    assert json.loads(run(python, tmp_path, "-m", "scram_plugin", "check", DEMO_LOGS, "--format", "json", status=1).stdout)[
        "runs"
    ]
    run(python, tmp_path, "-c", TAB, DEMO_LOGS)
    program, tested = EXTRAS[extra]
    if program is not None:
        (tmp_path / "program.py").write_text(program)
        run(python, tmp_path, "program.py", DEMO_LOGS)
    if Path(tmp_path / "logs").is_dir():
        done = run(python, tmp_path, "-m", "scram_plugin", "check", "logs", "--fail-on", "never")
        assert "1 training run" in done.stdout
    if tested:
        done = run(python, tmp_path, "-m", "scram_plugin", "preflight", "--fail-on", "never", "--seconds", "5", "program.py")
        assert "Traceback" not in done.stderr
    installed = {
        name.lower().replace("_", "-")
        for name in run(python, tmp_path, "-m", "pip", "list", "--format", "freeze").stdout.split()
    }
    for code, package in NEEDS.items():
        if not any(name.startswith(f"{package}==") for name in installed):
            said = run(python, tmp_path, "-c", code, status=1).stderr.strip().splitlines()[-1]
            assert f"pip install {package}" in said, (code, said)
    if not any(name.startswith("distributed==") for name in installed):
        said = run(python, tmp_path, "-m", "scram_plugin", "check", DEMO_LOGS, "--dask", "tcp://127.0.0.1:1", status=2).stderr
        assert "pip install" in said
    if not any(name.startswith("fsspec==") for name in installed):
        assert "pip install" in run(python, tmp_path, "-m", "scram_plugin", "check", "s3://lab/logs", status=2).stderr
