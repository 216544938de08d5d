"""A plain forward of Qwen2 and Qwen3 in PyTorch: what the C# backbone is checked against.

Parameters are a dict with Hugging Face's names; their dtype (float32 to train, float64 for expected values) is the precision; every operation is written out, batch first.
B batch, T tokens, D hidden, H heads, G key/value heads, Dh head size, V vocabulary.
"""
import math

import torch
import torch.nn.functional as F


def rms_norm(x, gain, eps):
    return gain * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)


def head_size(config):
    return config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]


def rope_tables(config, length, dtype):
    """cos and sin [T, Dh] of position * theta^(-2i/Dh); the second half of the columns repeats the first."""
    size = head_size(config)
    theta = float(config["rope_theta"] if "rope_theta" in config else config["rope_parameters"]["rope_theta"])
    inverse = 1.0 / theta ** (torch.arange(0, size, 2, dtype=torch.float64) / size)
    angle = torch.arange(length, dtype=torch.float64)[:, None] * inverse[None, :]
    angle = torch.cat([angle, angle], dim=-1)
    return angle.cos().to(dtype), angle.sin().to(dtype)


def rotate(x, cos, sin):
    """Rotary embedding, rotate-half form: (x1, x2) -> (x1 cos - x2 sin, x2 cos + x1 sin). x [B, H, T, Dh]."""
    half = x.shape[-1] // 2
    swapped = torch.cat([-x[..., half:], x[..., :half]], dim=-1)
    return x * cos + swapped * sin


def attention(params, prefix, config, x, cos, sin, mask):
    batch, length, _ = x.shape
    heads, groups, size = config["num_attention_heads"], config["num_key_value_heads"], head_size(config)

    def project(name, count):
        y = F.linear(x, params[f"{prefix}.{name}_proj.weight"], params.get(f"{prefix}.{name}_proj.bias"))
        return y.view(batch, length, count, size).transpose(1, 2)  # [B, H, T, Dh]

    q, k, v = project("q", heads), project("k", groups), project("v", groups)
    if f"{prefix}.q_norm.weight" in params:  # Qwen3: per-head norm before the rotation
        q = rms_norm(q, params[f"{prefix}.q_norm.weight"], config["rms_norm_eps"])
        k = rms_norm(k, params[f"{prefix}.k_norm.weight"], config["rms_norm_eps"])
    q, k = rotate(q, cos, sin), rotate(k, cos, sin)
    # Query head i reads key/value head i // (H / G).
    k, v = (t[:, :, None].expand(-1, -1, heads // groups, -1, -1).reshape(q.shape) for t in (k, v))
    scores = q @ k.transpose(-1, -2) / math.sqrt(size) + mask
    mixed = torch.softmax(scores, dim=-1) @ v
    return F.linear(mixed.transpose(1, 2).reshape(batch, length, heads * size), params[f"{prefix}.o_proj.weight"])


def swiglu(params, prefix, x):
    gate = F.silu(F.linear(x, params[f"{prefix}.gate_proj.weight"]))
    return F.linear(gate * F.linear(x, params[f"{prefix}.up_proj.weight"]), params[f"{prefix}.down_proj.weight"])


def forward(params, config, tokens):
    """tokens [B, T] -> hidden [B, T, D] after the final norm: the input of lm_head."""
    eps = config["rms_norm_eps"]
    length = tokens.shape[1]
    x = F.embedding(tokens, params["model.embed_tokens.weight"])
    cos, sin = rope_tables(config, length, x.dtype)
    mask = torch.full((length, length), float("-inf"), dtype=x.dtype).triu(1)
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        normed = rms_norm(x, params[f"{prefix}.input_layernorm.weight"], eps)
        x = x + attention(params, f"{prefix}.self_attn", config, normed, cos, sin, mask)
        normed = rms_norm(x, params[f"{prefix}.post_attention_layernorm.weight"], eps)
        x = x + swiglu(params, f"{prefix}.mlp", normed)
    return rms_norm(x, params["model.norm.weight"], eps)


def head_weight(params):
    """lm_head [V, D]; the embedding when they are tied."""
    return params.get("lm_head.weight", params["model.embed_tokens.weight"])


def logits(params, hidden):
    return F.linear(hidden, head_weight(params))


def parameter_shapes(config):
    """{name: shape} of the model that config describes, in the order of a checkpoint."""
    d, f, v = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    q = config["num_attention_heads"] * head_size(config)
    kv = config["num_key_value_heads"] * head_size(config)
    qwen3 = config["model_type"] == "qwen3"
    shapes = {"model.embed_tokens.weight": (v, d)}
    for layer in range(config["num_hidden_layers"]):
        p = f"model.layers.{layer}"
        shapes[f"{p}.input_layernorm.weight"] = (d,)
        for name, rows in (("q", q), ("k", kv), ("v", kv)):
            shapes[f"{p}.self_attn.{name}_proj.weight"] = (rows, d)
            if not qwen3:
                shapes[f"{p}.self_attn.{name}_proj.bias"] = (rows,)
        shapes[f"{p}.self_attn.o_proj.weight"] = (d, q)
        if qwen3:
            shapes[f"{p}.self_attn.q_norm.weight"] = (head_size(config),)
            shapes[f"{p}.self_attn.k_norm.weight"] = (head_size(config),)
        shapes[f"{p}.post_attention_layernorm.weight"] = (d,)
        shapes[f"{p}.mlp.gate_proj.weight"] = (f, d)
        shapes[f"{p}.mlp.up_proj.weight"] = (f, d)
        shapes[f"{p}.mlp.down_proj.weight"] = (d, f)
    shapes["model.norm.weight"] = (d,)
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (v, d)
    return shapes
