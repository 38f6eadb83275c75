"""Writes results/measured.json into README.md, so that no number there is typed by hand.

    python scripts/readme_table.py            rewrites the section
    python scripts/readme_table.py --check    fails if it is out of date

The file is a list of tables: {"title", "machine", "command", "rows": [{column: value}]}.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README, RESULTS = ROOT / "README.md", ROOT / "results" / "measured.json"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def section() -> str:
    tables = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    return "\n\n".join(map(markdown, tables)) or "Nothing has been measured for this version yet."


def markdown(table: dict) -> str:
    columns = list(table["rows"][0])
    lines = [columns, ["---"] * len(columns), *(row.values() for row in table["rows"])]
    grid = "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
    return f"**{table['title']}**\n\n{grid}\n\n{table['machine']}. Again: `{table['command']}`"


def with_section(text: str, body: str) -> str:
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{body}\n\n{END}{after}"


def main() -> None:
    text = README.read_text()
    wanted = with_section(text, section())
    if "--check" in sys.argv and wanted != text:
        sys.exit("README.md is out of date: python scripts/readme_table.py")
    README.write_text(wanted)


if __name__ == "__main__":
    main()
