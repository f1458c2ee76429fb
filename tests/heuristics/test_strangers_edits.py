"""Edits of single lines that are wrong by themselves, in the styles in which strangers write them."""

import numpy as np
import pytest

from scram_plugin.heuristics import edits
from tests.heuristics.edited import changed, facts

MODULE = """\
import torch.nn.functional as F
from torch import nn
class Net(nn.Module):
    def forward({this}, x):
        return {this}.out({call})
"""


@pytest.mark.parametrize("call", ["model.eval", "self.netD.zero_grad", "optimizer.step", "loss.backward"])
def test_a_method_that_is_named_and_not_called(call):
    known = facts(f"for x in loader:\n    {call}\n    model.train()\n", framework="torch")
    (line,) = edits.uncalled(known)
    assert (line.text, line.line) == (call, 2)
    assert changed(known, line.edit) == [f"-     {call}", f"+     {call}()"]


@pytest.mark.parametrize(
    "text", ["model.eval()", "step = optimizer.step", "print(model.train)", "model.weight", "x = [model.eval]"]
)
def test_what_is_called_or_handed_on(text):
    assert list(edits.uncalled(facts(f"{text}\n", framework="torch"))) == []


@pytest.mark.parametrize(
    ("this", "before", "after"),
    [
        ("self", "F.dropout(x, 0.5)", "F.dropout(x, 0.5, training=self.training)"),
        ("s", "F.dropout(s.h(x), p=s.p)", "F.dropout(s.h(x), p=s.p, training=s.training)"),
        ("self", "nn.functional.dropout(x)", "nn.functional.dropout(x, training=self.training)"),
    ],
)
def test_dropout_that_is_never_off(this, before, after):
    known = facts(MODULE.format(this=this, call=before), framework="torch")
    (line,) = edits.always_dropping(known)
    assert changed(known, line.edit) == [f"-         return {this}.out({before})", f"+         return {this}.out({after})"]


@pytest.mark.parametrize(
    "call",
    [
        "F.dropout(x, 0.5, self.training)",
        "F.dropout(x, 0.5, training=self.training)",
        "F.dropout(x, 0.5, training=True)",  # meant, to measure how uncertain it is
        "F.dropout(x, **self.settings)",
        "self.dropout(x)",
        "dropout(x)",
        "F.dropout(x, 0.5 if self.training else 0.0)",
        "(F.dropout(x, 0.5) if self.training else x)",
        "block(lambda h: F.dropout(h, 0.5))",
    ],
)
def test_dropout_that_knows_the_mode(call):
    assert list(edits.always_dropping(facts(MODULE.format(this="self", call=call), framework="torch"))) == []


@pytest.mark.parametrize(
    "text",
    [
        "class Augment:\n    def __call__(self, x):\n        return F.dropout(x, 0.5)\n",
        "class Net(nn.Module):\n    @staticmethod\n    def noisy(x):\n        return F.dropout(x, 0.5)\n",
        "class Net(nn.Module):\n    def predict_mc(self, x):\n        return F.dropout(x, 0.5)\n",
        "class MCNet(nn.Module):\n    def forward(self, x):\n        return F.dropout(x, 0.5)\n",
        "class Net(nn.Module):\n    def forward(self, x):\n        if self.training:\n            x = F.dropout(x, 0.5)\n",
        "def augment(x):\n    return F.dropout(x, 0.5)\n",
    ],
)
def test_dropout_of_others_is_left_alone(text):
    whole = f"import torch.nn.functional as F\nfrom torch import nn\n{text}"
    assert list(edits.always_dropping(facts(whole, framework="torch"))) == []


SAMPLED = """\
from torch.distributions import Normal, kl_divergence
def elbo(x):
    q = encode(x)
    z = q.{drawn}()
    return error(decode(z), x) + kl_divergence(q, prior).sum()
"""


def test_a_sample_without_a_gradient():
    known = facts(SAMPLED.format(drawn="sample"), framework="torch")
    (line,) = edits.not_reparameterised(known)
    assert changed(known, line.edit) == ["-     z = q.sample()", "+     z = q.rsample()"]


BY_HAND = """\
class VAE(nn.Module):
    def forward(self, x):
        mu, logvar = self.encode(x)
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        z = {z}
        kld = {kld}
        return self.decode(z), kld
"""
KLD = "-0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())"


