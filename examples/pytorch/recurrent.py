"""An `elman`, `lstm` or `gru` checkpoint of seqduel in PyTorch: the logits after a prompt of tokens.

python recurrent.py DIR/checkpoint.safetensors 1 2 3
"""
import json, sys
import torch
from safetensors import safe_open

with safe_open(sys.argv[1], "pt") as file:
    config = json.loads(file.metadata()["seqduel"])["identity"]["model"]
    tensors = {k: file.get_tensor(k) for k in file.keys() if not k.startswith("optimizer.")}
kind = {"elman": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[config["model"]]
width, layers, vocab = config["width"], config["layers"], config["vocab"]
model = torch.nn.ModuleDict({
    "embedding": torch.nn.Embedding(vocab, width),
    "rnn": kind(width, width, layers, batch_first=True),
    "head": torch.nn.Linear(width, vocab),
})
model.load_state_dict(tensors)  # every name and shape fits
tokens = torch.tensor([[int(token) for token in sys.argv[2:]]])
with torch.no_grad():
    states, _ = model["rnn"](model["embedding"](tokens))
    print(json.dumps(model["head"](states[0, -1]).tolist()))
