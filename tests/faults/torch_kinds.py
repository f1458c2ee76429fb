"""Kinds of faults in programs that use PyTorch, Lightning or transformers; see `kinds.py`.

What PyTorch refuses with a clear error in the first step is no silent fault and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from tests.faults.forms import Files
from tests.faults.kinds import CLASSES, NUMBERS, SHARED, TWO, Change, Kind, Place, behind, both, either, every, first, with_data


def _made(lines: Callable[[Place], Sequence[str]]) -> Change:
    """Statements where the model has been made."""

    def change(place: Place) -> Files | None:
        made = place.program.made
        return None if made is None else behind(place.files, made.file, made.line, lines(place))

    return change


def _hidden(place: Place) -> str:
    made = place.program.made
    assert made is not None
    return str(place.rng.choice(made.hidden))


def _init(function: Callable[[np.random.Generator], str], which: str = "weight") -> Change:
    """Weights of one hidden layer that are set by hand."""
    return _made(lambda place: [f"torch.nn.init.{function(place.rng).format(f'{_hidden(place)}.{which}')}"])


def _frozen(place: Place) -> list[str]:
    assert place.program.made is not None
    return [f"{name}.requires_grad_(False)" for name in place.program.made.hidden]


def _output(module: str, function: str) -> Change:
    """A function of what the last layer gives, in the ways in which models are written."""
    return first(
        (r"^(    nn\.Linear\(64, 10\),\n)", rf"\1    nn.{module},\n"),
        (r"^( *return )(self\.out\([hx]\))$", rf"\1{function}"),
        (r"^( *return )(self\.head\(self\.dropout\(h\)\))$", rf"\1{function}"),
        (r"^( *)(layers\.append\()nn\.Linear\(n_hidden, n_classes\)\)\n", rf"\g<0>\1\2nn.{module})\n"),
    )


def _sorted(place: Place) -> list[str]:
    data = place.program.data
    assert data is not None
    return [f"by_label = {data.y}.argsort()", f"{data.x}, {data.y} = {data.x}[by_label], {data.y}[by_label]"]


def _deep(rng: np.random.Generator, match: re.Match[str]) -> str:
    return match[0] + match[0].replace("ReLU", "Sigmoid") * int(rng.integers(6, 10))


def _penalty(place: Place) -> Files | None:
    factor = f"{place.rng.uniform(0.5, 3):.1f}"
    return first(
        (r"(\bweight_decay(?:: float)?\s?=\s?)[\d.e-]+", rf"\g<1>{factor}"),
        (r"(\"--weight-decay\", type=float, default=)[\d.e-]+", rf"\g<1>{factor}"),
        (r"(\b(?:Adam|Adadelta|RMSprop)\([\w.]+\.parameters\(\), [^\n]*?)\)$", rf"\1, weight_decay={factor})"),
    )(place)


def _last(place: Place) -> str:
    made = place.program.made
    assert made is not None
    name = made.last
    if name.startswith("self."):  # in Lightning, the optimizer is made in the module, too
        return name
    return name.replace("trainer.", "self.")


NO_GRADIENT = ("untrained-parameters", "training-loop/no-step", "no-learning/frozen", "frozen-weights")
SOFTMAX = {"module": "Softmax(dim=1)", "function": r"torch.softmax(\2, dim=1)"}
KINDS = (
    *SHARED,
    Kind(
        "softmax over one unit",
        "One output with softmax is 1 for every input.",
        ("output-activation-mismatch/one-unit-softmax",),
        first((r"torch\.sigmoid\((self\.out\(x\))\)", r"torch.softmax(\1, dim=1)")),
        TWO,
    ),
    Kind(
        "outputs as they are",
        "The loss expects probabilities or their logarithms, and gets the outputs of a linear layer.",
        ("output-activation-mismatch/missing-softmax", "output-activation-mismatch/missing-sigmoid"),
        either(
            first((r"F\.log_softmax\(x, dim=1\)", "x")),
            first((r"nn\.CrossEntropyLoss\(\)", "nn.NLLLoss()")),
            first((r"torch\.sigmoid\((self\.out\(x\))\)", r"\1")),
            first((r"BCEWithLogitsLoss", "BCELoss")),
        ),
        (*CLASSES, *TWO),
    ),
    Kind(
        "softmax twice",
        "The model ends with softmax, and the loss applies it again.",
        ("output-activation-mismatch/twice",),
        _output(SOFTMAX["module"], SOFTMAX["function"]),
        CLASSES,
    ),
    Kind(
        "sigmoid twice",
        "The model ends with sigmoid, and the loss applies it again.",
        ("output-activation-mismatch/twice",),
        first((r"(return self\.head\(self\.body\(x\)\)\.squeeze\(-1\))", r"\1.sigmoid()")),
        TWO,
    ),
    Kind(
        "sigmoid for classes",
        "The classes exclude one another, and the model ends with sigmoid.",
        ("output-activation-mismatch/sigmoid-for-classes", "output-activation-mismatch"),
        _output("Sigmoid()", r"torch.sigmoid(\2)"),
        CLASSES,
    ),
    Kind(
        "ReLU on the logits",
        "The model ends with ReLU, so no output is below 0.",
        ("output-activation-mismatch/cut-logits",),
        _output("ReLU()", r"torch.relu(\2)"),
        CLASSES,
    ),
    Kind(
        "probabilities without their logarithms",
        "NLLLoss expects logarithms of probabilities.",
        ("output-activation-mismatch/no-logarithm",),
        either(
            first((r"F\.log_softmax\(x, dim=1\)", "F.softmax(x, dim=1)")),
            both(_output(SOFTMAX["module"], SOFTMAX["function"]), first((r"nn\.CrossEntropyLoss\(\)", "nn.NLLLoss()"))),
        ),
        CLASSES,
    ),
    Kind(
        "softmax over the batch",
        "Softmax is taken over the examples of a batch, not over the classes.",
        ("mixed-axes/softmax-over-batch", "mixed-samples"),
        first((r"F\.log_softmax\(x, dim=1\)", "F.log_softmax(x, dim=0)")),
        CLASSES,
    ),
    Kind(
        "output cut off",
        "The targets lie on both sides of 0, the output between 0 and 1.",
        ("output-activation-mismatch/range",),
        _output("Sigmoid()", r"torch.sigmoid(\2)"),
        NUMBERS,
    ),
    Kind(
        "targets stretched",
        "Outputs have a column, targets have none, so each is compared with all.",
        ("label-range/broadcast",),
        first((r"(from_numpy\(y\)\.float\(\))\.unsqueeze\(1\)", r"\1")),
        NUMBERS,
    ),
    Kind(
        "no activations",
        "The hidden layers have no activation, so the model is linear.",
        ("missing-activation",),
        every(
            (r"^ *nn\.ReLU\(\),\n", ""),
            (r"^ *layers\.append\(nn\.ReLU\(\)\)\n", ""),
            (r"^ *x = F\.relu\(x\)\n", ""),
            (r"(?:F\.relu|torch\.relu|self\.relu|self\.act\d)\((self\.\w+\((?:self\.norm\(x\)|\w+)\))\)", r"\1"),
        ),
    ),
    Kind(
        "deep with sigmoid",
        "Many layers with sigmoid, through which hardly any gradient passes.",
        ("vanishing-gradients/activation", "vanishing-gradients"),
        first(
            (r"^ *nn\.Linear\(64, 64\),\n *nn\.ReLU\(\),\n(?=    nn\.Linear\(64, 10)", _deep),
            (r"^ *layers\.append\(nn\.Linear\(n_hidden, n_hidden\)\)\n *layers\.append\(nn\.ReLU\(\)\)\n", _deep),
        ),
    ),
    Kind(
        "constant weights",
        "All weights of a layer begin with the same value.",
        ("poor-initialization/same",),
        _init(lambda rng: f"{rng.choice(['ones_', 'zeros_'])}({{}})"),
    ),
    Kind(
        "large weights",
        "The weights of a layer begin far too large.",
        ("poor-initialization/large",),
        either(
            _init(lambda rng: f"normal_({{}}, std={rng.uniform(2, 8):.1f})"),
            first((r"^( *)num_labels=2,\n", r"\g<0>\1initializer_range=3.0,\n")),
        ),
    ),
    Kind(
        "tiny weights",
        "The weights of a layer begin far too small.",
        ("poor-initialization/small",),
        _init(lambda rng: f"normal_({{}}, std={10 ** rng.uniform(-6, -4):.1g})"),
    ),
    Kind(
        "biases far below 0",
        "The biases of a layer begin so low that no unit is ever active.",
        ("dead-relu/start",),
        _init(lambda rng: f"constant_({{}}, -{rng.uniform(8, 30):.0f})", "bias"),
    ),
    Kind(
        "hidden layers frozen",
        "The hidden layers were set to be not trainable, with random weights.",
        NO_GRADIENT,
        either(
            _made(_frozen),
            first((r"^model = BertFor.*\n", r"\g<0>for p in model.bert.parameters():\n    p.requires_grad = False\n")),
        ),
    ),
    Kind(
        "layers in a plain list",
        "The layers are in a list that PyTorch does not know, so the optimizer does not have them.",
        ("untrained-parameters/plain-list",),
        first((r"nn\.ModuleList\((\[.*\])\)", r"\1")),
    ),
    Kind(
        "only the last layer in the optimizer",
        "The optimizer was given the parameters of the last layer only.",
        ("untrained-parameters",),
        lambda place: (
            first(
                (
                    r"(\b(?:Adam|AdamW|RMSprop|Adadelta|SGD)\(\s*)(?:self\.)?\w+\.parameters\(\)",
                    rf"\g<1>{_last(place)}.parameters()",
                ),
            )(place)
            if place.program.made
            else None
        ),
    ),
    Kind(
        "cut off from its loss",
        "A `detach` keeps the gradient from the layers before it.",
        ("untrained-parameters/cut-off", "no-gradient/cut"),
        first(
            (r"self\.head\(self\.body\(x\)\)", "self.head(self.body(x).detach())"),
            (r"h = self\.encoder\(x\)", "h = self.encoder(x).detach()"),
            (r"last = states\[:, -1\]", "last = states[:, -1].detach()"),
            (r"x = self\.act1\(self\.fc1\(x\)\)", "x = self.act1(self.fc1(x)).detach()"),
            (r"torch\.flatten\(x, 1\)", "torch.flatten(x, 1).detach()"),
        ),
    ),
    Kind(
        "sorted and not shuffled",
        "The training data are sorted by their label, and not shuffled.",
        ("unshuffled-data",),
        both(with_data(_sorted, whole=False), first((r", shuffle=True", ""))),
    ),
    Kind(
        "targets in their unit",
        "The targets are large numbers: they were not scaled.",
        ("unnormalized-targets",),
        both(
            first((r"^x = x \* np\.array.*\n", r"\g<0>y = y * 1000  # in grams\n")),
            first((r"^y_train = \(y_train.*\ny_val = \(y_val.*\n", "")),
        ),
        NUMBERS,
    ),
    Kind("penalty far too strong", "The penalty on the weights outweighs the loss.", ("strong-regularization",), _penalty),
    Kind(
        "dropout behind the output",
        "Dropout sets outputs to 0 at random.",
        ("high-dropout/output",),
        first(
            (r"^(    nn\.Linear\(64, 10\),\n)", r"\1    nn.Dropout(0.4),\n"),
            (r"^( *return )(self\.out\(h\))$", r"\1self.dropout(\2)"),
            (r"^( *)(layers\.append\()nn\.Linear\(n_hidden, n_classes\)\)\n", r"\g<0>\1\2nn.Dropout(0.4))\n"),
        ),
    ),
    Kind(
        "gradients kept",
        "The gradients of all steps are added up.",
        ("kept-gradients",),
        first((r"^ *(?:self\.)?(?:optimizer|opt)\.zero_grad\(.*\)\n", "")),
    ),
    Kind(
        "no step",
        "The optimizer never steps.",
        ("training-loop/no-step", *NO_GRADIENT),
        first((r"^ *(?:self\.)?(?:optimizer|opt)\.step\(\)\n", "")),
    ),
    Kind(
        "never in evaluation mode",
        "The model is validated in training mode.",
        ("training-loop/never-eval",),
        first((r"^ *(?:self\.)?(?:model|net)\.eval\(\)\n", "")),
    ),
    Kind(
        "scheduler steps with every batch",
        "The scheduler is meant for epochs, and lowers the rate with every batch.",
        ("training-loop/per-batch", "learning-rate-schedule"),
        first(
            (r"^(            )(optimizer\.step\(\)\n)        (scheduler\.step\(\)\n)", r"\1\2\1\3"),
            (r"^(        )(opt\.step\(\)\n)    (sched\.step\(\)\n)", r"\1\2\1\3"),
        ),
    ),
    Kind(
        "batch first forgotten",
        "The recurrent layer takes the examples of a batch for steps of time.",
        ("mixed-samples", "mixed-axes"),
        first((r", batch_first=True", "")),
    ),
    Kind(
        "a warm-up that never ends",
        "The warm-up has more steps than the training.",
        ("learning-rate-schedule", "unconventional-learning-rate", "undertrained"),
        first((r"warmup_steps=20", "warmup_steps=200000")),
    ),
)
