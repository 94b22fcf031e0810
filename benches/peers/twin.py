"""The four models in PyTorch: same parameter counts, same semantics, PyTorch's own fast layers."""

import torch
import torch.nn.functional as F
from torch import nn

import with_source

RECURRENT = {"elman": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
MODELS = (*RECURRENT, "transformer")


class Recurrent(nn.Module):
    """Embedding, L recurrent layers of the same width, output layer."""

    def __init__(self, model, vocab, width, layers):
        super().__init__()
        self.embedding = nn.Embedding(vocab, width)
        self.rnn = RECURRENT[model](width, width, layers, batch_first=True)
        self.head = nn.Linear(width, vocab)

    def forward(self, tokens):  # (B, T) -> (B, T, V)
        hidden, _ = self.rnn(self.embedding(tokens))
        return self.head(hidden)

    def start(self, batch, context):
        """State before the first token; the first call makes zeros."""
        return None

    def step(self, tokens, state, position):  # (B,) -> (B, V)
        hidden, state = self.rnn(self.embedding(tokens)[:, None], state)
        return self.head(hidden[:, 0]), state


class CellDecoder(nn.Module):
    """Token by token through LSTMCell/GRUCell/RNNCell, with a recurrent model's weights."""

    def __init__(self, model):
        super().__init__()
        rnn = model.rnn
        cell = {nn.RNN: nn.RNNCell, nn.LSTM: nn.LSTMCell, nn.GRU: nn.GRUCell}[type(rnn)]
        self.embedding, self.head = model.embedding, model.head
        self.cells = nn.ModuleList(
            cell(rnn.input_size, rnn.hidden_size) for _ in range(rnn.num_layers)
        )
        for layer, own in enumerate(self.cells):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(own, name).data.copy_(getattr(rnn, f"{name}_l{layer}"))

    def start(self, batch, context):
        return [None] * len(self.cells)

    def step(self, tokens, state, position):
        x = self.embedding(tokens)
        for layer, cell in enumerate(self.cells):
            state[layer] = cell(x, state[layer])
            x = state[layer][0] if isinstance(state[layer], tuple) else state[layer]
        return self.head(x), state


class Block(nn.Module):
    """Pre-norm block: causal attention, then GELU feed-forward of four times the width."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def split(self, x):
        """Queries, keys, values, each (B, H, T, D/H)."""
        batch, length, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, width // self.heads)
        return qkv.permute(2, 0, 3, 1, 4).unbind(0)

    def rest(self, x, attended):
        x = x + self.out(attended.transpose(1, 2).reshape(x.shape))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x)), approximate="tanh"))

    def forward(self, x):
        q, k, v = self.split(x)
        return self.rest(x, F.scaled_dot_product_attention(q, k, v, is_causal=True))

    def step(self, x, cache, position):
        """One token; keys and values are written in place into a cache made at full length."""
        q, k, v = self.split(x)
        keys, values = cache
        keys[:, :, position : position + 1] = k
        values[:, :, position : position + 1] = v
        seen = slice(0, position + 1)
        return self.rest(x, F.scaled_dot_product_attention(q, keys[:, :, seen], values[:, :, seen]))


class Transformer(nn.Module):
    """Decoder-only transformer with learned positions."""

    def __init__(self, vocab, width, layers, heads, seq_len):
        super().__init__()
        self.embedding = nn.Embedding(vocab, width)
        self.position = nn.Embedding(seq_len, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocab)

    def forward(self, tokens):
        x = self.embedding(tokens) + self.position.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    def start(self, batch, context):
        width = self.embedding.embedding_dim
        heads = self.blocks[0].heads
        shape = (batch, heads, context + 1, width // heads)
        return [(torch.zeros(shape), torch.zeros(shape)) for _ in self.blocks]

    def step(self, tokens, state, position):
        x = (self.embedding(tokens) + self.position.weight[position])[:, None]
        for block, cache in zip(self.blocks, state):
            x = block.step(x, cache, position)
        return self.head(self.norm(x))[:, 0], state


def build(model, vocab, width, layers, heads=4, seq_len=128):
    """The named model."""
    if model == "transformer":
        return Transformer(vocab, width, layers, heads, seq_len)
    if model in with_source.MODELS:
        return with_source.build(model, vocab, width, layers, heads, seq_len)
    return Recurrent(model, vocab, width, layers)


def parameters(module):
    """Number of trainable values."""
    return sum(p.numel() for p in module.parameters())


class TrainStep:
    """One full training step: forward, cross-entropy, backward, clipping to 1.0, fused AdamW."""

    def __init__(self, module, vocab, batch, seq_len):
        self.module = module
        self.optimizer = torch.optim.AdamW(
            module.parameters(), lr=1e-6, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )
        self.tokens = torch.randint(vocab, (batch, seq_len))
        self.targets = torch.randint(vocab, (batch * seq_len,))

    def __call__(self):
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.module(self.tokens)
        F.cross_entropy(logits.flatten(0, 1), self.targets).backward()
        nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.optimizer.step()


class Decode:
    """One token at the end of a context that was really consumed."""

    def __init__(self, module, vocab, batch, context):
        self.module, self.context = module, context
        self.tokens = torch.randint(vocab, (batch,))
        with torch.inference_mode():
            self.state = module.start(batch, context)
            for position in range(context):
                _, self.state = module.step(self.tokens, self.state, position)

    @torch.inference_mode()
    def __call__(self):
        # A recurrent state is replaced, a cache's last entry overwritten: the context stays.
        state = self.state if isinstance(self.module, Transformer) else list(self.state)
        self.module.step(self.tokens, state, self.context)


class Extend:
    """A prompt of one sequence at once: the logits after every token, as seqduel's `extend` gives."""

    def __init__(self, module, tokens):
        self.module, self.tokens = module.eval(), torch.tensor([tokens])

    @torch.inference_mode()
    def __call__(self):
        self.module(self.tokens)


class Attention:
    """scaled_dot_product_attention forward and backward on random queries, keys and values."""

    def __init__(self, batch, heads, seq_len, head_width):
        shape = (batch, heads, seq_len, head_width)
        self.qkv = [torch.randn(shape, requires_grad=True) for _ in range(3)]
        self.upstream = torch.randn(shape)

    def __call__(self):
        for x in self.qkv:
            x.grad = None
        F.scaled_dot_product_attention(*self.qkv, is_causal=True).backward(self.upstream)


def prepare(cell):
    """The step of a cell of the comparison, and the model's number of parameters."""
    if cell["part"] == "attention":
        return Attention(cell["batch"], cell["heads"], cell["seq_len"], 64), None
    vocab, seq_len = cell["vocab"], cell["seq_len"]
    module = build(cell["model"], vocab, cell["width"], cell["layers"], 4, seq_len)
    count = parameters(module)
    if cell["part"] == "extend":
        return Extend(module, cell["tokens"]), count
    if cell["part"] == "train-step":
        return TrainStep(module, vocab, cell["batch"], seq_len), count
    decoder = module.eval() if cell["model"] == "transformer" else CellDecoder(module.eval())
    return Decode(decoder, vocab, 1, cell["context"]), count
