"""Tables as Markdown has them."""


def titled(title: str, head: list[str], rows: list[list[str]]) -> str:
    return f"{title}\n\n{table(head, rows)}"


def folded(title: str, head: list[str], rows: list[list[str]]) -> str:
    """A long table under a line that opens it; where nothing folds, simply the table."""
    return f"<details>\n<summary>{title}</summary>\n\n{table(head, rows)}\n\n</details>"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"