@pytest.mark.parametrize("kld", [KLD, "0.5 * (mu ** 2 + logvar.exp() - 1.0 - logvar).sum(1).mean()"])
@pytest.mark.parametrize(
    ("z", "after"),
    [
        ("mu.data + eps * std.data", "mu + eps * std"),
        ("eps * std.detach() + mu.detach()", "eps * std + mu"),
        ("mu.detach() + std * torch.randn_like(std)", "mu + std * torch.randn_like(std)"),
    ],
)
def test_a_sample_by_hand_that_is_cut_off(z, after, kld):
    known = facts(BY_HAND.format(z=z, kld=kld), framework="torch")
    (line,) = edits.not_reparameterised(known)
    assert changed(known, line.edit) == [f"-         z = {z}", f"+         z = {after}"]


@pytest.mark.parametrize(
    "text",
    [
        BY_HAND.format(z="mu + eps * std", kld=KLD),
        BY_HAND.format(z="mu + eps * std", kld=KLD) + "seen = x_rec.detach() + 0.05 * torch.randn_like(x_rec)\n",
        BY_HAND.format(z="mu + eps * std", kld=KLD) + "w.data = w.data + 0.01 * torch.randn_like(w)\n",
        BY_HAND.format(z="mu + eps * std", kld=KLD) + "made = mu.detach() + torch.randn(8) * std.detach()\n",
        BY_HAND.format(z="(mu.data + eps * std).detach()", kld=KLD),
        BY_HAND.format(z="mu.data + eps * std", kld="0.0"),  # no divergence is written out
        BY_HAND.format(z="mu.data + std", kld=KLD),  # no noise
        BY_HAND.format(z="mu.data + eps * std", kld=KLD) + "score = q.log_prob(z)\n",
        BY_HAND.format(z="mu + eps * std", kld=KLD) + "with torch.no_grad():\n    made = mu.data + eps * std\n",
        SAMPLED.format(drawn="rsample"),
        SAMPLED.format(drawn="sample").replace("def elbo", "@torch.no_grad()\ndef elbo"),
        SAMPLED.format(drawn="sample") + "score = q.log_prob(z)\n",  # the gradient of a policy
        "prior = Normal(0, 1)\nz = prior.sample()\n",
        SAMPLED.format(drawn="rsample") + "with torch.no_grad():\n    made = q.sample()\n",
        SAMPLED.format(drawn="rsample") + "made = prior.sample()\n",
        SAMPLED.format(drawn="sample").replace("q = encode(x)", "q = OneHotCategorical(logits=encode(x))"),
        SAMPLED.format(drawn="sample").replace("q.sample()", "q.sample().detach()"),
    ],
)
def test_samples_that_need_no_gradient(text):
    assert list(edits.not_reparameterised(facts(text, framework="torch"))) == []


@pytest.mark.parametrize(
    ("function", "after"),
    [
        ("lambda e: 0.05 * 0.9**e", "lambda e: 0.9**e"),
        ("lambda e: args.lr * args.decay**e", None),
        ("lambda e: 0.9**e", None),
        ("factor", None),
        ("lambda e: 0.05 if e < 5 else 0.05 * 0.1", None),
        ("lambda e: 0.01 + 0.05 * e", None),
        ("lambda e: max(1e-4, 0.05 * 0.9**e)", None),
        ("lambda e: 0.05 * (0.05 + e)", None),
    ],
)
def test_a_rate_in_the_function_of_a_factor(function, after):
    line = f"s = LambdaLR(opt, lr_lambda={function})"
    known = facts(f"from torch.optim.lr_scheduler import LambdaLR\nopt = SGD(p, lr=0.05)\n{line}\n", framework="torch")
    edit = edits.give_factor(known)
    assert edit is None if after is None else changed(known, edit) == [f"- {line}", f"+ s = LambdaLR(opt, lr_lambda={after})"]


