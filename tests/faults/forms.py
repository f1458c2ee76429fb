"""Healthy programs on real data in the forms in which people write them: what faults are placed into.

The programs are files, in `forms/<framework>/<name>/`. Each prints how good its model is at the end: an accuracy, or R2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).with_name("forms")
ENTRY = "train.py"
NUMBER = re.compile(r"[\d.]+(?:e-?\d+)?(?=\D*$)")
Files = dict[str, str]  # the text of each file by its name, the main program first

RATE, WIDTH, NARROW, BATCH = (0.7, 1.0, 1.4), (48, 64, 80), (12, 16, 20), (16, 32)


@dataclass(frozen=True)
class Data:
    """Where arrays of training data are ready in a program: the file, the line after which they are, and their names.

    `whole`: they still hold the validation part. Then there are no arrays of validation data.
    """

    file: str
    line: str
    x: str
    y: str
    whole: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of all arrays of inputs."""
        return (self.x,) if self.whole else (self.x, _other(self.file, self.x))

    @property
    def targets(self) -> tuple[str, ...]:
        return (self.y,) if self.whole else (self.y, _other(self.file, self.y))


def _other(file: str, name: str) -> str:
    """The name of the validation part, of that of the training part, in a program."""
    text = next(path for path in HERE.glob(file)).read_text(encoding="utf-8")
    names = (name.replace("train", other) for other in ("val", "test"))
    return next(other for other in names if re.search(rf"\b{other}\b", text))


@dataclass(frozen=True)
class Made:
    """Where a model of PyTorch has been made: the file, the line after which it is, its layers by name."""

    file: str
    line: str
    hidden: tuple[str, ...]
    last: str


@dataclass(frozen=True)
class Program:
    """`task`: classes, two (classes) or numbers. `settings`: texts of the program in which a seed chooses the last number."""

    framework: str
    name: str
    form: str
    task: str
    seed: tuple[str, str]
    settings: tuple[tuple[str, str, tuple[float, ...]], ...] = ()
    data: Data | None = None
    made: Made | None = None

    def files(self, seed: int) -> Files:
        """Its files with what this seed draws. Raises ValueError where a setting is no longer in its file."""
        paths = sorted((HERE / self.framework / self.name).glob("*.py"), key=lambda path: (path.name != ENTRY, path.name))
        files = {path.name: path.read_text(encoding="utf-8") for path in paths}
        rng = np.random.default_rng([seed, sum(map(ord, self.name))])
        for file, text, choices in (*((*at, (seed,)) for at in (self.seed,)), *self.settings):
            if text not in files[file]:
                raise ValueError(f"{self.name}/{file} has no text {text!r}")
            chosen = choices[int(rng.integers(len(choices)))]
            was = NUMBER.search(text)
            assert was is not None
            now = f"{float(was[0]) * chosen:.2g}" if choices is RATE else str(chosen)
            files[file] = files[file].replace(text, text[: was.start()] + now + text[was.end() :])
        return files


def _data(folder: str, file: str, line: str, x: str, y: str, whole: bool = False) -> Data:
    return Data(f"{folder}/{file}", line, x, y, whole)


