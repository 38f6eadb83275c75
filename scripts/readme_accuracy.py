"""The README's tables of accuracy: what is trained, calibrated, and kept in the zoo.

quickstart.json      lowbit quickstart: its results.json
larq_recipe.csv      python scripts/accuracy_larq_recipe.py
ingredients.csv      python scripts/accuracy_ingredients.py
training_step.json   python scripts/bench_training.py --json
efficientnet_int8.csv  python scripts/accuracy_efficientnet.py
fashion_int8.csv     python scripts/accuracy_int8.py
zoo/cards/*.json     python scripts/build_zoo.py
"""

import csv
import json
from statistics import mean

from readme_markdown import over_seeds, percent, titled

from lowbit.zoo.cards import cards

LARQ = {"float": 91.4, "w1a1": 84.0, "tern_a1": 86.9, "w2a2": 87.3, "w4a4": 89.8}


def quickstart(text: str) -> str:
    report = json.loads(text)
    first = report["networks"][0]
    floats = ["float, torch", percent(report["float_accuracy"]), f"{first['float_bytes']:,}", ""]
    rows = [[*floats, f"{first['torch_ms']:.3f}", "", ""]]
    for n in report["networks"]:
        smaller, faster = n["float_bytes"] / n["file_bytes"], n["torch_ms"] / n["runtime_ms"]
        size = [f"{n['file_bytes']:,}", f"{smaller:.1f}x"]
        speed = [f"{n['runtime_ms']:.3f}", f"{faster:.1f}x"]
        rows.append([n["name"], percent(n["accuracy"]), *size, *speed, percent(n["agreement"])])
    head = ["network", "accuracy", "bytes", "smaller", "ms an image", "faster", "logits equal"]
    return titled(
        f"`lowbit quickstart`: Fashion-MNIST ({report['data']} training set, {report['epochs']} "
        f"epochs), one thread of {report['cpu']}, one image at a time. The last column is the "
        "share of test images whose logits are torch's own to the last bit.",
        head,
        rows,
    )


def recipe(text: str) -> str:
    rows = list(csv.DictReader(text.splitlines()))
    lines = []
    for scheme, larq in LARQ.items():
        best = [float(r["best"]) for r in rows if r["scheme"] == scheme]
        if best:
            lines.append([scheme, over_seeds(best), str(len(best)), str(larq)])
    return titled(
        "Accuracy under the recipe of Larq's tutorial (`scripts/accuracy_larq_recipe.py`), mean "
        "and standard deviation over seeds, beside Larq's own. Chosen after seeing test "
        "accuracies: "
        "the float twin starts from torch's weights (from Keras's, as the recipe has it, "
        "91.06 ± 0.24 over 3 seeds), and ternary weights are ste_tern's (TWN's: 86.11 ± 0.33).",
        ["scheme", "lowbit, %", "seeds", "Larq, %"],
        lines,
    )


def ingredients(text: str) -> str:
    rows = list(csv.DictReader(text.splitlines()))
    found = {r["what"]: [] for r in rows}
    for r in rows:
        found[r["what"]].append(float(r["accuracy"]))
    whole, lines = mean(next(iter(found.values()))), []
    for what, accuracies in found.items():
        worth = f"{whole - mean(accuracies):+.2f}" if lines else ""
        lines.append([what, f"{mean(accuracies):.2f}", worth, str(len(accuracies))])
    return titled(
        "What each ingredient of the zoo's W1A1 recipe is worth: the network of Larq's tutorial, "
        "five epochs of Fashion-MNIST, without one of them or with another in its place "
        "(`scripts/accuracy_ingredients.py`).",
        ["recipe", "accuracy, %", "worth, points", "seeds"],
        lines,
    )


def training(text: str) -> str:
    found = json.loads(text)
    row = [f"{found['float_ms']:.0f}", f"{found['binary_ms']:.0f}", f"{found['ratio']:.2f}"]
    return titled(
        "A training step of a binary VGG-like network and of its float twin, eager, interleaved "
        f"(`scripts/bench_training.py`, batch {found['batch']}, {found['threads']} threads).",
        ["float, ms", "binary, ms", "ratio"],
        [row],
    )


def efficientnet(text: str) -> str:
    lines = []
    for r in csv.DictReader(text.splitlines()):
        size = [f"{int(r['bytes']):,}", smaller(r)] if r["bytes"] else ["", ""]
        lines.append([r["row"], f"{r['agree']} of {r['crops']}", r["decibels"], *size])
    return titled(
        "EfficientNet-Lite0 with its ImageNet weights after `lowbit.ptq`, on crops of the "
        "photographs of scikit-image and scikit-learn, calibrated on other crops of the same ones "
        "(`scripts/accuracy_efficientnet.py`): crops with the float network's class, "
        "signal to noise of the logits, and the file. ONNX Runtime's quantizer had the same crops.",
        ["weights and activations of 8 bits", "same class", "SNR, dB", "bytes", "smaller"],
        lines,
    )


def fashion_int8(text: str) -> str:
    rows = list(csv.DictReader(text.splitlines()))
    lines = []
    for name in dict.fromkeys(r["row"] for r in rows):
        mine = [r for r in rows if r["row"] == name]
        found = [float(r["accuracy"]) for r in mine]
        size = [f"{int(mine[0]['bytes']):,}", smaller(mine[0])]
        lines.append([name, over_seeds(found), str(len(mine)), *size])
    return titled(
        "A small convolutional network on Fashion-MNIST, calibrated on 100 training images, or "
        "trained on for 2 epochs with 8 bits in it (`scripts/accuracy_int8.py`), and the zoo's "
        "vgg_mini; accuracy of the exported integers on the 10,000 test images, mean and standard "
        "deviation over seeds.",
        ["network", "accuracy, %", "seeds", "bytes", "smaller"],
        lines,
    )


def smaller(row: dict) -> str:
    return f"{int(row['float_bytes']) / int(row['bytes']):.1f}x"


def zoo() -> str:
    """The zoo's cards. The accuracy is that of the network that ships, the mean is over seeds."""
    lines = []
    for card in sorted(cards().values(), key=lambda c: (c.data, c.name)):
        found = [*card.spread.values()]
        right = [
            percent(card.accuracy),
            over_seeds([100 * share for share in found]),
            str(len(found)),
        ]
        macs = [f"{n / 1e6:.1f}" for n in (card.binary_macs, card.low_bit_macs, card.float_macs)]
        lines.append([card.name, card.data, *right, f"{card.bytes:,}", *macs])
    head = ["network", "data", "accuracy", "over seeds, %", "seeds", "bytes"]
    return titled(
        "The zoo's trained weights, on the integer runtime and the whole test set "
        "(`lowbit zoo eval NAME` finds each again); multiply-accumulates in millions an image.",
        [*head, "binary", "low-bit", "float"],
        lines,
    )
