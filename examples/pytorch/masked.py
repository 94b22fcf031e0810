"""A `bert` (learned positions) or `bilstm` checkpoint of seqduel in PyTorch: probabilities of a gap's candidates.

seqduel fill DIR "the [MASK] of the lord" --format json | python masked.py DIR/checkpoint.safetensors
"""
import json, sys
import torch
from torch.nn.functional import gelu, layer_norm, linear, scaled_dot_product_attention
from safetensors import safe_open

with safe_open(sys.argv[1], "pt") as file:
    config = json.loads(file.metadata()["seqduel"])["identity"]["model"]
    w = {k: file.get_tensor(k) for k in file.keys() if not k.startswith("optimizer.")}
filled = json.load(sys.stdin)
x = w["embedding.weight"][torch.tensor(filled["tokens"])]
norm = lambda name, x: layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"])
map = lambda name, x: linear(x, w[name + ".weight"], w[name + ".bias"])
if config["model"] == "bilstm":
    lstm = torch.nn.LSTM(len(x[0]), len(x[0]) // 2, config["layers"], bidirectional=True)
    lstm.load_state_dict({k.removeprefix("encoder."): v for k, v in w.items() if k.startswith("encoder.")})
    x = lstm(x)[0].detach()
else:
    x = x + w["position.weight"][: len(x)]
    for k in range(config["layers"]):
        qkv = map(f"blocks.{k}.attention.qkv", norm(f"blocks.{k}.norm1", x))
        heads = [part.view(len(x), config["heads"], -1).transpose(0, 1) for part in qkv.chunk(3, -1)]
        x = x + map(f"blocks.{k}.attention.out", scaled_dot_product_attention(*heads).transpose(0, 1).flatten(1))
        x = x + map(f"blocks.{k}.mlp.fc2", gelu(map(f"blocks.{k}.mlp.fc1", norm(f"blocks.{k}.norm2", x)), approximate="tanh"))
    x = norm("norm", x)
for c in filled["candidates"]:
    print(c["token"], c["probability"], map("head", x).softmax(-1)[c["at"], c["id"]].item())