T = ENTRY
PROGRAMS = (
    Program(
        "keras",
        "digits_list",
        "Sequential, a list of layers",
        "classes",
        (T, "SEED = 7"),
        ((T, "Dense(64", WIDTH), (T, "learning_rate=0.002", RATE), (T, "batch_size=32", BATCH)),
        _data("keras/digits_list", T, "y_val = to_categorical(y_val, 10)\n", "x_train", "y_train"),
    ),
    Program(
        "keras",
        "digits_add",
        "Sequential, add; activations as layers",
        "classes",
        (T, "SEED = 1"),
        ((T, "Conv2D(16", NARROW), (T, "LEARNING_RATE = 0.002", RATE), (T, "BATCH_SIZE = 32", BATCH)),
        _data("keras/digits_add", T, 'X_val = X_val[..., np.newaxis].astype("float32") / 255.0\n', "X_train", "y_train"),
    ),
    Program(
        "keras",
        "cancer_functional",
        "functional model, names bound before",
        "two",
        (T, "seed = 3"),
        ((T, "Dense(32", (24, 32, 48)), (T, "lr = 0.002", RATE), (T, "batch_size=16", BATCH)),
        _data("keras/cancer_functional", T, "X_val = scaler.transform(X_val)\n", "X_train", "y_train"),
    ),
    Program(
        "keras",
        "digits_subclass",
        "subclassed model, another file; a dictionary of settings",
        "classes",
        (T, '"seed": 11'),
        ((T, '"filters": 16', NARROW), (T, '"learning_rate": 0.002', RATE), (T, '"batch_size": 32', BATCH)),
        _data("keras/digits_subclass", T, '    x_val = x_val.astype("float32") / 255.0\n', "x_train", "y_train"),
    ),
    Program(
        "keras",
        "friedman_project",
        "builder in another file; a dataclass of settings",
        "numbers",
        ("config.py", "seed: int = 5"),
        (
            ("config.py", "hidden: int = 64", WIDTH),
            ("config.py", "learning_rate: float = 0.003", RATE),
            ("config.py", "batch_size: int = 32", BATCH),
        ),
        _data(
            "keras/friedman_project",
            "data.py",
            "    y_test = y_scaler.transform(y_test.reshape(-1, 1)).ravel()\n",
            "X_train",
            "y_train",
        ),
    ),
    Program(
        "keras",
        "wine_argparse",
        "builder and main, argparse",
        "classes",
        (T, '"--seed", type=int, default=2'),
        (
            (T, '"--hidden", type=int, default=32', (24, 32, 48)),
            (T, '"--lr", type=float, default=0.005', RATE),
            (T, '"--batch-size", type=int, default=16', (8, 16)),
        ),
        _data("keras/wine_argparse", T, "    x_val = (x_val - mean) / std\n", "x_train", "y_train"),
    ),
    Program(
        "keras",
        "cancer_old",
        "old spellings",
        "two",
        (T, "seed = 7"),
        ((T, "Dense(16", NARROW), (T, "SGD(0.02", RATE), (T, "batch_size=16", (8, 16))),
        _data("keras/cancer_old", T, "X_test = sc.transform(X_test)\n", "X_train", "Y_train"),
    ),
    Program(
        "keras",
        "digits_rows",
        "functional, tf.data, logits",
        "classes",
        (T, "seed=4"),
        ((T, "units=48", (32, 48, 64)), (T, "lr=4e-3", RATE), (T, "batch=32", BATCH)),
        _data("keras/digits_rows", T, "y = bunch.target[order].astype(np.int64)\n", "x", "y", whole=True),
    ),
    Program(
        "keras",
        "houses_split",
        "Sequential, a list; validation_split",
        "numbers",
        (T, "SEED = 9"),
        ((T, "Dense(48", (32, 48, 64)), (T, "Adam(3e-3", RATE), (T, "BATCH = 32", BATCH)),
        _data("keras/houses_split", T, "y = (price - y_mean) / y_std\n", "X", "y", whole=True),
    ),
    Program(
        "keras",
        "moons_layers",
        "builder in another file, compiled there; activations as layers",
        "two",
        (T, "SEED = 13"),
        ((T, "learning_rate=0.006", RATE), (T, "batch_size=32", BATCH)),
        _data("keras/moons_layers", T, "X_val = scaler.transform(X_val)\n", "X_train", "y_train"),
    ),
    Program(
        "torch",
        "digits_plain",
        "nn.Sequential and a plain loop",
        "classes",
        (T, "seed = 0"),
        ((T, "lr=0.002", RATE), (T, "batch_size=32", BATCH)),
        _data("torch/digits_plain", T, "y_train, y_test = y[:1400], y[1400:]\n", "X_train", "y_train"),
        Made(T, "    nn.Linear(64, 10),\n)\n", ("model[0]", "model[3]"), "model[5]"),
    ),
    Program(
        "torch",
        "digits_mnist",
        "functions train and test, argparse; functional activations and loss",
        "classes",
        (T, '"--seed", type=int, default=1'),
        ((T, '"--lr", type=float, default=0.5', RATE), (T, '"--batch-size", type=int, default=32', BATCH)),
        None,
        Made(T, "    model = Net()\n", ("model.conv1", "model.conv2", "model.fc1"), "model.fc2"),
    ),
    Program(
        "torch",
        "cancer_project",
        "four files, dataclasses of settings; functions; clipping",
        "two",
        ("config.py", "seed: int = 21"),
        (
            ("config.py", "hidden: int = 32", (24, 32, 48)),
            ("config.py", "lr: float = 2e-3", RATE),
            ("config.py", "batch_size: int = 16", BATCH),
        ),
        _data("torch/cancer_project", "data.py", "    X_val = scaler.transform(X_val)\n", "X_train", "y_train"),
        Made(T, "    model = TumourNet(30, config.model)\n", ("model.body[0]", "model.body[4]"), "model.head"),
    ),
    Program(
        "torch",
        "friedman_settings",
        "module with forward, a dictionary of settings; a scheduler",
        "numbers",
        (T, '"seed": 8'),
        ((T, '"hidden": 64', WIDTH), (T, '"lr": 0.003', RATE), (T, '"batch_size": 32', BATCH)),
        _data("torch/friedman_settings", T, "y_val = (y_val - y_mu) / y_sigma\n", "x_train", "y_train"),
        Made(T, 'net = Regressor(x_train.shape[1], SETTINGS["hidden"])\n', ("net.fc1", "net.fc2"), "net.out"),
    ),
    Program(
        "torch",
        "digits_lightning",
        "Lightning module and data module, Trainer",
        "classes",
        (T, "seed_everything(42"),
        ((T, "hidden=64", WIDTH), (T, "learning_rate=2e-3", RATE), (T, "batch_size=32", BATCH)),
        _data("torch/digits_lightning", "data.py", "        y = torch.tensor(digits.target)\n", "x", "y", whole=True),
        Made(
            "model.py",
            "        self.head = nn.Linear(hidden, 10)\n",
            ("self.encoder[0]", "self.encoder[2]", "self.fc"),
            "self.head",
        ),
    ),
    Program(
        "torch",
        "reviews_trainer",
        "transformers' Trainer, TrainingArguments",
        "classes",
        (T, "SEED = 17"),
        ((T, "learning_rate=2e-3", RATE), (T, "per_device_train_batch_size=32", BATCH)),
    ),
    Program(
        "torch",
        "digits_gru",
        "module, function fit, a dictionary of settings; clipping",
        "classes",
        (T, "seed=5"),
        ((T, "hidden_size=48", (32, 48, 64)), (T, "lr=3e-3", RATE), (T, "batch_size=32", BATCH)),
        _data("torch/digits_gru", T, "    x = x / 16.0\n", "x", "y", whole=True),
        Made(T, '    model = RowReader(hparams["hidden_size"])\n', ("model.hidden",), "model.out"),
    ),
    Program(
        "torch",
        "wine_dataset",
        "Dataset with transforms in another file; a list of layers; argparse",
        "classes",
        (T, '"--seed", type=int, default=3'),
        (
            (T, "n_hidden=32", (24, 32, 48)),
            (T, '"--learning-rate", type=float, default=0.01', RATE),
            (T, '"--batch-size", type=int, default=8', (8, 16)),
        ),
        None,
        Made(T, "model = build_model()\n", ("model[0]", "model[3]"), "model[5]"),
    ),
    Program(
        "torch",
        "moons_classes",
        "blocks in another file; a trainer class",
        "two",
        (T, "SEED = 6"),
        ((T, "MoonNet(6), lr=0.002", RATE), (T, "batch_size=32", BATCH)),
        _data("torch/moons_classes", T, "    X_val = scaler.transform(X_val)\n", "X_train", "y_train"),
        Made(T, "trainer = Trainer(MoonNet(6)", ("trainer.model.embed",), "trainer.model.out"),
    ),
)
