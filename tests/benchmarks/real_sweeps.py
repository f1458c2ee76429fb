"""Three real sweeps: what does `scram sweep` say of runs that were trained, and is it so?

    python -m tests.benchmarks.real_sweeps [--into DIR] [--runs 40] [--only keras torch transformers]

Each sweep trains a small model with settings that are drawn at random, as people do: Keras and PyTorch on scikit-learn's
digits, Hugging Face's Trainer on the movie reviews of ``../shared`` (left out where they are not there). The logs are those of
Keras's TensorBoard callback with its hparams, of `SummaryWriter.add_hparams`, and of the Trainer; SCRAM records nothing. Runs
that are there already are not trained again. Prints the report of each sweep; then, for every setting of numbers, the rank
correlation with the best value of the measure, and for others the median of each choice: what an analyst would look at.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from tests.paths import ROOT, SHARED, environment, state

FRAMEWORKS = ("keras", "torch", "transformers")
EPOCHS = 12
REVIEWS = SHARED / "data" / "movie_reviews.json.gz"
WORDS, LENGTH = 3000, 80
Settings = dict[str, Any]


def drawn(framework: str, number: int) -> Settings:
    """The settings of a run, always the same for its number."""
    draws = np.random.default_rng([FRAMEWORKS.index(framework), number])
    rates = {"keras": (-5, 0.5), "torch": (-4, 1), "transformers": (-5.5, -1.5)}[framework]
    told: Settings = {
        "learning_rate": float(f"{10 ** draws.uniform(*rates):.3g}"),
        "batch_size": int(draws.choice([16, 32, 64])),
        "dropout": float(draws.choice([0.0, 0.2, 0.5, 0.8])),
        "seed": int(draws.integers(0, 1000)),
    }
    if framework == "keras":
        told |= {"optimizer": str(draws.choice(["adam", "sgd", "rmsprop"])), "units": int(draws.choice([16, 64, 128]))}
        told |= {"activation": str(draws.choice(["relu", "tanh", "sigmoid"]))}
    elif framework == "torch":
        told |= {"momentum": float(draws.choice([0.0, 0.9])), "weight_decay": float(draws.choice([0.0, 1e-4, 0.1]))}
        told |= {"norm": str(draws.choice(["none", "batch"])), "layers": int(draws.integers(1, 5))}
    else:
        told |= {"warmup_steps": int(draws.choice([0, 20, 100])), "weight_decay": float(draws.choice([0.0, 0.01, 0.1]))}
        told |= {"hidden_size": int(draws.choice([32, 64]))}
    return told


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (x[order] / 16).astype("float32"), y[order]
    return x[:1300], y[:1300], x[1300:], y[1300:]


def keras_run(told: Settings, log_dir: Path) -> None:
    import keras
    from tensorboard.plugins.hparams import api as hp

    keras.utils.set_random_seed(told["seed"])
    x, y, x_val, y_val = digits()
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(told["units"], told["activation"]),
            layers.Dropout(told["dropout"]),
            layers.Dense(told["units"], told["activation"]),
            layers.Dense(10, "softmax"),
        ]
    )
    optimizer = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD, "rmsprop": keras.optimizers.RMSprop}
    model.compile(optimizer[told["optimizer"]](told["learning_rate"]), "sparse_categorical_crossentropy", metrics=["accuracy"])
    callbacks = [keras.callbacks.TensorBoard(log_dir), hp.KerasCallback(str(log_dir), told)]
    model.fit(
        x, y, batch_size=told["batch_size"], epochs=EPOCHS, validation_data=(x_val, y_val), verbose=0, callbacks=callbacks
    )


def torch_run(told: Settings, log_dir: Path) -> None:
    import torch
    from torch import nn
    from torch.utils.tensorboard import SummaryWriter

    torch.manual_seed(told["seed"])
    x, y, x_val, y_val = map(torch.tensor, digits())
    modules: list[nn.Module] = []
    for i in range(told["layers"]):
        modules += [nn.Linear(64 if i == 0 else 48, 48), *([nn.BatchNorm1d(48)] if told["norm"] == "batch" else [])]
        modules += [nn.ReLU(), nn.Dropout(told["dropout"])]
    model = nn.Sequential(*modules, nn.Linear(48, 10))
    optimizer = torch.optim.SGD(
        model.parameters(), lr=told["learning_rate"], momentum=told["momentum"], weight_decay=told["weight_decay"]
    )
    criterion, best = nn.CrossEntropyLoss(), 0.0
    with SummaryWriter(str(log_dir)) as writer:
        for epoch in range(EPOCHS):
            model.train()
            total = 0.0
            for at in torch.randperm(len(x)).split(told["batch_size"]):
                optimizer.zero_grad()
                loss = criterion(model(x[at]), y[at])
                loss.backward()
                optimizer.step()
                total += loss.item() * len(at)
            model.eval()
            with torch.no_grad():
                outputs = model(x_val)
            accuracy = float((outputs.argmax(1) == y_val).float().mean())
            best = max(best, accuracy)
            writer.add_scalar("Loss/train", total / len(x), epoch)
            writer.add_scalar("Loss/val", float(criterion(outputs, y_val)), epoch)
            writer.add_scalar("Accuracy/val", accuracy, epoch)
        writer.add_hparams(told, {"hparam/accuracy": best}, run_name=".")


def transformers_run(told: Settings, log_dir: Path) -> None:
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(log_dir)  # what `logging_dir` was before Transformers 5
    import torch
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

    with gzip.open(REVIEWS, "rt", encoding="utf-8") as file:
        labelled = json.load(file)["train"][:1600]
    texts = [re.findall(r"[a-z']+", text.lower()) for _, text in labelled]
    common = [word for word, _ in Counter(word for text in texts for word in text).most_common(WORDS - 2)]
    number = {word: i + 2 for i, word in enumerate(common)}
    tokens, labels = np.zeros((len(texts), LENGTH), int), [label for label, _ in labelled]
    for row, text in zip(tokens, texts, strict=True):
        row[: len(text)] = [number.get(word, 1) for word in text[:LENGTH]]
    data = [
        {"input_ids": torch.tensor(t), "attention_mask": torch.tensor((t > 0).astype(int)), "labels": int(label)}
        for t, label in zip(tokens, labels, strict=True)
    ]
    torch.manual_seed(told["seed"])
    config = BertConfig(
        vocab_size=WORDS,
        hidden_size=told["hidden_size"],
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=96,
        hidden_dropout_prob=told["dropout"],
    )
    arguments = TrainingArguments(
        output_dir=str(log_dir / "out"),
        report_to="tensorboard",
        learning_rate=told["learning_rate"],
        per_device_train_batch_size=told["batch_size"],
        per_device_eval_batch_size=200,
        warmup_steps=told["warmup_steps"],
        weight_decay=told["weight_decay"],
        num_train_epochs=4,
        logging_steps=5,
        eval_strategy="epoch",
        save_strategy="no",
        seed=told["seed"],
        use_cpu=True,
        disable_tqdm=True,
    )

    def measure(predicted: Any) -> dict[str, float]:
        return {"accuracy": float((predicted.predictions.argmax(-1) == predicted.label_ids).mean())}

    model = BertForSequenceClassification(config)
    Trainer(model, arguments, train_dataset=data[:1200], eval_dataset=data[1200:], compute_metrics=measure).train()


RUNS = {"keras": keras_run, "torch": torch_run, "transformers": transformers_run}


def train_all(framework: str, count: int, into: Path) -> None:
    """Each run in a process of its own, as many at once as there are cores."""

    def one(number: int) -> None:
        log_dir = into / f"run_{number:02d}"
        if not log_dir.exists():
            command = [sys.executable, "-m", "tests.benchmarks.real_sweeps", "--one", framework, str(number), str(log_dir)]
            variables = {**environment(), "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
            done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
            if done.returncode:
                print(f"{log_dir}: {done.stderr[-400:]}", file=sys.stderr)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, range(count)))


def report(framework: str, into: Path) -> None:
    sweep = [sys.executable, "-m", "scram_plugin", "sweep", str(into)]
    print(f"\n## {framework}\n", flush=True)
    print(subprocess.run(sweep, cwd=ROOT, capture_output=True, text=True).stdout)
    import scram_plugin

    values: dict[str, list[tuple[Any, float]]] = defaultdict(list)
    for review in scram_plugin.review(into):
        told = drawn(framework, int(review.name.split("_")[1].split("/")[0]))
        if review.score is not None:
            for name, value in told.items():
                values[name].append((value, review.score.best))
    for name, pairs in values.items():
        given, best = [value for value, _ in pairs], np.array([best for _, best in pairs])
        if len(set(given)) > 6:
            ranks = [np.argsort(np.argsort(x)) for x in (np.array(given, float), best)]
            print(f"  {name}: rank correlation {np.corrcoef(*ranks)[0, 1]:.2f}")
        else:
            groups = {value: [b for g, b in pairs if g == value] for value in sorted(set(given), key=str)}
            told = ", ".join(f"{value}: {np.median(of):.3f} ({len(of)})" for value, of in groups.items())
            print(f"  {name}: {told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, help="where the logs are kept (default: nowhere)")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--only", nargs="+", choices=FRAMEWORKS, default=FRAMEWORKS)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        framework, number, log_dir = asked.one
        told = drawn(framework, int(number))
        print(json.dumps(told))
        RUNS[framework](told, Path(log_dir))
        return
    print(f"state {state()}")
    into = asked.into or Path(tempfile.mkdtemp())
    for framework in asked.only:
        if framework == "transformers" and not REVIEWS.exists():
            print(f"{REVIEWS} is not there: the sweep of the Trainer is left out", file=sys.stderr)
            continue
        train_all(framework, asked.runs, into / framework)
        report(framework, into / framework)


if __name__ == "__main__":
    main()
