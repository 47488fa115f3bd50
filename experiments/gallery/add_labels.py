#!/usr/bin/env python
"""Begin the training of a conditional TGAN with what a TGAN has learned.

  python experiments/train.py --config conditional_tgan_moving_digit_32_cpu --iterations 1 --out results/begun
  python experiments/gallery/add_labels.py results/tgan_moving_digit_32_cpu/snapshot_iter_5000.npz \\
      results/begun/snapshot_iter_1.npz results/conditional
  python experiments/train.py --out results/conditional --resume --iterations 8000

The conditional networks get the weights of the TGAN and the states of its optimizers; weights for a label,
in G0, D and the first deconvolution of G1, begin at zero, and the rest is as it was begun. The result goes on
from the TGAN's iteration.
"""

import json
import os
import sys

import numpy as np

WITH_LABELS = "temporal_generator/deconv0/W", "image_generator/deconv1/W", "conv1/W"


def main():
    source, begun, out = sys.argv[1:]
    old, new = read(source), read(begun)
    metadata, facts = (json.loads(str(arrays.pop("metadata"))) for arrays in (new, old))
    for key, array in new.items():
        if key not in old:  # of the label's own branch in G1
            continue
        if array.shape == old[key].shape:
            new[key] = old[key]
        elif key.removesuffix("/ms").endswith(WITH_LABELS):  # labels come last among the inputs
            wider = np.zeros_like(array)
            wider[tuple(map(slice, old[key].shape))] = old[key]
            new[key] = wider
        else:
            sys.exit(f"{key} is {old[key].shape} and {array.shape}: these are not the same networks")
    metadata |= {key: facts[key] for key in ("iteration", "random_states", "wall_time")}
    os.makedirs(out)
    path = os.path.join(out, f"snapshot_iter_{facts['iteration']}.npz")
    np.savez(path, **new, metadata=np.array(json.dumps(metadata)))
    print(path)


def read(path):
    with np.load(path) as file:
        return {key: file[key] for key in file.files}


if __name__ == "__main__":
    main()
