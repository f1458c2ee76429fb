"""
Classifying names with a character-level RNN, one name at a time
****************************************************************
The names are invented: every "language" has its own syllables and endings.
"""
import math
import random
import string
import time

import torch
import torch.nn as nn

torch.manual_seed(5)
random.seed(5)
torch.set_num_threads(1)

all_letters = string.ascii_lowercase + "'"
n_letters = len(all_letters)

LANGUAGES = {
    'Norrish': (['bjor', 'sve', 'hal', 'rag', 'thor', 'gun', 'ei'], ['sen', 'rik', 'var', 'dis']),
    'Valtan': (['ma', 'ri', 'lo', 'ven', 'gia', 'car', 'bel'], ['ini', 'etto', 'ucci', 'ari']),
    'Okamese': (['ka', 'shi', 'mo', 'ta', 'na', 'yu', 'ha'], ['moto', 'mura', 'saki', 'ka']),
    'Drevian': (['vla', 'bor', 'kov', 'mi', 'stan', 'dra', 'pet'], ['ov', 'enko', 'ski', 'ich']),
    'Tarish': (["o'", 'mac', 'bre', 'fin', 'con', 'sha', 'dun'], ['nan', 'gan', 'ley', 'lan']),
}
all_categories = list(LANGUAGES)
n_categories = len(all_categories)


def invent(language):
    syllables, endings = LANGUAGES[language]
    name = ''.join(random.choice(syllables) for _ in range(random.choice([1, 1, 2]))) + random.choice(endings)
    # a scribe makes mistakes now and then
    return ''.join(random.choice(string.ascii_lowercase) if random.random() < 0.12 else c for c in name)


def letterToIndex(letter):
    return all_letters.find(letter)


def lineToTensor(line):
    """<line_length x 1 x n_letters>"""
    tensor = torch.zeros(len(line), 1, n_letters)
    for li, letter in enumerate(line):
        tensor[li][0][letterToIndex(letter)] = 1
    return tensor


train_lines, test_lines = {}, {}
for c in all_categories:
    names = []
    while len(names) < 660:                 # all different, so that no test name was trained on
        name = invent(c)
        if name not in names:
            names.append(name)
    random.shuffle(names)
    train_lines[c], test_lines[c] = names[:600], names[600:]
print(train_lines['Valtan'][:5], lineToTensor('karin').size())


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super(RNN, self).__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size, hidden_size)
        self.h2h = nn.Linear(hidden_size, hidden_size)
        self.h2o = nn.Linear(hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        hidden = torch.tanh(self.i2h(input) + self.h2h(hidden))
        output = self.softmax(self.h2o(hidden))
        return output, hidden

    def initHidden(self):
        return torch.zeros(1, self.hidden_size)


rnn = RNN(n_letters, 64, n_categories)
criterion = nn.NLLLoss()
optimizer = torch.optim.SGD(rnn.parameters(), lr=0.02)


def run_name(line_tensor):
    hidden = rnn.initHidden()
    for i in range(line_tensor.size(0)):
        output, hidden = rnn(line_tensor[i], hidden)
    return output


def randomTrainingExample():
    category = random.choice(all_categories)
    line = random.choice(train_lines[category])
    return category, line, torch.tensor([all_categories.index(category)]), lineToTensor(line)


def train(category_tensor, line_tensor):
    rnn.zero_grad()
    output = run_name(line_tensor)
    loss = criterion(output, category_tensor)
    loss.backward()
    nn.utils.clip_grad_norm_(rnn.parameters(), 2.0)
    optimizer.step()
    return output, loss.item()


n_iters = 4000
print_every = 400
current_loss = 0
start = time.time()

# WATCH(rnn, optimizer)
for iter in range(1, n_iters + 1):
    category, line, category_tensor, line_tensor = randomTrainingExample()
    output, loss = train(category_tensor, line_tensor)
    current_loss += loss
    if iter % print_every == 0:
        guess = all_categories[output.argmax(1).item()]
        correct = '✓' if guess == category else '✗ (%s)' % category
        print('%d %d%% (%.1fs) avg loss %.4f  %s / %s %s' % (
            iter, iter / n_iters * 100, time.time() - start, current_loss / print_every, line, guess, correct))
        current_loss = 0

confusion = torch.zeros(n_categories, n_categories)
test_loss = 0
with torch.no_grad():
    for c, category in enumerate(all_categories):
        for line in test_lines[category]:
            output = run_name(lineToTensor(line))
            test_loss -= output[0, c].item()
            confusion[c, output.argmax(1).item()] += 1
print(confusion / confusion.sum(1, keepdim=True))
print('test loss %.4f  test accuracy %.3f' % (test_loss / confusion.sum(), confusion.diag().sum() / confusion.sum()))
print('RESULT %.4f higher' % (confusion.diag().sum() / confusion.sum()))
