"""Exports the weights of train.py in the 4-bit format of mlx-community, together with questions that the model was never trained on.

    pip install mlx numpy && python export.py --trained /some/folder
"""

import argparse
import json
import pathlib
import shutil

import mlx.core as mx
import numpy as np
from config import CONFIG, GROUP, VOCABULARY
from tasks import examples

HERE = pathlib.Path(__file__).parent
OUT = HERE.parent / "dinf-tiny-4bit"
QUESTIONS = 400

arguments = argparse.ArgumentParser()
arguments.add_argument("--trained", type=pathlib.Path, required=True)
trained = arguments.parse_args().trained

weights = {}
for name, value in np.load(trained / "weights.npz").items():
    value = mx.array(value)
    if value.ndim == 1:
        weights[name] = value.astype(mx.float16)
        continue
    # train.py already rounded to 4 bits in float32, so only storing scales and biases as float16 loses precision here.
    packed, scales, biases = mx.quantize(value, group_size=GROUP, bits=4)
    path = name.removesuffix(".weight")
    weights |= {name: packed, f"{path}.scales": scales.astype(mx.float16), f"{path}.biases": biases.astype(mx.float16)}
mx.save_safetensors(str(OUT / "model.safetensors"), weights, metadata={"format": "mlx"})

tokenizer = json.loads((trained / "tokenizer.json").read_text())
end = next(token["id"] for token in tokenizer["added_tokens"] if token["content"] == "<|im_end|>")
shutil.copy(trained / "tokenizer.json", OUT)
write = lambda name, value: (OUT / name).write_text(json.dumps(value, indent=2) + "\n")
write("config.json", dict(CONFIG, architectures=["LlamaForCausalLM"], model_type="llama", vocab_size=VOCABULARY, max_position_embeddings=2048, tie_word_embeddings=True, eos_token_id=end, quantization=dict(group_size=GROUP, bits=4)))
write("generation_config.json", dict(eos_token_id=end, do_sample=False))
write("tokenizer_config.json", dict(eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=2048))

source = examples(1234, held=True)
with (OUT / "held-out.jsonl").open("w") as file:
    for _ in range(QUESTIONS):
        kind, messages, tools, right = next(source)
        file.write(json.dumps(dict(kind=kind, messages=messages, **({"tools": tools} if tools else {}), right=right), ensure_ascii=False) + "\n")
