"""A `llama`, `mixtral`, `gemma2` or `gemma3` checkpoint of seqduel in Hugging Face's class of it: the logits after a prompt.

python llama.py DIR/checkpoint.safetensors 1 2 3
"""
import json, sys
import torch, transformers as hf
from safetensors import safe_open

with safe_open(sys.argv[1], "pt") as file:
    c = json.loads(file.metadata()["seqduel"])["identity"]["model"]
    w = {k: file.get_tensor(k) for k in file.keys() if not k.startswith("optimizer.")}
b, d, heads, layers = c["block"], c["width"], c["heads"], c["layers"]
dh, kv = d // heads, b["kv-heads"] or heads
rope = lambda base: {"rope_type": "default", "rope_theta": base}
own = dict(vocab_size=c["vocab"], hidden_size=d, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv,
           head_dim=dh, intermediate_size=next(len(v) for k, v in w.items() if k.endswith("up.weight")), rms_norm_eps=1e-6,
           rope_parameters=rope(b["rotary-base"]), tie_word_embeddings=b["tied"] == "on", attn_implementation="eager")
pattern = [b["mixers"][k % len(b["mixers"])] for k in range(layers)]
gemma = own | dict(query_pre_attn_scalar=dh, sliding_window=b["window"], hidden_activation="gelu_pytorch_tanh",
                   layer_types=["sliding_attention" if letter == "l" else "full_attention" for letter in pattern])
bases = {"full_attention": rope(b["rotary-base"]), "sliding_attention": rope(1e4)}
model = {
    "llama": lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**own)),
    "mixtral": lambda: hf.MixtralForCausalLM(hf.MixtralConfig(**own, num_local_experts=b["experts"], num_experts_per_tok=b["experts-used"])),
    "gemma2": lambda: hf.Gemma2ForCausalLM(hf.Gemma2Config(**gemma, attn_logit_softcapping=b["score-cap"], final_logit_softcapping=b["logit-cap"])),
    "gemma3": lambda: hf.Gemma3ForCausalLM(hf.Gemma3TextConfig(**gemma | {"rope_parameters": bases})),
}[c["model"]]().eval()
norms = ("input", "post_attention", "pre_feedforward", "post_feedforward") if b["place"] == "both" else ("input", "", "post_attention", "")
names = [("norm1", norms[0] + "_layernorm"), ("after1", norms[1] + "_layernorm"), ("norm2", norms[2] + "_layernorm"), ("after2", norms[3] + "_layernorm"),
         ("attention.out", "self_attn.o_proj"), ("attention.", "self_attn."), ("mlp.gate", "mlp.gate_proj"), ("mlp.up", "mlp.up_proj"),
         ("mlp.down", "mlp.down_proj"), ("mlp.router", "mlp.gate"), ("blocks.", "model.layers.")]
state = {"model.embed_tokens.weight": w["embedding.weight"], "model.norm.weight": w["norm.weight"], "lm_head.weight": w.get("head.weight", w["embedding.weight"])}
for name, tensor in w.items():
    for ours, theirs in names:
        name = name.replace(ours, theirs)
    if name.endswith("qkv.weight"):
        for part, rows in zip("qkv", tensor.split([d, kv * dh, kv * dh])):
            state[name.replace("qkv", part + "_proj")] = rows
    elif name.startswith("model.layers.") and ".experts." not in name:
        state[name] = tensor
for k in range(layers if c["model"] == "mixtral" else 0):
    of = lambda what: torch.stack([w[f"blocks.{k}.mlp.experts.{e}.{what}.weight"] for e in range(b["experts"])])
    state[f"model.layers.{k}.mlp.experts.gate_up_proj"] = torch.cat([of("gate"), of("up")], 1)
    state[f"model.layers.{k}.mlp.experts.down_proj"] = of("down")
model.load_state_dict(state)
with torch.no_grad():
    print(json.dumps(model(torch.tensor([[int(token) for token in sys.argv[2:]]])).logits[0, -1].tolist()))