@pytest.mark.parametrize(
    ("values", "after"),
    [
        (("lr * (u + 1) / warm", "0.5 * lr * (1 + u)"), ("(u + 1) / warm", "0.5 * (1 + u)")),
        (("lr", "0.5 * lr"), None),
        (("u / warm", "0.5 * lr"), None),
        (("lr / warm", "0.5 * lr"), None),
        (("warm / (lr * u)", "0.5 * lr"), None),
        (("-(lr * u)", "0.5 * lr"), None),
    ],
)
def test_a_rate_in_each_value_of_a_function(values, after):
    head = "from torch.optim.lr_scheduler import LambdaLR\nlr, warm = 0.05, 9\ndef f(u):\n    if u < warm:\n"
    text = head + "        return {}\n    return {}\n" + "opt = SGD(p, lr=lr)\ns = LambdaLR(opt, f)\n"
    known = facts(text.format(*values), framework="torch")
    edit = edits.give_factor(known)
    if after is None:
        assert edit is None
    else:
        assert [line[2:].strip() for line in changed(known, edit) if line[0] == "+"] == [f"return {a}" for a in after]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("F.kl_div(F.softmax(s, 1), t)", "F.kl_div(F.log_softmax(s, 1), t)"),
        ("F.kl_div(torch.softmax(s, dim=1), t)", "F.kl_div(torch.log_softmax(s, dim=1), t)"),
        ("F.nll_loss(s.softmax(1), t)", "F.nll_loss(s.log_softmax(1), t)"),
    ],
)
def test_logarithms_for_a_loss_that_needs_them(before, after):
    known = facts(f"import torch\nimport torch.nn.functional as F\nloss = {before}\n", framework="torch")
    assert changed(known, edits.take_logarithms(known)) == [f"- loss = {before}", f"+ loss = {after}"]


def test_the_name_of_what_is_compared_is_followed():
    known = facts("import torch.nn.functional as F\np = F.softmax(s, 1)\nloss = F.kl_div(p, t)\n", framework="torch")
    assert changed(known, edits.take_logarithms(known)) == ["- p = F.softmax(s, 1)", "+ p = F.log_softmax(s, 1)"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("BATCH = 64\n", True),
        ("epochs, batch_size, lr = 5, 64, 0.1\n", True),
        ("validation = loader(data, batch_size=64)\n", False),
        ("log_every_batches = 64\n", False),
        ("train_batch_size = 64\n", True),
        ("BS = 64\n", True),
        ("cfg.batch = 64\n", True),
        ("hidden = 64\n", False),
        ("batch_size = 32\n", False),
        ("absorb = 64\n", False),
    ],
)
def test_a_batch_size_by_its_name(text, named):
    assert edits.names_batch_size(facts(text, framework="torch"), 64) == named


@pytest.mark.parametrize(
    ("edit", "before", "after"),
    [
        (edits.softmax_over_channels, "torch.softmax(s, dim=-1)", "torch.softmax(s, dim=1)"),
        (edits.softmax_over_channels, "F.log_softmax(s, 3)", "F.log_softmax(s, 1)"),
        (edits.softmax_over_tokens, "s.log_softmax(1)", "s.log_softmax(-1)"),
        (edits.softmax_over_tokens, "F.log_softmax(s, dim=1)", "F.log_softmax(s, dim=-1)"),
        (edits.normalize_examples, "F.normalize(s, dim=0)", "F.normalize(s, dim=-1)"),
        (edits.normalize_examples, "F.normalize(s, 2, 0)", "F.normalize(s, 2, -1)"),
        (edits.softmax_over_channels, "torch.softmax(s, dim=1)", None),
        (edits.softmax_over_tokens, "torch.softmax(s, dim=1)", None),
        (edits.softmax_over_channels, "torch.softmax(s, dim=axis)", None),
        (edits.normalize_examples, "F.normalize(s)", None),
        (edits.permute_pictures, "x.reshape(3, SIZE, SIZE)", "x.reshape(SIZE, SIZE, 3).swapaxes(1, 2).swapaxes(0, 1)"),
        (edits.permute_pictures, "x.view(-1, 3, h, w)", "x.view(-1, h, w, 3).swapaxes(2, 3).swapaxes(1, 2)"),
        (edits.permute_pictures, "x.view(-1, 3 * 4)", None),
        (edits.permute_pictures, "x.view(h, w, 3)", None),
        (edits.permute_pictures, "x.view(3, 3, 3)", None),
        (edits.divide_pixels, "torch.from_numpy(img // 255).float()", "torch.from_numpy(img / 255).float()"),
        (edits.divide_pixels, "mask // 255", None),
        (edits.divide_pixels, "img // 16", None),
    ],
)
def test_another_expression(edit, before, after):
    known = facts(f"import torch\nimport torch.nn.functional as F\np = {before}\n", framework="torch")
    found = edit(known)
    assert found is None if after is None else changed(known, found) == [f"- p = {before}", f"+ p = {after}"]


