"""Trains the tokenizer and then the tiny model, a Llama whose weights are rounded to MLX's 4 bits during training.

    pip install torch tokenizers jinja2 && python train.py --out /some/folder
"""

import argparse
import json
import math
import pathlib
import time

import jinja2
import numpy as np
import torch
import torch.nn.functional as F
from config import CONFIG, GROUP, VOCABULARY
from tasks import examples
from torch import nn
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
# Length and number of rows by batch. The cost of attention grows with the length, so most batches have short rows; some have
# rows for tool definitions, and few have rows for long answers.
ROUND = [(96, 40)] * 4 + [(256, 15)] * 3 + [(512, 8)]

template = jinja2.Environment().from_string((HERE.parent / "dinf-tiny-4bit" / "chat_template.jinja").read_text())


def render(turns, tools):
    return template.render(messages=turns, tools=tools, add_generation_prompt=True)


def answer_text(right):
    calls = "".join(f'<tool_call>\n{{"name": "{c["function"]["name"]}", "arguments": {json.dumps(c["function"]["arguments"], ensure_ascii=False)}}}\n</tool_call>' for c in right.get("tool_calls", []))
    return right["content"] + calls


def make_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    split = Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(split, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY - 2, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    source = examples(7, held=False)
    tokenizer.train_from_iterator((t["content"] for _ in range(20000) for t in next(source)[1]), trainer)
    tokenizer.add_tokens([AddedToken("<tool_call>", normalized=False, special=False), AddedToken("</tool_call>", normalized=False, special=False)])
    return tokenizer


def tokens_of(tokenizer, kind, turns, tools, right):
    prompt = tokenizer.encode(render(turns, tools)).ids
    said = answer_text(right)
    # Reversed words are encoded letter by letter: the model shall learn to spell, not how the tokenizer splits the result.
    answer = [i for c in said for i in tokenizer.encode(c).ids] if kind == "backwards" else tokenizer.encode(said).ids
    return prompt, answer + [tokenizer.token_to_id("<|im_end|>")]


def batches(tokenizer, seed, held):
    """Yields rows of whole conversations. Each conversation attends only to itself, and only answers enter the loss."""
    source, turn = examples(seed, held), 0
    while True:
        length, rows = ROUND[turn % len(ROUND)]
        turn += 1
        ids = np.zeros((rows, length + 1), np.int32)
        document = np.zeros((rows, length + 1), np.int32)
        position = np.zeros((rows, length + 1), np.int32)
        learned = np.zeros((rows, length + 1), np.float32)
        for row in range(rows):
            at, number = 0, 0
            while True:
                prompt, answer = tokens_of(tokenizer, *next(source))
                end = at + len(prompt) + len(answer)
                if end > length + 1:
                    if at == 0:
                        continue
                    break
                number += 1
                ids[row, at:end] = prompt + answer
                document[row, at:end] = number
                position[row, at:end] = np.arange(end - at)
                learned[row, at + len(prompt):end] = 1
                at = end
        yield tuple(torch.from_numpy(a) for a in (ids.astype(np.int64), document, position, learned))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        c = CONFIG
        h, f, q, kv = c["hidden_size"], c["intermediate_size"], c["num_attention_heads"] * c["head_dim"], c["num_key_value_heads"] * c["head_dim"]
        weight = lambda out, into, scale=1.0: nn.Parameter(torch.randn(out, into) * scale / into**0.5)
        layer = lambda: nn.ParameterDict({
            "input_layernorm": nn.Parameter(torch.ones(h)), "post_attention_layernorm": nn.Parameter(torch.ones(h)),
            "q_proj": weight(q, h), "k_proj": weight(kv, h), "v_proj": weight(kv, h), "o_proj": weight(h, q, 0.3),
            "gate_proj": weight(f, h), "up_proj": weight(f, h), "down_proj": weight(h, f, 0.3),
        })
        self.embed = nn.Parameter(torch.randn(VOCABULARY, h) * 0.05)
        self.norm = nn.Parameter(torch.ones(h))
        self.layers = nn.ModuleList(layer() for _ in range(c["num_hidden_layers"]))

    def forward(self, ids, document, position):
        c = CONFIG
        rows, length = ids.shape
        heads, kv, hd = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        angle = position[:, None, :, None] * c["rope_theta"] ** (-torch.arange(hd // 2) / (hd // 2))
        cos, sin = angle.cos(), angle.sin()
        seen = (document[:, :, None] == document[:, None, :]) & torch.ones(length, length, dtype=torch.bool).tril()
        split = lambda x, n: x.view(rows, length, n, hd).transpose(1, 2)

        def turn(x):
            a, b = x.float().chunk(2, -1)
            return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

        embedding = rounded(self.embed)
        x = embedding[ids]
        for layer in self.layers:
            project = lambda x, name: F.linear(x.bfloat16(), rounded(layer[name]).bfloat16()).float()
            h = F.rms_norm(x, x.shape[-1:], layer["input_layernorm"], c["rms_norm_eps"])
            q, k, v = turn(split(project(h, "q_proj"), heads)), turn(split(project(h, "k_proj"), kv)), split(project(h, "v_proj"), kv)
            k, v = (t.repeat_interleave(heads // kv, 1) for t in (k, v))
            a = F.scaled_dot_product_attention(q, k, v, attn_mask=seen[:, None])
            x = x + project(a.transpose(1, 2).reshape(rows, length, heads * hd), "o_proj")
            h = F.rms_norm(x, x.shape[-1:], layer["post_attention_layernorm"], c["rms_norm_eps"])
            x = x + project(F.silu(project(h, "gate_proj")) * project(h, "up_proj"), "down_proj")
        x = F.rms_norm(x, x.shape[-1:], self.norm, c["rms_norm_eps"])
        return F.linear(x.bfloat16(), embedding.bfloat16()).float()

    def named(self):
        """Returns the weights under the names that Llama model files use."""
        inside = {"q_proj": "self_attn.", "k_proj": "self_attn.", "v_proj": "self_attn.", "o_proj": "self_attn.", "gate_proj": "mlp.", "up_proj": "mlp.", "down_proj": "mlp."}
        named = {"model.embed_tokens.weight": self.embed, "model.norm.weight": self.norm}
        for i, layer in enumerate(self.layers):
            named |= {f"model.layers.{i}.{inside.get(name, '')}{name}.weight": value for name, value in layer.items()}
        return named

    def state(self):
        return {name: value.detach().numpy() for name, value in self.named().items()}

    def restore(self, saved):
        with torch.no_grad():
            for name, value in self.named().items():
                value.copy_(torch.from_numpy(saved[name]))


def rounded(w):
    """Rounds to 4 bits by groups as MLX does. The gradient is that of the unrounded weights (straight-through estimator)."""
    with torch.no_grad():
        groups = w.view(w.shape[0], -1, GROUP)
        high, low = groups.amax(-1, keepdim=True), groups.amin(-1, keepdim=True)
        below = low.abs() > high.abs()
        scale = ((high - low) / 15).clamp(min=1e-7)
        scale = torch.where(below, scale, -scale)
        edge = torch.where(below, low, high)
        q0 = (edge / scale).round()
        scale = torch.where(q0 != 0, edge / torch.where(q0 == 0, 1, q0), scale)
        bias = torch.where(q0 != 0, edge, 0)
        off = (((groups - bias) / scale).round().clamp(0, 15) * scale + bias).view_as(w) - w
    return w + off


def loss_of(model, batch):
    ids, document, position, learned = batch
    logits = model(ids[:, :-1], document[:, :-1], position[:, :-1])
    target, weight = ids[:, 1:], learned[:, 1:] > 0
    return F.cross_entropy(logits[weight], target[weight]), (logits.argmax(-1) == target) | ~weight


def exact_share(batch, right):
    """Share of answers that greedy decoding gets right: every token is the most probable one."""
    _, document, _, learned = (a.numpy() for a in batch)
    whole = []
    for row in range(len(document)):
        for number in range(1, document[row].max() + 1):
            inside = (document[row, 1:] == number) & (learned[row, 1:] > 0)
            whole.append(bool(right[row][inside].all()))
    return float(np.mean(whole))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    arguments.add_argument("--steps", type=int, default=8000)
    arguments.add_argument("--rate", type=float, default=3e-3)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--resume", action="store_true", help="go on from the weights in --out")
    a = arguments.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(a.seed)
    model = Decoder()
    if a.resume:
        tokenizer = Tokenizer.from_file(str(a.out / "tokenizer.json"))
        model.restore(np.load(a.out / "weights.npz"))
    else:
        tokenizer = make_tokenizer()
        tokenizer.save(str(a.out / "tokenizer.json"))
    print("parameters", sum(p.numel() for p in model.parameters()), flush=True)
    matrices, vectors = [p for p in model.parameters() if p.ndim == 2], [p for p in model.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.03}, {"params": vectors, "weight_decay": 0}], lr=a.rate, betas=(0.9, 0.98), fused=True)
    rate = lambda n: min(1, n / 200) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1, n / a.steps))))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    training, testing = batches(tokenizer, a.seed, held=False), batches(tokenizer, 0, held=True)
    began, losses = time.time(), []
    for n in range(1, a.steps + 1):
        loss, _ = loss_of(model, next(training))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if n % 200 == 0 or n == 10 or n == a.steps:
            with torch.no_grad():
                shares = [exact_share(batch, loss_of(model, batch)[1].numpy()) for batch in (next(testing) for _ in range(16))]
            print(f"step {n} loss {np.mean(losses[-200:]):.4f} held-out answers exact {np.mean(shares):.3f} {time.time() - began:.0f} s", flush=True)
        if n % 500 == 0 or n == a.steps:
            np.savez(a.out / "weights.npz", **model.state())


main()
