"""An `encoder-decoder` checkpoint of seqduel as `torch.nn.Transformer`: the log probability of a translation.

seqduel translate DIR "noon" --format json | python encoder_decoder.py DIR/checkpoint.safetensors
"""
import json, math, re, sys
import torch
from safetensors import safe_open

with safe_open(sys.argv[1], "pt") as file:
    config = json.loads(file.metadata()["seqduel"])["identity"]["model"]
    w = {k: file.get_tensor(k) for k in file.keys() if not k.startswith("optimizer.")}
width, layers, pre = config["width"], config["layers"], config.get("norm") == "pre"
model = torch.nn.Transformer(width, config["heads"], layers, layers, 4 * width, 0.0,
                             batch_first=True, norm_first=pre).eval()
if not pre:
    model.encoder.norm = model.decoder.norm = None  # PyTorch adds a last norm; 2017 has none
table, state = w.pop("embedding.weight"), {}
for k in range(layers):  # queries, keys and values of the other attention stand apart here
    for part in ("weight", "bias"):
        both = [w.pop(f"decoder.{k}.cross.{name}.{part}") for name in ("q", "kv")]
        w[f"decoder.{k}.multihead_attn.in_proj_{part}"] = torch.cat(both)
for name, value in w.items():
    name = re.sub(r"^(encoder|decoder)\.(\d)", r"\1.layers.\2", name)
    for ours, theirs in [("attention.qkv.", "self_attn.in_proj_"), ("attention.out", "self_attn.out_proj"),
                         ("cross.out", "multihead_attn.out_proj"), ("mlp.fc", "linear")]:
        name = name.replace(ours, theirs)
    if ".layers." in name and "encoder" not in name:  # norms of a decoder: own, cross, feed-forward
        name = name.replace("norm2", "norm3").replace("cross.norm", "norm2")
    state[name] = value
model.load_state_dict(state)

def embed(tokens):
    place = torch.arange(len(tokens))[:, None] / 10000 ** (torch.arange(0, width, 2) / width)
    sines = torch.stack([place.sin(), place.cos()], -1).flatten(1)[:, :width]
    return (math.sqrt(width) * table[tokens] + sines)[None]

for row in json.load(sys.stdin):
    own, answers = torch.tensor([1] + row["tokens"]), torch.tensor(row["tokens"] + [2])
    mask = torch.nn.Transformer.generate_square_subsequent_mask(len(own))
    with torch.no_grad():
        x = model(embed(torch.tensor(row["source"])), embed(own), tgt_mask=mask, tgt_is_causal=True)
    logs = (x[0] @ table.T).log_softmax(-1)[range(len(own)), answers]
    print(row["translation"], row["log_probability"], logs.sum().item())
