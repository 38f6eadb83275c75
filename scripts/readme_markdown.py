"""Tables as Markdown has them."""

from statistics import mean, stdev


def titled(title: str, head: list[str], rows: list[list[str]]) -> str:
    return f"{title}\n\n{table(head, rows)}"


def folded(title: str, head: list[str], rows: list[list[str]]) -> str:
    """A long table under a line that opens it; where nothing folds, simply the table."""
    return f"<details>\n<summary>{title}</summary>\n\n{table(head, rows)}\n\n</details>"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def over_seeds(values: list[float]) -> str:
    """The mean and, of more than one, the standard deviation."""
    spread = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
    return f"{mean(values):.2f}{spread}"


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"
