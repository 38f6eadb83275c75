"""What the README shows is what runs."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_python_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict = {}
    exec(compile(example, "README.md", "exec"), names)
    expected = names["model"](names["images"]).detach().numpy()
    assert np.array_equal(names["logits"], expected)


def test_the_measured_section_is_what_was_measured(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    path = ROOT / "scripts" / "readme_table.py"
    specification = importlib.util.spec_from_file_location("readme_table", path)
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    assert script.with_section(README, script.section()) == README


def test_the_line_that_ci_runs_is_marked_once():
    (command,) = re.findall(r"^<!-- ci: test -->\n```\n(.*?)\n```$", README, re.MULTILINE)
    assert command.endswith("pytest")
    assert "\n" not in command


@pytest.mark.parametrize(
    "named", sorted(set(re.findall(r"`((?:lowbit|tests|kernels)/\S*?)`", README)))
)
def test_the_files_it_names_exist(named):
    assert (ROOT / named).exists()
