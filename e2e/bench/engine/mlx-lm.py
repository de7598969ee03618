"""Measures mlx-lm in a process of its own: python3 mlx-lm.py <folder of a model> <work>.

`work` is the JSON of a Work, see against-rivals.ts. Prints the figures as JSON.
"""

import json
import resource
import sys
import time
from pathlib import Path

import mlx.core as mx
from mlx_lm.generate import generate_step
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import load_model

folder, work = Path(sys.argv[1]), json.loads(sys.argv[2])
model, _ = load_model(folder)


def tokens_of(count, start=0):
    return mx.array([((start + i) * 37 + 11) % 4000 for i in range(count)])


def read(cache, count, start=0):
    """Reads tokens in steps, and computes the logits of the last token of each step."""
    for at in range(0, count, work["step"]):
        tokens = tokens_of(min(work["step"], count - at), start + at)
        for _ in generate_step(tokens, model, max_tokens=0, prompt_cache=cache):
            pass


def generate(cache, tokens, count, first=lambda: None):
    for i, _ in enumerate(generate_step(tokens, model, max_tokens=count, prompt_cache=cache)):
        if i == 0:
            first()


def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def stopwatch():
    began, cpu = time.perf_counter(), used()
    return lambda: {"ms": 1_000 * (time.perf_counter() - began), "cpuMs": 1_000 * (used() - cpu)}


figures = {}
read(make_prompt_cache(model), work["step"])
for count in work["prompts"]:
    cache = make_prompt_cache(model)
    stop = stopwatch()
    read(cache, count)
    figures[f"prompt of {count}"] = stop()


def begin():
    global stop
    stop = stopwatch()


generate(make_prompt_cache(model), tokens_of(16), work["decoded"] + 1, begin)
figures["decode"] = stop()
cache = make_prompt_cache(model)
read(cache, work["prefix"])
stop = stopwatch()
generate(cache, tokens_of(work["question"], work["prefix"]), work["answer"])
figures[f"answer after a held prefix of {work['prefix']}"] = stop()
print(json.dumps(figures))
