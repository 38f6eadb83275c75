"""`lowbit zoo`: the architectures and trained weights that are known, without torch."""

import dataclasses
import time
from typing import Annotated

import typer

from lowbit import zoo
from lowbit.cli.output import AsJson, print_json, print_lines, print_table
from lowbit.zoo import Architecture, Card
from lowbit.zoo.cards import Measured

app = typer.Typer(
    no_args_is_help=True, help="Published networks: list, show, fetch and evaluate them."
)
Name = Annotated[str, typer.Argument(help="An architecture, or trained weights as arch.tag.")]
HEADERS = ("name", "bits", "input", "classes", "accuracy", "bytes", "MACs", "paper")


@app.command("list")
def list_(
    pattern: Annotated[str, typer.Argument(help="Such as '*w1a1*' or 'resnet*'.")] = "*",
    trained: Annotated[bool, typer.Option("--trained", help="Trained weights alone.")] = False,
    as_json: AsJson = False,
) -> None:
    """List architectures, and the weights that were trained for them."""
    found = [described(name) for name in zoo.list_models(pattern, trained)]
    if as_json:
        print_json({"models": [dataclasses.asdict(entry) for entry in found]})
    elif found:
        print_table(HEADERS, [row(entry) for entry in found])
    else:
        print_lines([f"nothing matches {pattern!r}"])


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show all that is known of an architecture, or the card of trained weights."""
    entry = dataclasses.asdict(described(name))
    if as_json:
        print_json(entry)
    else:
        said = {key: worded(value) for key, value in entry.items()}
        width = max(map(len, said))
        print_lines([f"{key:{width}}  {value}" for key, value in said.items() if value])


@app.command()
def fetch(name: Name, as_json: AsJson = False) -> None:
    """Bring trained weights to this machine, and check them; prints where the files are."""
    from lowbit.zoo.fetch import located

    card = zoo.card(name)
    known = {"graph": card.graph, "weights": card.weights}
    files = {key: str(located(file)) for key, file in known.items() if file}
    if as_json:
        print_json({"name": name, **files})
    else:
        print_lines([*files.values()])


@app.command("eval")
def evaluate(name: Name, as_json: AsJson = False) -> None:
    """Measure trained weights again: the integer network on the whole test set.

    Exits with status 1 if what it reaches is not what its card says.
    """
    from lowbit.zoo.evaluate import measure

    card, network = zoo.card(name), zoo.load(name, batch=64)
    start = time.perf_counter()
    found = measure(network, card.data, card.preprocess)
    seconds, same = time.perf_counter() - start, found == card.measured
    if as_json:
        both = {"measured": dataclasses.asdict(found), "card": dataclasses.asdict(card.measured)}
        print_json({"name": name, **both, "same": same, "seconds": seconds})
    else:
        said = "as on its card" if same else f"its card says {reached(card.measured)}"
        print_lines([f"{name}: {reached(found)} of {card.data} in {seconds:.1f} s", said])
    if not same:
        raise typer.Exit(1)


def reached(found: Measured) -> str:
    if found.bits_per_byte is None:
        return f"{found.accuracy:.2%} of {found.test_images:,} images"
    bytes_ = f"{found.accuracy:.2%} of {found.test_images:,} bytes"
    return f"{found.bits_per_byte} bits a byte, {bytes_}"


def worded(value: object) -> str:
    """As a person reads it; what is not said is empty."""
    if isinstance(value, dict):
        known = {key: worded(part) for key, part in value.items()}
        return ", ".join(f"{key} {part}" for key, part in known.items() if part)
    if isinstance(value, tuple):
        return " x ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)


def described(name: str) -> Architecture | Card:
    return zoo.card(name) if "." in name else zoo.architecture(name)


def row(entry: Architecture | Card) -> list:
    sides = "x".join(map(str, entry.input))
    head = [entry.name, entry.bits, sides, entry.classes]
    if isinstance(entry, Architecture):
        return [*head, "", "", "", entry.paper]
    macs = entry.binary_macs + entry.low_bit_macs + entry.float_macs
    return [*head, f"{entry.accuracy:.2%}", entry.bytes, macs, entry.paper]
