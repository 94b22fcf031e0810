"""Models that read a source, in PyTorch's own layers: the transformer of 2017, and a GRU with additive attention.

A source of as many random tokens as the model's own sequence stands beside it, made once.
"""

import math

import torch
from torch import nn

MODELS = ("encoder-decoder", "gru-encoder-decoder")


class EncoderDecoder(nn.Module):
    """nn.Transformer, norms after the branches, one table for both embeddings and the head."""

    def __init__(self, vocab, width, layers, heads, seq_len):
        super().__init__()
        self.embedding = nn.Embedding(vocab, width)
        self.layers = nn.Transformer(width, heads, layers, layers, 4 * width, 0.0, batch_first=True)
        self.layers.encoder.norm = self.layers.decoder.norm = None  # 2017 has no last norm
        place = torch.arange(seq_len)[:, None] / 10000 ** (torch.arange(0, width, 2) / width)
        self.places = torch.stack([place.sin(), place.cos()], -1).flatten(1)
        self.mask = nn.Transformer.generate_square_subsequent_mask(seq_len)
        self.source = None

    def embed(self, tokens):
        return math.sqrt(self.embedding.embedding_dim) * self.embedding(tokens) + self.places

    def forward(self, tokens):  # (B, T) -> (B, T, V)
        if self.source is None:
            self.source = torch.randint(self.embedding.num_embeddings, tokens.shape)
        seen = self.layers(self.embed(self.source), self.embed(tokens), tgt_mask=self.mask,
                           tgt_is_causal=True)
        return seen @ self.embedding.weight.T


class GruEncoderDecoder(nn.Module):
    """nn.GRU twice; the lowest layer of the decoder asks the source, by additive scores."""

    def __init__(self, vocab, width, layers):
        super().__init__()
        self.embedding = nn.Embedding(vocab, width)
        self.encoder = nn.GRU(width, width, layers, batch_first=True)
        self.bridge = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.lowest = nn.GRU(width, width, batch_first=True)
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.score = nn.Linear(width, 1, bias=False)
        self.combine = nn.Linear(2 * width, width)
        self.above = nn.GRU(width, width, layers - 1, batch_first=True) if layers > 1 else None
        self.head = nn.Linear(width, vocab)
        self.source = None

    def forward(self, tokens):  # (B, T) -> (B, T, V)
        if self.source is None:
            self.source = torch.randint(self.embedding.num_embeddings, tokens.shape)
        memory, last = self.encoder(self.embedding(self.source))
        starts = torch.stack([bridge(last[-1]).tanh() for bridge in self.bridge])
        x, _ = self.lowest(self.embedding(tokens), starts[:1].contiguous())
        sums = self.query(x)[:, :, None] + self.key(memory)[:, None]
        weights = self.score(sums.tanh()).squeeze(-1).softmax(-1)
        x = self.combine(torch.cat([weights @ memory, x], -1)).tanh()
        if self.above is not None:
            x, _ = self.above(x, starts[1:].contiguous())
        return self.head(x)


def build(model, vocab, width, layers, heads, seq_len):
    """The named model."""
    if model == "encoder-decoder":
        return EncoderDecoder(vocab, width, layers, heads, seq_len)
    return GruEncoderDecoder(vocab, width, layers)
