"""The mean of two exported folders' weights: ``python -m training.average --model A --model B --out DIR``.

Runs that began with the same weights can be averaged, tensor by tensor (Wortsman et al. 2022, "Model soups").
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    models = [load_file(folder / "model.safetensors") for folder in args.model]
    shutil.copytree(args.model[0], args.out)
    mean = {name: torch.stack([model[name].float() for model in models]).mean(0) for name in models[0]}
    tensors = {name: tensor.to(torch.bfloat16) for name, tensor in mean.items()}
    save_file(tensors, args.out / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main()
