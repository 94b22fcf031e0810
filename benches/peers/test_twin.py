"""Checks the twin itself: `python test_twin.py`."""

import torch

import twin

EXPECTED = {"elman": 312_416, "lstm": 1_101_920, "gru": 838_752, "transformer": 1_662_048}

torch.manual_seed(0)
for name, expected in EXPECTED.items():
    count = twin.parameters(twin.build(name, vocab=96, width=256, layers=2, seq_len=128))
    assert count == expected, f"{name}: {count} parameters, not {expected}"

    module = twin.build(name, vocab=24, width=32, layers=2, seq_len=20).eval()
    tokens = torch.randint(24, (3, 20))
    whole = module(tokens)
    decoders = [module] if name == "transformer" else [module, twin.CellDecoder(module)]
    for decoder in decoders:
        with torch.no_grad():
            state = decoder.start(3, 20)
            for t in range(20):
                logits, state = decoder.step(tokens[:, t], state, t)
                gap = (logits - whole[:, t]).abs().max().item()
                assert gap < 1e-4, f"{name}: token {t} differs by {gap}"

    step = twin.TrainStep(module, 24, 3, 20)
    before = [p.detach().clone() for p in module.parameters()]
    step()
    assert any((a != b).any() for a, b in zip(before, module.parameters())), name
print("the twin has the right parameter counts, and decodes as it trains")