def test_channels_first_as_permute_does_it():
    x = np.arange(2 * 5 * 4 * 3).reshape(2, 5, 4, 3)
    assert np.array_equal(x[0].swapaxes(1, 2).swapaxes(0, 1), x[0].transpose(2, 0, 1))
    assert np.array_equal(x.swapaxes(2, 3).swapaxes(1, 2), x.transpose(0, 3, 1, 2))


def test_two_such_calls_are_left_alone():
    text = "import torch\np = torch.softmax(s, dim=-1)\nq = torch.softmax(t, dim=-1)\n"
    assert edits.softmax_over_channels(facts(text, framework="torch")) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('F.mse_loss(h, t, reduction="sum")', 'F.mse_loss(h, t, reduction="mean")'),
        ('F.kl_div(p, q, reduction="sum")', 'F.kl_div(p, q, reduction="batchmean")'),
        ('nn.BCELoss(reduction="sum")(p, y)', 'nn.BCELoss(reduction="mean")(p, y)'),
        ("F.mse_loss(h, t, reduction=how)", None),
        ("F.mse_loss(h, t)", None),
        ("(h - t).pow(2).sum()", None),
    ],
)
def test_a_mean_in_place_of_a_sum(before, after):
    known = facts(f"import torch.nn.functional as F\nfrom torch import nn\nerror = {before}\n", framework="torch")
    found = edits.average_errors(known)
    assert found is None if after is None else changed(known, found) == [f"- error = {before}", f"+ error = {after}"]


@pytest.mark.parametrize(
    "text", ["try:\n    model.eval\nexcept AttributeError:\n    pass\n", "class Config:\n    eval = True\n    settings.train\n"]
)
def test_a_method_that_is_only_asked_for(text):
    assert list(edits.uncalled(facts(text, framework="torch"))) == []


def test_probabilities_that_others_read_stay_probabilities():
    text = "import torch.nn.functional as F\np = F.softmax(s, 1)\nloss = F.nll_loss(p, t)\nsure = p.max(1)\n"
    assert edits.take_logarithms(facts(text, framework="torch")) is None


AFTER_FIT = """\
net = Net()
trainer = L.Trainer(max_epochs=3)
trainer.fit(net, loader)
{behind}
"""
NORMED = {"model": {"layers": [{"class": "Linear"}, {"class": "BatchNorm1d"}]}, "trainer": "lightning", "framework": "torch"}


@pytest.mark.parametrize(
    "behind", ["p = net(x)", "p = torch.cat([net(b) for b in x.split(10)])", "with torch.no_grad():\n    p = net(x)"]
)
def test_predictions_behind_fit(behind):
    known = facts(AFTER_FIT.format(behind=behind), **NORMED)
    line = next(edits.predicts_in_training(known))
    assert changed(known, line.edit) == ["+ net.eval()"]


@pytest.mark.parametrize(
    ("behind", "more"),
    [
        ("net.eval()\np = net(x)", {}),
        ("net.train(False)\np = net(x)", {}),
        ("net = torch.load(path)\np = net(x)", {}),
        ("p = torch.stack([net(x) for _ in range(100)]).std(0)", {}),
        ("trainer.test(net, loader)", {}),
        ("p = net(x)", {"model": {"layers": [{"class": "Linear"}]}}),
        ("p = net(x)", {"trainer": None}),
        ("def late():\n    return net(x)", {}),
    ],
)
def test_what_is_no_prediction_in_training_mode(behind, more):
    assert list(edits.predicts_in_training(facts(AFTER_FIT.format(behind=behind), **{**NORMED, **more}))) == []


NORMAL = """\
import torch
from torch.distributions import Normal
class VAE(torch.nn.Module):
    def forward(self, x):
        mu, logvar = self.encoder(x)
        std = torch.exp(0.5 * logvar)
        z = SAMPLE
        return self.decoder(z), mu, logvar
def divergence(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
"""


def test_a_sample_beside_a_divergence_by_hand():
    known = facts(NORMAL.replace("SAMPLE", "Normal(mu, std).sample()"), framework="torch")
    (line,) = edits.not_reparameterised(known)
    assert changed(known, line.edit) == ["-         z = Normal(mu, std).sample()", "+         z = Normal(mu, std).rsample()"]


