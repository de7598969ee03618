"""Writes vectors of all-MiniLM-L6-v2 that transformers computes in 32 bits, as sentence-transformers does.

    pip install torch transformers && python make_golden.py FOLDER > golden.json

FOLDER has the files of the model. Each vector is the mean of the last layer over all tokens, scaled
to length 1 and rounded.
"""

import json
import sys

import torch
from transformers import AutoModel, AutoTokenizer

TEXTS = [
    "The river is cold.",
    "A train leaves at noon.",
    "THE RIVER is very cold today!",
    "Größe, café, naïve — 42 %",
    "東京は日本の首都です。",
    "Привет, мир! 안녕하세요 🙂",
    "a",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    " ".join(["word"] * 400),
    "x" * 150 + " [SEP-like] (brackets) https://example.com/a?b=c&d=e",
]
MOST_TOKENS = 256

folder = sys.argv[1]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
golden = []
for text in TEXTS:
    inputs = tokenizer(text, truncation=True, max_length=MOST_TOKENS, return_tensors="pt")
    with torch.no_grad():
        states = model(**inputs).last_hidden_state[0]
    vector = torch.nn.functional.normalize(states.mean(dim=0), dim=0)
    golden.append({
        "text": text,
        "tokens": inputs["input_ids"].shape[1],
        "vector": [round(value, 4) for value in vector.tolist()],
    })
print(json.dumps(golden, ensure_ascii=False))
