"""Decoding in plain PyTorch with every address fixed, one token a step, captured into a CUDA graph: what PyTorch's own kernels reach without
Python in between. Takes the weights of a loaded Qwen2 or Qwen3 model of transformers, and nothing else of it: caches and `generate` differ from
version to version, the weights' names do not."""
import torch
import torch.nn.functional as F


class GraphDecoder:
    def __init__(self, model, length):
        config, device = model.config, model.lm_head.weight.device
        rope = getattr(config, "rope_parameters", None) or {}
        self.heads, self.kv_heads, self.epsilon = config.num_attention_heads, config.num_key_value_heads, config.rms_norm_eps
        self.size = getattr(config, "head_dim", None) or config.hidden_size // self.heads
        theta = rope.get("rope_theta") or getattr(config, "rope_theta", None) or 10000.0
        self.embedding, self.norm, self.head = model.get_input_embeddings().weight, model.model.norm.weight, model.lm_head.weight
        self.layers = [self.layer(module) for module in model.model.layers]
        frequencies = theta ** (-torch.arange(0, self.size, 2, device=device).float() / self.size)
        angles = torch.outer(torch.arange(length, device=device).float(), frequencies)
        self.cosines, self.sines = torch.cat([angles.cos()] * 2, -1), torch.cat([angles.sin()] * 2, -1)
        cache = (len(self.layers), self.kv_heads, length, self.size)
        self.keys, self.values = (torch.zeros(cache, device=device, dtype=self.head.dtype) for _ in range(2))
        self.places = torch.arange(length, device=device)
        self.token, self.position = (torch.zeros(1, dtype=torch.long, device=device) for _ in range(2))
        self.graph = None

    def layer(self, module):
        attention, mlp = module.self_attn, module.mlp
        projections = [attention.q_proj, attention.k_proj, attention.v_proj]
        # One product where inputs are shared, as an engineer would do it by hand.
        return {
            "norm": module.input_layernorm.weight, "qkv": torch.cat([p.weight for p in projections]),
            "bias": torch.cat([p.bias for p in projections]) if projections[0].bias is not None else None,
            "q_norm": getattr(attention, "q_norm", None), "k_norm": getattr(attention, "k_norm", None), "o": attention.o_proj.weight,
            "mlp_norm": module.post_attention_layernorm.weight, "gate_up": torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]), "down": mlp.down_proj.weight,
        }

    def normed(self, x, weight):
        return F.rms_norm(x, (x.shape[-1],), weight, self.epsilon)

    def turned(self, x, cosine, sine):
        first, second = x.chunk(2, -1)
        return (x * cosine + torch.cat([-second, first], -1) * sine).to(x.dtype)

    def step(self):
        cosine, sine = self.cosines[self.position], self.sines[self.position]
        mask = torch.where(self.places <= self.position, 0.0, float("-inf"))
        x = self.embedding[self.token]
        for index, layer in enumerate(self.layers):
            qkv = F.linear(self.normed(x, layer["norm"]), layer["qkv"], layer["bias"]).view(-1, self.size)
            q, k, v = qkv.split([self.heads, self.kv_heads, self.kv_heads])
            if layer["q_norm"] is not None:
                q, k = self.normed(q, layer["q_norm"].weight), self.normed(k, layer["k_norm"].weight)
            q, k = self.turned(q, cosine, sine), self.turned(k, cosine, sine)
            keys, values = self.keys[index], self.values[index]
            keys.index_copy_(1, self.position, k.unsqueeze(1))
            values.index_copy_(1, self.position, v.unsqueeze(1))
            scores = q.view(self.kv_heads, -1, self.size) @ keys.transpose(1, 2)
            weights = torch.softmax(scores.float() * self.size ** -0.5 + mask, -1).to(values.dtype)
            x = x + F.linear((weights @ values).reshape(1, -1), layer["o"])
            gate, up = F.linear(self.normed(x, layer["mlp_norm"]), layer["gate_up"]).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, layer["down"])
        self.token.copy_(F.linear(self.normed(x, self.norm), self.head).argmax(-1))
        self.position.add_(1)

    def capture(self):
        """Warms up on a stream of its own, as capturing asks for, and records one step."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.step()

    def run(self, tokens):
        self.position.zero_()
        for _ in range(tokens):
            self.step() if self.graph is None else self.graph.replay()
