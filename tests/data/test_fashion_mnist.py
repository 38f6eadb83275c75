"""Fashion-MNIST: every source gives checked data, and the embedded subset is always there."""

import functools
import gzip
import http.server
import importlib.util
import logging
import shutil
import subprocess
import sys
import threading
from hashlib import sha256

import numpy as np
import pytest

from lowbit.data import DataError, fashion_mnist, load_fashion_mnist, load_fashion_mnist_subset
from lowbit.data.fashion_mnist import DEBIAN, FILES, SUBSET

has_pooch = pytest.mark.skipif(not importlib.util.find_spec("pooch"), reason="needs pooch")
has_debian = pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs dataset-fashion-mnist")


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A machine without the data set: an empty cache, no Debian package, no network."""
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")
    monkeypatch.setenv("LOWBIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LOWBIT_OFFLINE", "1")
    return tmp_path


@pytest.fixture
def upstream(nowhere, monkeypatch):
    """The subset served on the loopback device, as if it were upstream's files."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    served = nowhere / "served"
    shutil.copytree(SUBSET, served)
    handler = functools.partial(Quiet, directory=str(served))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    packed = {
        field: file._replace(packed=sha256((served / f"{file.name}.gz").read_bytes()).hexdigest())
        for field, file in FILES.items()
    }
    monkeypatch.setattr(fashion_mnist, "FILES", packed)
    monkeypatch.setattr(fashion_mnist, "UPSTREAM", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.delenv("LOWBIT_OFFLINE")
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_subset_is_balanced():
    data = load_fashion_mnist_subset()
    assert data.train_images.shape == (6000, 28, 28)
    assert data.test_images.shape == (1000, 28, 28)
    assert np.bincount(data.train_labels).tolist() == [600] * 10
    assert np.bincount(data.test_labels).tolist() == [100] * 10
    assert data.source == "embedded subset"


@has_debian
def test_the_subset_is_the_first_of_each_class_of_the_full_set():
    full, subset = load_fashion_mnist(DEBIAN), load_fashion_mnist_subset()
    assert full.train_images.shape == (60000, 28, 28)
    for split, count in {"train": 600, "test": 100}.items():
        labels = getattr(full, f"{split}_labels")
        chosen = np.sort(np.concatenate([np.flatnonzero(labels == c)[:count] for c in range(10)]))
        np.testing.assert_array_equal(labels[chosen], getattr(subset, f"{split}_labels"))
        images = getattr(full, f"{split}_images")[chosen]
        np.testing.assert_array_equal(images, getattr(subset, f"{split}_images"))


def test_offline_falls_back_to_the_subset_and_says_so_once(nowhere, caplog):
    with caplog.at_level(logging.WARNING):
        data = load_fashion_mnist()
    assert data.source == "embedded subset"
    (record,) = caplog.records
    assert "LOWBIT_OFFLINE=1" in record.getMessage()
    assert "embedded subset" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_the_cache_is_used_unpacked_or_packed(nowhere):
    cache = nowhere / "cache" / "fashion-mnist"
    shutil.copytree(SUBSET, cache)
    assert load_fashion_mnist().source == str(cache)
    for packed in cache.glob("*.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    assert load_fashion_mnist().source == str(cache)


def test_a_given_folder_must_hold_the_data(nowhere):
    with pytest.raises(DataError, match="no train-images-idx3-ubyte"):
        load_fashion_mnist(nowhere)


def test_an_altered_file_is_refused_by_name(nowhere):
    folder = nowhere / "altered"
    shutil.copytree(SUBSET, folder)
    victim = folder / "t10k-labels-idx1-ubyte.gz"
    raw = bytearray(gzip.decompress(victim.read_bytes()))
    raw[-1] ^= 1
    victim.write_bytes(gzip.compress(raw))
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz: not the published data"):
        load_fashion_mnist(folder)


@has_pooch
def test_a_download_is_cached(upstream):
    data = load_fashion_mnist()
    assert data.source.endswith("fashion-mnist")
    shutil.rmtree(upstream)
    again = load_fashion_mnist()
    np.testing.assert_array_equal(data.train_images, again.train_images)


@has_pooch
def test_an_altered_download_is_not_kept(upstream, caplog):
    victim = upstream / "train-labels-idx1-ubyte.gz"
    victim.write_bytes(gzip.compress(b"something else"))
    with caplog.at_level(logging.WARNING):
        assert load_fashion_mnist().source == "embedded subset"
    assert "hash" in caplog.text
    assert not list(upstream.parent.glob("cache/**/train-labels*"))


def test_loading_needs_no_torch():
    code = (
        "import sys; from lowbit.data import load_fashion_mnist_subset as load; load();"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
