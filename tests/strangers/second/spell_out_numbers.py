"""How do you say 4072?  An encoder-decoder in the old style: two GRUs, SGD with momentum, no attention.

The memory of my machine only holds small batches (I pretend), so gradients of several of them are summed up before a step.
"""
import torch
from torch import nn

torch.manual_seed(2014)

ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()


def say(n):
    if n < 20:
        return [ONES[n]]
    if n < 100:
        return [TENS[n // 10]] + ([ONES[n % 10]] if n % 10 else [])
    if n < 1000:
        return [ONES[n // 100], "hundred"] + (say(n % 100) if n % 100 else [])
    return say(n // 1000) + ["thousand"] + (say(n % 1000) if n % 1000 else [])


PAD, BOS, EOS = 0, 1, 2
WORDS = ["<pad>", "<s>", "</s>"] + ONES + TENS[2:] + ["hundred", "thousand"]
W2I = {w: i for i, w in enumerate(WORDS)}
LONGEST = 8


def tensors(numbers):
    src = torch.zeros(len(numbers), 4, dtype=torch.long)
    tgt = torch.zeros(len(numbers), LONGEST + 1, dtype=torch.long)
    for i, n in enumerate(numbers):
        src[i] = torch.tensor([int(c) for c in f"{n:04d}"])
        words = [BOS] + [W2I[w] for w in say(n)] + [EOS]
        tgt[i, :len(words)] = torch.tensor(words)
    return src, tgt


class Encoder(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.digit = nn.Embedding(10, 32)
        self.place = nn.Parameter(torch.randn(4, 32) * 0.5)
        self.rnn = nn.GRU(32, dim, batch_first=True)

    def forward(self, src):
        return self.rnn(self.digit(src) + self.place)[1]


class Decoder(nn.Module):
    def __init__(self, dim, p):
        super().__init__()
        self.word = nn.Embedding(len(WORDS), 32)
        self.rnn = nn.GRU(32, dim, batch_first=True)
        self.drop = nn.Dropout(p)
        self.out = nn.Linear(dim, len(WORDS))

    def forward(self, words, state):
        h, state = self.rnn(self.word(words), state)
        return self.out(self.drop(h)), state


class NumberSpeller(nn.Module):
    def __init__(self, dim=96, p=0.25):
        super().__init__()
        self.encoder = Encoder(dim)
        self.decoder = Decoder(dim, p)

    def forward(self, src, tgt_in):
        return self.decoder(tgt_in, self.encoder(src))[0]

    def greedy(self, src):
        state, word, said = self.encoder(src), torch.full((len(src), 1), BOS), []
        for _ in range(LONGEST):
            logits, state = self.decoder(word, state)
            word = logits.argmax(-1)
            said.append(word)
        return torch.cat(said, 1)


def exact(model, src, tgt):
    """share of numbers said without a mistake"""
    model.eval()
    with torch.no_grad():
        said = model.greedy(src)
    model.train()
    right = (said == tgt[:, 1:]) | (tgt[:, 1:] == PAD)
    return right.all(1).float().mean().item()


numbers = torch.randperm(10000).tolist()
train_src, train_tgt = tensors(numbers[:6400])
test_src, test_tgt = tensors(numbers[6400:7400])

BATCH, ACCUM, EPOCHS = 16, 8, 4
model = NumberSpeller()
criterion = nn.CrossEntropyLoss(ignore_index=PAD)
optimizer = torch.optim.SGD(model.parameters(), lr=1.5, momentum=0.9)
decay = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[2, 3], gamma=0.3)

# WATCH(model, optimizer)
for epoch in range(EPOCHS):
    epoch_losses = []
    optimizer.zero_grad()
    for i, rows in enumerate(torch.randperm(len(train_src)).split(BATCH)):
        tgt = train_tgt[rows]
        logits = model(train_src[rows], tgt[:, :-1])
        loss = criterion(logits.reshape(-1, len(WORDS)), tgt[:, 1:].reshape(-1))
        (loss / ACCUM).backward()
        epoch_losses.append(loss.item())
        if (i + 1) % ACCUM == 0:
            optimizer.step()
            optimizer.zero_grad()
    decay.step()
    print(f"epoch {epoch + 1}: loss {sum(epoch_losses) / len(epoch_losses):.4f}, said correctly {exact(model, test_src, test_tgt):.3f}")

model.eval()
for n in (7, 40, 918, 4072):
    said = model.greedy(tensors([n])[0])[0].tolist()
    said = said[:said.index(EOS)] if EOS in said else said
    print(n, "->", " ".join(WORDS[k] for k in said))
print(f"RESULT {exact(model, test_src, test_tgt):.4f} higher")
