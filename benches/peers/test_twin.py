"""Checks the twins themselves: `python test_twin.py`.

The PyTorch twin's counts and decoding; JAX's and candle's against it, where they are there.
"""

import json
import math
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import torch
    import torch.nn.functional as F
except ModuleNotFoundError:
    sys.exit("torch is not installed, and the other twins are checked against it: pip install torch")

import twin

EXPECTED = {"elman": 312_416, "lstm": 1_101_920, "gru": 838_752, "transformer": 1_662_048}
WITH_SOURCE = {"encoder-decoder": 955_008, "gru-encoder-decoder": 554_213}
CANDLE = Path(__file__).resolve().parent / "candle/target/release/candle-peer"
VOCAB, WIDTH, LAYERS, SEQ_LEN, BATCH = 24, 32, 2, 20, 3


def small(name):
    """A small model of this name, tokens and targets; the same for every test."""
    torch.manual_seed(0)
    module = twin.build(name, vocab=VOCAB, width=WIDTH, layers=LAYERS, seq_len=SEQ_LEN)
    row = torch.arange(BATCH * SEQ_LEN)
    return module, ((row * row + 7 * row) % VOCAB).view(BATCH, SEQ_LEN), (3 * row + 1) % VOCAB


def gradients(module, tokens, targets):
    """Loss, and the gradient of every parameter by name."""
    loss = F.cross_entropy(module(tokens).flatten(0, 1), targets)
    loss.backward()
    return loss.item(), {name: p.grad for name, p in module.named_parameters()}


def test_counts():
    for name, expected in EXPECTED.items():
        count = twin.parameters(twin.build(name, vocab=96, width=256, layers=2, seq_len=128))
        assert count == expected, f"{name}: {count} parameters, not {expected}"


def test_counts_with_source():
    for name, expected in WITH_SOURCE.items():
        module = twin.build(name, vocab=229, width=128, layers=2, seq_len=32)
        assert twin.parameters(module) == expected, f"{name}: {twin.parameters(module)}"
        tokens = torch.zeros(3, 32, dtype=torch.long)
        assert module(tokens).shape == (3, 32, 229)


def test_decoding_is_the_forward_pass():
    for name in EXPECTED:
        module, tokens, _ = small(name)
        module.eval()
        whole = module(tokens)
        decoders = [module] if name == "transformer" else [module, twin.CellDecoder(module)]
        for decoder in decoders:
            with torch.no_grad():
                state = decoder.start(BATCH, SEQ_LEN)
                for t in range(SEQ_LEN):
                    logits, state = decoder.step(tokens[:, t], state, t)
                    gap = (logits - whole[:, t]).abs().max().item()
                    assert gap < 1e-4, f"{name}: token {t} differs by {gap}"


def test_a_step_moves_parameters():
    for name in EXPECTED:
        module, _, _ = small(name)
        step = twin.TrainStep(module, VOCAB, BATCH, SEQ_LEN)
        before = [p.detach().clone() for p in module.parameters()]
        step()
        assert any((a != b).any() for a, b in zip(before, module.parameters())), name


def close(found, wanted, tolerance, what):
    """Whether a JAX array is a tensor but for so much of its largest value (or of 1)."""
    wanted = wanted.detach()
    assert found.shape == tuple(wanted.shape), f"{what}: {found.shape}, not {tuple(wanted.shape)}"
    gap = (torch.tensor(found.tolist()) - wanted).abs().max().item()
    bound = tolerance * max(1.0, wanted.abs().max().item())
    assert gap <= bound, f"{what} differs by {gap}"


def copied(module):
    """The values of a PyTorch twin for JAX."""
    import jax.numpy as jnp

    return {name: jnp.array(p.detach().numpy()) for name, p in module.named_parameters()}


def test_jax_has_the_same_parameters():
    import jax_twin

    for name, expected in EXPECTED.items():
        found = jax_twin.parameters(jax_twin.build(name, 96, 256, 2, 128))
        assert found == expected, f"{name}: {found} parameters, not {expected}"
        module = twin.build(name, vocab=96, width=256, layers=2, seq_len=128)
        shapes = {name: tuple(p.shape) for name, p in module.named_parameters()}
        assert jax_twin.shapes(name, 96, 256, 2, 128) == shapes, name


