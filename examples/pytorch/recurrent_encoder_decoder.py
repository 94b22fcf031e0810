"""A `gru-` or `lstm-encoder-decoder` checkpoint of seqduel in PyTorch: the log probability of a translation.

seqduel translate DIR "noon" --format json | python recurrent_encoder_decoder.py DIR/checkpoint.safetensors
"""
import json, sys
import torch
from torch.nn.functional import linear
from safetensors import safe_open

with safe_open(sys.argv[1], "pt") as file:
    config = json.loads(file.metadata()["seqduel"])["identity"]["model"]
    w = {k: file.get_tensor(k) for k in file.keys() if not k.startswith("optimizer.")}
kind = torch.nn.LSTM if config["model"].startswith("lstm") else torch.nn.GRU
width, layers, both = config["width"], config["layers"], config.get("encoder") == "both"

def rnn(prefix, *sizes, **more):
    model = kind(*sizes, batch_first=True, **more)
    own = {name[len(prefix) + 1:]: w[name] for name in w if name.startswith(prefix + ".")}
    model.load_state_dict(own)
    return model

def map(name, x):
    return linear(x, w[name + ".weight"], w[name + ".bias"])

encoder = rnn("encoder", width, width // (1 + both), layers, bidirectional=both)
with torch.no_grad():
    for row in json.load(sys.stdin):
        memory, last = encoder(w["embedding.weight"][torch.tensor([row["source"]])])
        last = last[0] if isinstance(last, tuple) else last  # h of an LSTM
        e = torch.cat(list(last[-1 - both:]), -1)  # of the highest layer, both directions
        x = w["embedding.weight"][torch.tensor([[1] + row["tokens"]])]
        for k in range(layers):
            cell = kind(width, width, batch_first=True)
            cell.load_state_dict({f"{n}_l0": w[f"decoder.{n}_l{k}"] for n in
                                  ("weight_ih", "weight_hh", "bias_ih", "bias_hh")})
            start = [map(f"bridge.{k}.{n}", e).tanh()[None] for n in "hc" if f"bridge.{k}.{n}.weight" in w]
            x, _ = cell(x, tuple(start) if len(start) == 2 else start[0])
            if k == 0 and "attention.score.weight" in w:
                q, key = map("attention.query", x), map("attention.key", memory)
                scores = (q[:, :, None] + key[:, None]).tanh() @ w["attention.score.weight"][0]
                found = scores.softmax(-1) @ memory
                x = map("attention.combine", torch.cat([found, x], -1)).tanh()
        answers = torch.tensor(row["tokens"] + [2])
        logs = map("head", x[0]).log_softmax(-1)[range(len(answers)), answers]
        print(row["translation"], row["log_probability"], logs.sum().item())
