"""OLLM in PyTorch: modules, losses and latent modes, with autograd. What the C# training is checked against.

Positions are flattened: N target positions, D hidden, K options, M latent width, V vocabulary.
"""
import math

import torch
import torch.nn.functional as F

import qwen


def parameter_shapes(d, options, width):
    return {
        "encoder.norm_hidden.weight": (d,), "encoder.norm_target.weight": (d,),
        "encoder.in.weight": (width, 2 * d), "encoder.in.bias": (width,),
        "encoder.out.weight": (options, width), "encoder.out.bias": (options,),
        "decoder.norm.weight": (d,), "decoder.in.weight": (width, d), "decoder.in.bias": (width,),
        "decoder.options.weight": (options, width), "decoder.out.weight": (d, width), "decoder.out.bias": (d,),
        "policy.norm.weight": (d,), "policy.in.weight": (width, d), "policy.in.bias": (width,),
        "policy.out.weight": (options, width), "policy.out.bias": (options,),
    }


def encoder(p, h, e, eps):
    """lq [N, K] from the hidden state and the embedding of the next token."""
    x = torch.cat([qwen.rms_norm(h, p["encoder.norm_hidden.weight"], eps),
                   qwen.rms_norm(e, p["encoder.norm_target.weight"], eps)], dim=-1)
    a = F.silu(F.linear(x, p["encoder.in.weight"], p["encoder.in.bias"]))
    return F.linear(a, p["encoder.out.weight"], p["encoder.out.bias"])


def decoder(p, h, z, eps):
    """h' [N, D] under the option z [N, K]."""
    x = qwen.rms_norm(h, p["decoder.norm.weight"], eps)
    a = F.silu(F.linear(x, p["decoder.in.weight"], p["decoder.in.bias"]) + z @ p["decoder.options.weight"])
    return h + F.linear(a, p["decoder.out.weight"], p["decoder.out.bias"])


def policy(p, h, eps):
    """lp [N, K]."""
    x = qwen.rms_norm(h, p["policy.norm.weight"], eps)
    a = F.silu(F.linear(x, p["policy.in.weight"], p["policy.in.bias"]))
    return F.linear(a, p["policy.out.weight"], p["policy.out.bias"])


def option_logits(p, head, h, eps):
    """[N, K, V]: the logits of every option."""
    options = p["encoder.out.bias"].shape[0]
    each = torch.eye(options, dtype=h.dtype)
    return torch.stack([F.linear(decoder(p, h, each[k].expand(len(h), -1), eps), head) for k in range(options)], dim=1)


def losses(p, head, h, e, y, eps, mode, noise=None):
    """(L_ce, L_kl, L_policy), each the mean over the N positions."""
    lq = encoder(p, h, e, eps)
    log_q = torch.log_softmax(lq, dim=-1)
    q = log_q.exp()
    if mode == "marginal":  # -log sum_k q_k p_k(y)
        log_p = torch.log_softmax(option_logits(p, head, h, eps), dim=-1)
        log_p_y = log_p.gather(-1, y[:, None, None].expand(-1, q.shape[1], 1))[..., 0]
        ce = -torch.logsumexp(log_q + log_p_y, dim=-1).mean()
    else:
        if mode == "soft":
            z = q
        else:  # straight-through Gumbel-softmax at temperature 1: hard one-hot forward, soft sample backward
            soft = torch.softmax(lq + noise, dim=-1)
            hard = F.one_hot(soft.argmax(-1), soft.shape[1]).to(soft.dtype)
            z = hard + soft - soft.detach()
        ce = F.cross_entropy(F.linear(decoder(p, h, z, eps), head), y)
    kl = (q * (log_q + math.log(q.shape[1]))).sum(-1).mean()
    policy_ce = -(q.detach() * torch.log_softmax(policy(p, h.detach(), eps), dim=-1)).sum(-1).mean()
    return ce, kl, policy_ce


def targets_of(backbone, config, rows):
    """h [N, D], e [N, D], y [N] of the target positions of some rows, row by row: token t of a row is a target when
    t >= max(prompt_length, 1); its h is the hidden state at t - 1."""
    hs, ys = [], []
    for row in rows:
        tokens = torch.tensor(row["tokens"])
        first = max(row["prompt_length"], 1)
        hs.append(qwen.forward(backbone, config, tokens[None])[0][first - 1:-1])
        ys.append(tokens[first:])
    y = torch.cat(ys)
    return torch.cat(hs), F.embedding(y, backbone["model.embed_tokens.weight"]), y
