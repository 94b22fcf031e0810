"""The cells of the comparison, part by part."""

SHAPES = [  # width, layers, T, B, V
    (64, 1, 128, 32, 64),
    (128, 2, 256, 16, 96),
    (256, 2, 128, 32, 96),
    (256, 4, 512, 8, 256),
    (128, 2, 32, 32, 229),  # with a source of T tokens
]
MODELS = ("elman", "lstm", "gru", "transformer")
WITH_SOURCE = ("encoder-decoder", "gru-encoder-decoder")
CONTEXTS = [16, 64, 256, 1024, 4096]
ATTENTION = [(32, 4, 128), (8, 4, 512), (2, 4, 2048), (2, 4, 4096)]  # B, H, T; head width 64
PROMPT = 512
EXTEND_WIDTHS = (64, 128, 256)


def chosen(rows, numbers):
    """The rows with these numbers, from 1; all if there are none."""
    return [rows[int(n) - 1] for n in numbers.split(",")] if numbers else rows


def wanted(models, names):
    """The models of these names; all if there are none."""
    return [m for m in models if not names or m in names.split(",")]


def train_step(options):
    """The sixteen training steps, and two of models that read a source."""
    for shape in chosen(SHAPES, options.shapes):
        width, layers, seq_len, batch, vocab = shape
        for model in wanted(WITH_SOURCE if shape == SHAPES[-1] else MODELS, options.models):
            yield {"model": model, "width": width, "layers": layers, "seq_len": seq_len,
                   "batch": batch, "vocab": vocab}


def decode(options):
    """One token at B = 1, LSTM by cells and transformer with a cache."""
    for width in (128, 256):
        for context in chosen(CONTEXTS, options.contexts):
            for model in wanted(("lstm", "transformer"), options.models):
                yield {"model": model, "width": width, "layers": 2, "seq_len": context + 1,
                       "batch": 1, "vocab": 96, "context": context}


def attention(options):
    """Attention alone, forward and backward."""
    for batch, heads, seq_len in chosen(ATTENTION, options.shapes):
        yield {"model": "attention", "width": heads * 64, "heads": heads, "seq_len": seq_len,
               "batch": batch}


def extend(options):
    """A prompt of one sequence read at once, logits after every token."""
    tokens = [(i * i + 7 * i) % 96 for i in range(PROMPT)]
    for width in chosen(EXTEND_WIDTHS, options.shapes):
        for model in wanted(MODELS, options.models):
            yield {"model": model, "width": width, "layers": 2, "seq_len": PROMPT, "batch": 1,
                   "vocab": 96, "tokens": tokens}


# Of each part: its cells, and the peers that have it.
PARTS = {
    "train-step": (train_step, ("torch", "jax", "candle")),
    "decode": (decode, ("torch",)),
    "attention": (attention, ("torch", "jax")),
    "extend": (extend, ("torch", "jax")),
}


def cells(part, options):
    """The cells of a part that these options choose."""
    return ({"part": part, **cell} for cell in PARTS[part][0](options))


def tokens_per_step(cell):
    """Tokens that a step of the cell processes."""
    return 1 if cell["part"] == "decode" else cell["batch"] * cell["seq_len"]


def name(cell):
    """What tells a cell from the others of its part."""
    hidden = {"part", "vocab", "tokens", "heads"} | ({"seq_len"} if cell["part"] == "decode" else set())
    return " ".join(f"{key}={value}" for key, value in cell.items() if key not in hidden)
