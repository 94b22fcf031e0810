"""A `transformer` checkpoint of seqduel with learned positions in PyTorch: the logits after a prompt.

python transformer.py DIR/checkpoint.safetensors 1 2 3
"""
import json, sys
import torch
from torch.nn.functional import gelu, layer_norm, linear, scaled_dot_product_attention
from safetensors import safe_open

with safe_open(sys.argv[1], "pt") as file:
    config = json.loads(file.metadata()["seqduel"])["identity"]["model"]
    w = {k: file.get_tensor(k) for k in file.keys() if not k.startswith("optimizer.")}
tokens = torch.tensor([int(token) for token in sys.argv[2:]])

def norm(name, x):
    return layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"])

def map(name, x):
    return linear(x, w[name + ".weight"], w[name + ".bias"])

x = w["embedding.weight"][tokens] + w["position.weight"][: len(tokens)]
for k in range(config["layers"]):
    qkv = map(f"blocks.{k}.attention.qkv", norm(f"blocks.{k}.norm1", x))
    heads = [part.view(len(x), config["heads"], -1).transpose(0, 1) for part in qkv.chunk(3, -1)]
    seen = scaled_dot_product_attention(*heads, is_causal=True).transpose(0, 1).flatten(1)
    x = x + map(f"blocks.{k}.attention.out", seen)
    inner = gelu(map(f"blocks.{k}.mlp.fc1", norm(f"blocks.{k}.norm2", x)), approximate="tanh")
    x = x + map(f"blocks.{k}.mlp.fc2", inner)
print(json.dumps(map("head", norm("norm", x))[-1].tolist()))
