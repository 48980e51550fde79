#!/usr/bin/env python3
"""Makes tests/fixtures/checkpoint/types.safetensors, types.f32 and the folder sharded/.

types.safetensors holds a tensor of every number type, written by the `safetensors` package;
types.f32 the float32 values of those that Reverie reads, in alphabetical order. sharded/ is a
model folder as `huggingface_hub` splits it. Needs: pip install torch safetensors huggingface_hub
"""
import json
import os
import shutil

import torch
from huggingface_hub import save_torch_state_dict
from safetensors.torch import save_file

FOLDER = os.path.join(os.path.dirname(__file__), "..", "tests", "fixtures", "checkpoint")


def make_types():
    torch.manual_seed(3)
    values = torch.randn(5, 7, dtype=torch.float64) * 100
    tensors = {
        "bfloat16": values.bfloat16(), "float16": values.half(), "float32": values.float(),
        "float64": values, "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3),
        "rank5": torch.randn(2, 1, 3, 1, 2),
        "bool": values > 0, "int8": values.clamp(-99, 99).to(torch.int8), "uint8": values.abs().to(torch.uint8),
        "int16": values.to(torch.int16), "int32": values.to(torch.int32), "int64": values.to(torch.int64),
        "float8": values.to(torch.float8_e4m3fn),
    }
    save_file(tensors, os.path.join(FOLDER, "types.safetensors"), {"format": "pt"})
    readable = ["bfloat16", "empty", "float16", "float32", "float64", "rank5", "scalar"]
    with open(os.path.join(FOLDER, "types.f32"), "wb") as f:
        for name in readable:
            f.write(tensors[name].float().contiguous().numpy().tobytes())


def make_sharded():
    folder = os.path.join(FOLDER, "sharded")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    tensors = {f"layer.{i}.weight": torch.full((4, 8), float(i)) for i in range(5)}
    save_torch_state_dict(tensors, folder, max_shard_size=300)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump({"model_type": "test", "hidden_size": 8}, f)


if __name__ == "__main__":
    os.makedirs(FOLDER, exist_ok=True)
    make_types()
    make_sharded()
