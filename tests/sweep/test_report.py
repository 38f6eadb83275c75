"""The report: its numbers are the store's, its page opens anywhere, its plots are drawn."""

import csv
import re
import shutil
import statistics
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lowbit.sweep.report.front import front
from lowbit.sweep.report.rows import TIMED, Mean, groups, rows, steadied
from lowbit.sweep.report.tables import TRIAL

POINTS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(POINTS)
def test_a_front_is_what_nothing_beats(points):
    found = front(points, lambda p: p[0], lambda p: p[1])
    for x, y in points:
        beaten = any(a <= x and b >= y and (a, b) != (x, y) for a, b in points)
        assert ((x, y) in found) != beaten
    assert found == sorted(found)
    assert len(set(found)) == len(found)


@pytest.fixture(scope="module")
def swept(toy, tmp_path_factory):
    """18 trials of 9 schemes, and two that failed."""
    failing = [{**toy.config(0), "seed": seed} for seed in (-1, -2)]
    folder = tmp_path_factory.mktemp("store")
    return toy.swept(folder, toy.configs(18) + failing, toy.Settings("inline"))


@pytest.fixture(scope="module")
def report(swept, tmp_path_factory) -> Path:
    pytest.importorskip("plotly", reason="the report's extra is not installed")
    return swept.write_report(tmp_path_factory.mktemp("report"))


class Tables(HTMLParser):
    """The cells of every table of a page, by the table's id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, list[list[str]]] = {}
        self.name, self.inside = "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self.name = dict(attributes).get("id") or ""
            self.found.setdefault(self.name, [])
        if tag == "tr":
            self.found[self.name].append([])
        if tag in ("td", "th"):
            self.inside = True
            self.found[self.name][-1].append("")

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.found[self.name][-1][-1] += data


def test_groups_are_over_seeds(swept):
    found = groups(rows(swept.done.values()))
    assert [g.seeds for g in found] == [2] * 9
    for g in found:
        members = [
            r["result"]["accuracy"]
            for r in swept.done.values()
            if (r["result"]["bits"]["weight"], r["result"]["bits"]["input"])
            == (g.weight_bits, g.input_bits)
        ]
        assert g.accuracy.value == statistics.fmean(members)
        assert g.accuracy.spread == statistics.stdev(members)


def test_one_seed_has_no_spread():
    assert f"{Mean.of([0.25, 0.75]):.1%}" == "50.0%\u00a0±\u00a035.4%"
    assert f"{Mean.of([0.5]):.1%}" == "50.0%"


def assert_table_is_the_stores(text: str, swept) -> None:
    head, *body = Tables(text).found["trials"]
    assert len(body) == len(swept.done) == 18
    expected = sorted(
        (record["config"]["seed"], f"{record['result']['bytes']:,}",
         f"{record['result']['accuracy']:.4f}")
        for record in swept.done.values()
    )  # fmt: skip
    columns = [head.index(name) for name in ("seed", "bytes", "accuracy")]
    shown = sorted((int(row[columns[0]]), row[columns[1]], row[columns[2]]) for row in body)
    assert shown == expected
    said_once = {"model", "threads", "batch"}
    assert head == [name.replace("_", " ") for name in TRIAL if name not in said_once]
    assert "In all rows: model mine:net, threads 1, batch 1." in text


def test_the_page_says_what_the_store_says(report, swept):
    assert_table_is_the_stores(report.read_text(), swept)


def test_the_csv_says_what_the_store_says(report, swept):
    with (report.parent / "trials.csv").open(newline="") as file:
        found = {row["key"]: row for row in csv.DictReader(file)}
    assert found.keys() == swept.done.keys()
    for key, record in swept.done.items():
        assert float(found[key]["accuracy"]) == record["result"]["accuracy"]
        assert int(found[key]["bytes"]) == record["result"]["bytes"]
        assert found[key]["command"].startswith("lowbit sweep --model mine:net --scheme")
    assert set(TIMED) < set(next(iter(found.values())))


def test_the_page_needs_no_other_file(report):
    """Nothing is fetched: plotly.js itself names addresses, in maps that are not drawn."""
    text = report.read_text()
    scripts = [len(s) for s in re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)]
    assert max(scripts) > 1_000_000
    outside = re.sub(r"<script[^>]*>.*?</script>", "", text, flags=re.DOTALL)
    targets = re.findall(r"""(?:src|href)=["']?([^"'>\s]*)""", outside)
    assert all(target.startswith(("#", "data:")) for target in targets)
    assert "@import" not in outside
    assert 'name="viewport"' in outside


def test_failures_and_their_tracebacks_are_told(report):
    for name in ("report.html", "report.md"):
        text = (report.parent / name).read_text()
        assert "ArithmeticError: seed -1" in text
        assert "Traceback (most recent call last)" in text


def test_markdown_shows_every_plot(report):
    text = (report.parent / "report.md").read_text()
    linked = set(re.findall(r"\((\w+\.svg)\)", text))
    assert linked == {path.name for path in report.parent.glob("*.svg")}
    assert len(linked) == 3
    assert len(re.findall(r"^lowbit sweep ", text, re.MULTILINE)) == 18


def test_what_a_file_says_is_text(toy, tmp_path):
    pytest.importorskip("plotly", reason="the report's extra is not installed")
    config = toy.config(0)
    hostile = "<img src=x onerror=alert(1)>"
    config["model"]["name"] = hostile
    page = toy.swept(tmp_path, [config], toy.Settings("inline")).write_report(tmp_path / "report")
    assert hostile not in re.sub(r"<script[^>]*>.*?</script>", "", page.read_text(), flags=re.S)


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.mark.slow
def test_a_browser_draws_it(report, swept, tmp_path):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium here")
    ran = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *("--enable-logging=stderr", "--virtual-time-budget=20000"),
            *(f"--user-data-dir={tmp_path}", "--host-resolver-rules=MAP * ~NOTFOUND"),
            report.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert "CONSOLE" not in ran.stderr, ran.stderr
    assert_table_is_the_stores(ran.stdout, swept)
    assert ran.stdout.count('class="main-svg"') >= 3
    assert ran.stdout.count('class="point"') + ran.stdout.count('class="points"') >= 2
    assert 'class="heatmaplayer' in ran.stdout or "hm" in ran.stdout


def test_times_are_on_one_scale():
    """A run in an hour in which everything took twice as long counts as the others."""
    same = {"model": "m", "data": "d", "threads": 1, "batch": 1}
    times = [(1.0, 4.0), (2.2, 8.0), (1.0, 4.0), (9.0, 4.4)]
    found = steadied([{**same, "ms": ms, "torch_ms": torch} for ms, torch in times])
    assert [row["torch_ms"] for row in found] == [4.2] * 4
    assert [row["ms"] for row in found] == pytest.approx([1.05, 1.155, 1.05, 9 / 4.4 * 4.2])
    other = {**same, "model": "n", "ms": 3.0, "torch_ms": 30.0}
    assert steadied([other, found[0]])[0] == other
