"""The words that an edit may bring into a program: those of SCRAM's own templates, and no other.

What an edit inserts is made of the program's own text, of numbers, and of these words. A log may hold anything in the place of
a name; whatever is neither here nor in the program makes no edit. `Code.edit` asks this of every edit, and `fixing/patch.py`
once more of what is put on the disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

# Numbers, which are free; else words and single signs. What is spelled by an escape, as in "\\x41", is a word, too.
_PARTS = re.compile(r"\d[\d_.]*(?:e[+-]?\d+)?|([^\W\d]\w*|[^\w\s])")
_OF_TEMPLATES = """
import from as def return for in if else and or not with True False None self keras tensorflow tf torch nn functional F numpy
np lightning pytorch_lightning pytorch layers callbacks optimizers losses regularizers ops utils init random math Dense
Dropout Rescaling Normalization Activation ReLU LeakyReLU GELU ELU SiLU Tanh Sigmoid Softmax LogSoftmax Softplus BatchNorm1d
BatchNorm2d BatchNormalization Embedding ModuleList ModuleDict ParameterList ParameterDict Parameter Module Adam AdamW Adamax
Adagrad Adadelta Adafactor SGD RMSprop Nadam Ftrl Lion Lamb Muon BCELoss BCEWithLogitsLoss CrossEntropyLoss MSELoss NLLLoss
L1Loss binary_cross_entropy binary_cross_entropy_with_logits cross_entropy mse_loss nll_loss BinaryCrossentropy
CategoricalCrossentropy SparseCategoricalCrossentropy BinaryFocalCrossentropy CategoricalFocalCrossentropy binary_crossentropy
categorical_crossentropy sparse_categorical_crossentropy mean_squared_error mean_absolute_error mse mae squared_hinge hinge
relu sigmoid tanh softmax log_softmax gumbel_softmax gelu elu selu silu softplus linear dropout he_normal glorot_uniform zeros
kaiming_uniform_ zeros_ nonlinearity kernel_initializer bias_initializer L2 l2 activation axis dim rate momentum units
trainable mask_zero batch_first input_shape batch_input_shape offset learning_rate lr weight_decay clipnorm clip_grad_norm_
gradient_clip_val max_grad_norm betas eps epsilon adam_epsilon from_logits reduction batchmean mean sum none weight
class_weight shuffle validation_split batch_size epochs reset_states monitor mode min max patience factor min_delta
EarlyStopping restore_best_weights val_loss loss eval_loss metric_for_best_model greater_is_better scheduler interval epoch
step optimizer train eval no_grad zero_grad training backward detach item parameters rsample spread std order kept
normalization scaled shuffled adapt predict len int float list range all isfinite nan_to_num reshape unsqueeze transpose
swapaxes contiguous permute permutation randperm default_rng tensor float32 transform fit_transform new e
"""
WORDS = frozenset(_OF_TEMPLATES.split())
SIGNS = frozenset("\"'.,:()[]{}=+-*/%<>")


def is_known(new: str, own: Iterable[str]) -> bool:
    """Whether a new piece of a program has no words and signs but those of the program's `own` texts and of SCRAM's templates.

    Numbers are free.
    """
    return _parts(new) <= WORDS.union(SIGNS, *map(_parts, own))


@lru_cache(maxsize=64)  # a program has several files, and a review several edits of it
def _parts(text: str) -> frozenset[str]:
    return frozenset(_PARTS.findall(text)) - {""}