def test_jax_has_the_same_logits_loss_and_gradients():
    from functools import partial

    import jax
    import jax.numpy as jnp

    import jax_twin

    for name in EXPECTED:
        module, tokens, targets = small(name)
        p = copied(module)
        loss, wanted = gradients(module, tokens, targets)
        tokens_, targets_ = jnp.array(tokens.numpy()), jnp.array(targets.numpy())
        close(jax_twin.forward(name, p, tokens_), module(tokens), 1e-5, f"{name}: a logit")
        value_and_grad = jax.value_and_grad(partial(jax_twin.loss, name))
        found_loss, found = value_and_grad(p, tokens_, targets_)
        assert abs(found_loss - loss) < 1e-5, f"{name}: loss {found_loss}, not {loss}"
        assert found.keys() == wanted.keys()
        for parameter in wanted:
            scale = wanted[parameter].abs().max().item()
            assert scale > 0, f"{name}: {parameter} has no gradient"
            close(found[parameter] / scale, wanted[parameter] / scale, 1e-4, f"{name}: {parameter}")


def test_jax_takes_the_same_optimizer_steps():
    import jax.numpy as jnp

    import jax_twin

    torch.manual_seed(1)
    module = torch.nn.Linear(7, 5)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1, betas=jax_twin.BETAS, weight_decay=0.01)
    p = copied(module)
    moments = jax_twin.no_moments(p)
    for count, size in enumerate((3.0, 0.02, 1.0), 1):  # clipped, not clipped, clipped
        for parameter in module.parameters():
            parameter.grad = size * torch.randn_like(parameter)
        given = {name: jnp.array(q.grad.numpy()) for name, q in module.named_parameters()}
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        p, moments = jax_twin.adamw(p, given, moments, count, 0.1)
        for name, parameter in module.named_parameters():
            close(p[name], parameter, 1e-5, f"step {count}: {name}")


def test_jax_takes_whole_training_steps():
    import jax_twin

    for name in EXPECTED:
        p = copied(small(name)[0])
        step = jax_twin.TrainStep(name, dict(p), VOCAB, BATCH, SEQ_LEN)
        before = {key: value.tolist() for key, value in p.items()}  # the step takes the buffers over
        step()
        still = [key for key, value in step.p.items() if value.tolist() == before[key]]
        assert not still, f"{name}: a step does not move {still}"


def write_safetensors(path, module):
    """The module's parameters in the format of safetensors: a header in JSON, then the bytes."""
    header, body = {}, b""
    for name, p in module.named_parameters():
        values = p.detach().flatten().tolist()
        start, body = len(body), body + struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": list(p.shape), "data_offsets": [start, len(body)]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def test_candle_has_the_same_parameters_loss_and_gradient():
    for name in ("lstm", "transformer"):
        module, tokens, targets = small(name)
        loss, wanted = gradients(module, tokens, targets)
        norm = math.sqrt(sum((g * g).sum().item() for g in wanted.values()))
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder) / "weights.safetensors"
            write_safetensors(weights, module)
            sizes = [WIDTH, LAYERS, SEQ_LEN, BATCH, VOCAB]
            command = [str(CANDLE), name, *map(str, sizes), "1", "0", str(weights)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        assert found["parameters"] == twin.parameters(module), name
        for what, expected in (("loss", loss), ("gradient_norm", norm)):
            gap = abs(found[what] - expected)
            assert gap < 1e-5 * max(1, expected), f"{name}: {what} {found[what]}, not {expected}"


def main():
    skipped = {}
    try:
        import jax  # noqa: F401
    except ModuleNotFoundError:
        skipped["jax"] = "jax: not installed, skipped"
    if not CANDLE.exists():
        skipped["candle"] = "candle: not built, skipped: cargo build --release in benches/peers/candle"
    for why in skipped.values():
        print(why)
    for name, test in list(globals().items()):
        if name.startswith("test_") and not any(name.startswith(f"test_{peer}_") for peer in skipped):
            test()
            print(f"ok  {name[5:].replace('_', ' ')}")


if __name__ == "__main__":
    sys.exit(main())