@pytest.mark.parametrize(
    "sample", ["Normal(mu, std).rsample()", "Normal(zero, one).sample() * std + mu", "Normal(a, b).sample()"]
)
def test_other_samples_beside_a_divergence(sample):
    assert list(edits.not_reparameterised(facts(NORMAL.replace("SAMPLE", sample), framework="torch"))) == []


OWN = NORMAL.replace("SAMPLE", "mu + std * torch.randn_like(std)")
TRIED = "        z = Normal(mu, std).sample()\n"


@pytest.mark.parametrize(
    "text",
    [
        OWN + "def generate(mu, std):\n    return Normal(mu, std).sample()\n",
        NORMAL.replace("SAMPLE", "mu") + "def generate(mu, std):\n    return Normal(mu, std).sample()\n",
        NORMAL.replace("        z = SAMPLE\n", "        z = mu\n        if not self.training:\n    " + TRIED),
    ],
)
def test_samples_that_train_nothing(text):
    assert list(edits.not_reparameterised(facts(text, framework="torch"))) == []


TWO = (
    "opt_g = torch.optim.Adam(gen.parameters(), 1e-3)\nopt_d = torch.optim.Adam(list(dis.parameters()), 1e-3)\n"
    "for x in data:\n    {0}\n    loss_d = d(x)\n    loss_d.backward()\n    opt_d.step()\n"
    "    opt_g.zero_grad()\n    loss_g = g(x)\n    loss_g.backward()\n    opt_g.step()\n"
)


def test_one_of_two_optimizers_whose_gradients_are_never_cleared():
    known = facts("import torch\n" + TWO.format("pass"), framework="torch")
    owner, edit = edits.never_cleared(known)
    assert owner == "opt_d"
    assert changed(known, edit) == ["+     opt_d.zero_grad()"]


@pytest.mark.parametrize(
    "clear",
    [
        "opt_d.zero_grad()",
        "dis.zero_grad(set_to_none=True)",
        "net.zero_grad()",  # whatever that is
        "for o in (opt_g, opt_d): o.zero_grad()",
        "for p in dis.parameters(): p.grad = None",
    ],
)
def test_optimizers_whose_gradients_are_cleared(clear):
    assert edits.never_cleared(facts("import torch\n" + TWO.format(clear), framework="torch")) is None


BY_METHOD = (
    "model = Speller()\nfor epoch in range(9):\n    model.train()\n    loss = model(x)\n    loss.backward()\n"
    "@torch.no_grad()\ndef exact(model, rows):\n{}    return model.{}(rows)\n"
)
DROPPED = {"loop": {"modal": ["Dropout"]}}


def test_an_evaluation_by_a_method_without_a_switch():
    (line,) = edits.decodes_in_training(facts(BY_METHOD.format("", "greedy"), **DROPPED))
    assert (line.text, line.line) == ("model.greedy(rows)", 8)
    block = "model.train()\nwith torch.inference_mode():\n    out = model.translate(x)\n"
    assert [one.line for one in edits.decodes_in_training(facts(block, **DROPPED))] == [3]


@pytest.mark.parametrize(
    ("text", "more"),
    [
        (BY_METHOD.format("    model.eval()\n", "greedy"), DROPPED),
        (BY_METHOD.format("    model.train(False)\n", "greedy"), DROPPED),
        (BY_METHOD.format("", "parameters"), DROPPED),
        (BY_METHOD.format("", "greedy").replace("@torch.no_grad()\n", ""), DROPPED),
        (BY_METHOD.format("    # mc_dropout\n", "greedy"), DROPPED),
        (BY_METHOD.format("", "greedy"), {"loop": {"modal": ["BatchNorm1d"]}}),
        (BY_METHOD.format("", "greedy"), {"loop": {"modal": ["Dropout"], "evaluations": 3}}),
        (BY_METHOD.format("", "greedy").replace("    model.train()\n", "    other.train()\n"), DROPPED),
        ("model.train()\nwith torch.no_grad():\n    model.normalise(x)\n", DROPPED),  # it changes the model
    ],
)
def test_an_evaluation_by_a_method_that_is_right_or_not_sure(text, more):
    assert list(edits.decodes_in_training(facts(text, **more))) == []
