"""A `gpt2` checkpoint of seqduel in Hugging Face's GPT2LMHeadModel: the logits after a prompt.

python gpt2.py DIR/checkpoint.safetensors 1 2 3
"""
import json, sys
import torch
from safetensors import safe_open
from transformers import GPT2Config, GPT2LMHeadModel

with safe_open(sys.argv[1], "pt") as file:
    c = json.loads(file.metadata()["seqduel"])["identity"]["model"]
    w = {k: file.get_tensor(k) for k in file.keys() if not k.startswith("optimizer.")}
model = GPT2LMHeadModel(GPT2Config(vocab_size=c["vocab"], n_positions=c["seq-len"], n_embd=c["width"],
                                   n_layer=c["layers"], n_head=c["heads"], bos_token_id=0, eos_token_id=0)).eval()
names = [("blocks.", "transformer.h."), ("attention.qkv", "attn.c_attn"), ("attention.out", "attn.c_proj"),
         ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"), ("norm1", "ln_1"), ("norm2", "ln_2"),
         ("embedding", "transformer.wte"), ("position", "transformer.wpe")]
state = {"lm_head.weight": w["embedding.weight"]}
for name, tensor in w.items():
    for ours, theirs in names:
        name = name.replace(ours, theirs)
    # Conv1D holds its weight as (in, out).
    state[name.replace("norm.", "transformer.ln_f.")] = tensor.T if ".c_" in name and tensor.ndim == 2 else tensor
model.load_state_dict(state)
with torch.no_grad():
    print(json.dumps(model(torch.tensor([[int(token) for token in sys.argv[2:]]])).logits[0, -1].tolist()))
