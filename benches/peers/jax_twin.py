"""The four models in JAX: the PyTorch twin's names of parameters, shapes and semantics.

Recurrent layers multiply their input for all positions at once and then scan over time, not unrolled:
that was slower. Everything that is timed is compiled as a whole by `jax.jit`.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

GATES = {"elman": 1, "lstm": 4, "gru": 3}
MODELS = (*GATES, "transformer")
BETAS, EPSILON, WEIGHT_DECAY = (0.9, 0.99), 1e-8, 0.01


def shapes(model, vocab, width, layers, seq_len):
    """Shape of every parameter by its name, in the twin's order."""
    found = {"embedding.weight": (vocab, width)}
    if model == "transformer":
        found["position.weight"] = (seq_len, width)
        for k in range(layers):
            for norm in ("norm1", "norm2"):
                found |= {f"blocks.{k}.{norm}.weight": (width,), f"blocks.{k}.{norm}.bias": (width,)}
            for name, rows, columns in (("qkv", 3 * width, width), ("out", width, width),
                                        ("fc1", 4 * width, width), ("fc2", width, 4 * width)):
                found |= {f"blocks.{k}.{name}.weight": (rows, columns),
                          f"blocks.{k}.{name}.bias": (rows,)}
        found |= {"norm.weight": (width,), "norm.bias": (width,)}
    else:
        rows = GATES[model] * width
        for k in range(layers):
            found |= {f"rnn.weight_ih_l{k}": (rows, width), f"rnn.weight_hh_l{k}": (rows, width),
                      f"rnn.bias_ih_l{k}": (rows,), f"rnn.bias_hh_l{k}": (rows,)}
    return found | {"head.weight": (vocab, width), "head.bias": (vocab,)}


def build(model, vocab, width, layers, seq_len):
    """Fresh parameters by name."""
    every = shapes(model, vocab, width, layers, seq_len)
    keys = jax.random.split(jax.random.key(0), len(every))
    return {name: jnp.ones(shape) if "norm" in name and name.endswith("weight")
            else jax.random.normal(key, shape) / width**0.5
            for key, (name, shape) in zip(keys, every.items())}


def parameters(values):
    """Number of trainable values."""
    return sum(v.size for v in values.values())


def elman_step(h, x, weight, bias):
    h = jnp.tanh(x + h @ weight + bias)
    return h, h


def lstm_step(state, x, weight, bias):
    h, c = state
    i, f, g, o = jnp.split(x + h @ weight + bias, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def gru_step(h, x, weight, bias):
    x_r, x_z, x_n = jnp.split(x, 3, axis=-1)
    h_r, h_z, h_n = jnp.split(h @ weight + bias, 3, axis=-1)
    z = jax.nn.sigmoid(x_z + h_z)
    n = jnp.tanh(x_n + jax.nn.sigmoid(x_r + h_r) * h_n)
    h = (1 - z) * n + z * h
    return h, h


STEPS = {"elman": elman_step, "lstm": lstm_step, "gru": gru_step}


def recurrent(model, p, tokens):
    """Logits (B, T, V) of tokens (B, T)."""
    x = p["embedding.weight"][tokens.T]  # (T, B, D): time first, as the scan goes
    k = 0
    while f"rnn.weight_ih_l{k}" in p:
        zeros = jnp.zeros(x.shape[1:])
        start = (zeros, zeros) if model == "lstm" else zeros
        step = partial(STEPS[model], weight=p[f"rnn.weight_hh_l{k}"].T, bias=p[f"rnn.bias_hh_l{k}"])
        gates = x @ p[f"rnn.weight_ih_l{k}"].T + p[f"rnn.bias_ih_l{k}"]
        _, x = lax.scan(lambda h, x: step(h, x), start, gates)
        k += 1
    return (x @ p["head.weight"].T + p["head.bias"]).transpose(1, 0, 2)


def layer_norm(p, name, x):
    x = x - x.mean(-1, keepdims=True)
    x = x * lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5)
    return x * p[f"{name}.weight"] + p[f"{name}.bias"]


def linear(p, name, x):
    return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]


def attention(q, k, v):
    """Causal attention of (B, H, T, D/H)."""
    scores = q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5
    seen = jnp.tril(jnp.ones(scores.shape[-2:], bool))
    return jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=-1) @ v


