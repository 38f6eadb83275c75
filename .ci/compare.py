"""What `lowbit run` printed and computed without torch is what torch computed."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
torch_side = json.loads((folder / "torch.json").read_text())
here = json.loads((folder / "run.json").read_text())
assert find_spec("torch") is None, "this environment has torch"
assert {key: here[key] for key in torch_side} == torch_side, (here, torch_side)
assert here["accuracy"] == here["correct"] / here["images"] > 0.5, here
expected, found = np.load(folder / "torch_logits.npy"), np.load(folder / "logits.npy")
assert expected.dtype == found.dtype, (expected.dtype, found.dtype)
assert expected.tobytes() == found.tobytes(), "the logits differ"
print(f"without torch: {here['correct']} of {here['images']} right, every logit equal to torch's")
