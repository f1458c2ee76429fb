# Teaching a GRU to write tiny fairy tales, one character at a time.
# Truncated backprop through time: the text is cut into parallel streams, and the
# hidden state is carried from one chunk to the next (but detached).
import math
import random
import torch
import torch.nn as nn

torch.set_num_threads(1)
random.seed(42)
torch.manual_seed(42)

# --- the "book" ---------------------------------------------------------
WHO = ["the king", "a witch", "the young fox", "an old miller", "the princess", "a hungry wolf"]
DID = ["found", "lost", "stole", "wanted", "painted", "sold"]
WHAT = ["a golden ring", "the red boat", "some bread", "a silver key", "the mirror"]
WHERE = ["in the forest", "near the river", "under the bridge", "at home"]


def sentence():
    s = f"{random.choice(WHO)} {random.choice(DID)} {random.choice(WHAT)}"
    if random.random() < 0.6:
        s += " " + random.choice(WHERE)
    return s + random.choice([". ", ". ", "! "])


def book(n):
    return "".join(sentence() for _ in range(n))


train_text, valid_text = book(1500), book(150)
chars = sorted(set(train_text + valid_text))
stoi = {c: i for i, c in enumerate(chars)}
V = len(chars)
print(f"{len(train_text)} training characters, vocabulary {V}, uniform loss {math.log(V):.3f}")


def streams(text, batch):
    """-> (batch, length) with each row a contiguous piece of the text"""
    t = torch.tensor([stoi[c] for c in text])
    n = len(t) // batch
    return t[: n * batch].view(batch, n)


class CharGRU(nn.Module):
    def __init__(self, vocab, emb=24, hidden=96):
        super().__init__()
        self.emb = nn.Embedding(vocab, emb)
        self.gru = nn.GRU(emb, hidden, batch_first=True)
        self.out = nn.Linear(hidden, vocab)
        self.reset_parameters()

    def reset_parameters(self):
        nn.init.uniform_(self.emb.weight, -0.1, 0.1)
        for name, p in self.gru.named_parameters():
            if "weight_hh" in name:
                for w in p.data.chunk(3, 0):
                    nn.init.orthogonal_(w)
            elif "weight_ih" in name:
                nn.init.xavier_uniform_(p)
            else:
                nn.init.zeros_(p)

    def forward(self, x, h=None):
        y, h = self.gru(self.emb(x), h)
        return self.out(y), h


BATCH, SEQ, EPOCHS = 32, 40, 6
train_data, valid_data = streams(train_text, BATCH), streams(valid_text, 8)
rnn = CharGRU(V)
opt = torch.optim.RMSprop(rnn.parameters(), lr=3e-3, alpha=0.95)
sched = torch.optim.lr_scheduler.ExponentialLR(opt, gamma=0.7)
xent = nn.CrossEntropyLoss()


def chunks(data):
    for i in range(0, data.size(1) - 1, SEQ):
        n = min(SEQ, data.size(1) - 1 - i)
        yield data[:, i:i + n], data[:, i + 1:i + 1 + n]


def validate():
    rnn.eval()
    h, total, count = None, 0.0, 0
    with torch.no_grad():
        for x, y in chunks(valid_data):
            logits, h = rnn(x, h)
            total += xent(logits.reshape(-1, V), y.reshape(-1)).item() * y.numel()
            count += y.numel()
    return total / count


def sample(prompt="the king ", n=120, temp=0.7):
    rnn.eval()
    out = prompt
    with torch.no_grad():
        logits, h = rnn(torch.tensor([[stoi[c] for c in prompt]]))
        for _ in range(n):
            p = torch.softmax(logits[0, -1] / temp, -1)
            c = torch.multinomial(p, 1)
            out += chars[c.item()]
            logits, h = rnn(c.view(1, 1), h)
    return out


step = 0
# WATCH(rnn, opt)
for epoch in range(EPOCHS):
    rnn.train()
    hidden = None
    run = []
    for x, y in chunks(train_data):
        if hidden is not None:
            hidden = hidden.detach()
        logits, hidden = rnn(x, hidden)
        loss = xent(logits.reshape(-1, V), y.reshape(-1))
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(rnn.parameters(), 1.0)
        opt.step()
        run.append(loss.item())
        step += 1
    sched.step()
    v = validate()
    print(f"epoch {epoch + 1}  step {step}  train {sum(run) / len(run):.3f}  valid {v:.3f}  ({v / math.log(2):.2f} bits/char)")
    print("   >", sample())
print(f"RESULT {v:.4f} lower")