def transformer(p, tokens, heads):
    """Logits (B, T, V) of tokens (B, T)."""
    batch, seq_len = tokens.shape
    x = p["embedding.weight"][tokens] + p["position.weight"][:seq_len]
    k = 0
    while (block := f"blocks.{k}") + ".qkv.weight" in p:
        qkv = linear(p, f"{block}.qkv", layer_norm(p, f"{block}.norm1", x))
        qkv = qkv.reshape(batch, seq_len, 3, heads, -1).transpose(2, 0, 3, 1, 4)
        attended = attention(*qkv).transpose(0, 2, 1, 3).reshape(x.shape)
        x = x + linear(p, f"{block}.out", attended)
        inner = linear(p, f"{block}.fc1", layer_norm(p, f"{block}.norm2", x))
        x = x + linear(p, f"{block}.fc2", jax.nn.gelu(inner, approximate=True))
        k += 1
    return linear(p, "head", layer_norm(p, "norm", x))


def forward(model, p, tokens, heads=4):
    """Logits (B, T, V) of tokens (B, T)."""
    return transformer(p, tokens, heads) if model == "transformer" else recurrent(model, p, tokens)


def loss(model, p, tokens, targets):
    """Mean cross-entropy with targets (B·T)."""
    logits = forward(model, p, tokens).reshape(targets.size, -1)
    picked = jnp.take_along_axis(logits, targets[:, None], axis=-1)[:, 0]
    return (jax.nn.logsumexp(logits, axis=-1) - picked).mean()


def adamw(p, gradients, moments, count, rate):
    """Clips the gradients to norm 1 and takes the step of this count, from 1."""
    norm = jnp.sqrt(sum((g * g).sum() for g in gradients.values()))
    scale = jnp.minimum(1.0, 1.0 / (norm + 1e-6))
    beta1, beta2 = BETAS
    new, kept = {}, {}
    for name, value in p.items():
        g, (m, v) = gradients[name] * scale, moments[name]
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        update = m / (1 - beta1**count) / (jnp.sqrt(v / (1 - beta2**count)) + EPSILON)
        new[name], kept[name] = value * (1 - rate * WEIGHT_DECAY) - rate * update, (m, v)
    return new, kept


def no_moments(p):
    """The moments before the first step."""
    return {name: (jnp.zeros_like(v), jnp.zeros_like(v)) for name, v in p.items()}


class TrainStep:
    """One full training step: forward, cross-entropy, backward, clipping to 1.0, AdamW."""

    def __init__(self, model, p, vocab, batch, seq_len):
        @partial(jax.jit, donate_argnums=(0, 1))
        def step(p, moments, count, tokens, targets):
            gradients = jax.grad(partial(loss, model))(p, tokens, targets)
            return adamw(p, gradients, moments, count, 1e-6)

        self.step, self.p, self.moments, self.count = step, p, no_moments(p), 0
        keys = jax.random.split(jax.random.key(1))
        self.tokens = jax.random.randint(keys[0], (batch, seq_len), 0, vocab)
        self.targets = jax.random.randint(keys[1], (batch * seq_len,), 0, vocab)

    def __call__(self):
        self.count += 1
        self.p, self.moments = jax.block_until_ready(self.step(
            self.p, self.moments, jnp.float32(self.count), self.tokens, self.targets))


class Attention:
    """Attention alone, forward and backward, on random queries, keys and values."""

    def __init__(self, batch, heads, seq_len, head_width):
        shape = (4, batch, heads, seq_len, head_width)
        *self.qkv, self.upstream = jax.random.normal(jax.random.key(2), shape)
        self.step = jax.jit(lambda qkv, upstream: jax.vjp(attention, *qkv)[1](upstream))

    def __call__(self):
        jax.block_until_ready(self.step(self.qkv, self.upstream))


class Extend:
    """A prompt of one sequence at once: the logits after every token."""

    def __init__(self, model, p, tokens):
        self.step = jax.jit(partial(forward, model))
        self.p, self.tokens = p, jnp.array([tokens])

    def __call__(self):
        jax.block_until_ready(self.step(self.p, self.tokens))


def prepare(cell):
    """The step of a cell of the comparison, and the model's number of parameters."""
    if cell["part"] == "attention":
        return Attention(cell["batch"], cell["heads"], cell["seq_len"], 64), None
    sizes = (cell["vocab"], cell["width"], cell["layers"])
    p = build(cell["model"], *sizes, cell["seq_len"])
    count = parameters(p)
    if cell["part"] == "extend":
        return Extend(cell["model"], p, cell["tokens"]), count
    return TrainStep(cell["model"], p, cell["vocab"], cell["batch"], cell["seq_len"]), count
