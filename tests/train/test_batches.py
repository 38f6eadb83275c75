"""Batches: every sample where it belongs, the order a pure function of seed and epoch."""

from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lowbit.train.augment import Augment
from lowbit.train.batches import Batches, Shard, words


def numbered(count, size, **how):
    """Batches of images that carry their number in the first two pixels."""
    images = np.zeros((count, 1, 3), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.arange(count) % 256, np.arange(count) // 256
    return Batches(images, np.arange(count, dtype=np.uint8) % 10, size, **how)


def numbers(batches):
    return [
        (x[:, 0, 0, :2].mul(255).round().long() @ torch.tensor([1, 256])).tolist()
        for x, _ in batches
    ]


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 4))
def test_evaluation_gives_every_sample_once_and_as_many_batches_to_each_rank(count, size, world):
    assume(count >= -(-count // (size * world)) * world)
    ranks = [numbers(numbered(count, size, shard=Shard(r, world))) for r in range(world)]
    assert len({len(batches) for batches in ranks}) == 1
    sizes = [len(batch) for batches in ranks for batch in batches]
    assert max(sizes) <= size
    assert min(sizes) >= 1
    assert sorted(i for batches in ranks for batch in batches for i in batch) == list(range(count))


@settings(deadline=None)
@given(st.integers(40, 300), st.integers(1, 10), st.integers(1, 4), st.integers(0, 5))
def test_ranks_cut_up_the_batches_of_one_process(count, size, world, epoch):
    def at():
        return epoch, 0

    whole = numbers(numbered(count, size * world, seed=1, position=at))
    ranks = [
        numbers(numbered(count, size, seed=1, shard=Shard(r, world), position=at))
        for r in range(world)
    ]
    joined = [list(chain.from_iterable(parts)) for parts in zip(*ranks, strict=True)]
    assert joined == whole
    assert {len(batch) for batch in whole} == {size * world}
    flat = list(chain.from_iterable(whole))
    assert len(set(flat)) == len(flat) == count // (size * world) * size * world


def test_the_order_depends_on_seed_and_epoch_only():
    one, same, other = (numbered(500, 50, seed=s) for s in (3, 3, 4))
    assert one.order(2).tolist() == same.order(2).tolist()
    assert one.order(2).tolist() != one.order(1).tolist()
    assert one.order(2).tolist() != other.order(2).tolist()


def test_the_stream_of_words_is_pinned():
    """A change here would change every published training run."""
    assert words(3, 0, 0, 0).tolist() == [
        259491006799949737,
        4754966410622352325,
        8698845897610382596,
    ]


@pytest.mark.parametrize("first", [0, 1, 4])
def test_resuming_continues_where_the_epoch_stood(first):
    augment = Augment(shift=1, flip=True)
    whole = list(numbered(250, 50, seed=7, augment=augment, position=lambda: (3, 0)))
    rest = list(numbered(250, 50, seed=7, augment=augment, position=lambda: (3, first)))
    assert len(rest) == 5 - first
    for (x, y), (x_again, y_again) in zip(whole[first:], rest, strict=True):
        assert torch.equal(x, x_again)
        assert torch.equal(y, y_again)


def test_after_a_whole_epoch_it_begins_anew():
    assert len(list(numbered(250, 50, seed=7, position=lambda: (0, 5)))) == 5


def test_pixels_are_k_over_255_rounded_once():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    ((x, y),) = Batches(images, np.zeros(1, np.uint8), 1)
    assert x.shape == (1, 1, 16, 16)
    assert x.dtype == torch.float32
    assert y.dtype == torch.int64
    assert x.flatten().tolist() == [float(np.float32(k / 255)) for k in range(256)]


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="do not fill a batch of 8 x 2"):
        numbered(15, 8, seed=0, shard=Shard(0, 2))


def test_more_ranks_than_samples_are_refused():
    with pytest.raises(ValueError, match="do not fill"):
        numbered(3, 8, shard=Shard(0, 4))


@given(st.integers(0, 3), st.booleans(), st.integers(0, 2**32 - 1))
def test_augmentation_moves_and_mirrors(shift, flip, seed):
    rng = np.random.default_rng(seed)
    images = rng.integers(1, 256, (4, 5, 6), np.uint8)
    chance = rng.integers(0, 2**64, 4, np.uint64)
    got = Augment(shift, flip)(images, chance)
    padded = np.pad(images, ((0, 0), (shift, shift), (shift, shift)))
    for image, source, word in zip(got, padded, chance.tolist(), strict=True):
        dy, dx = word % (2 * shift + 1), (word >> 24) % (2 * shift + 1)
        want = source[dy : dy + 5, dx : dx + 6]
        np.testing.assert_array_equal(image, want[:, ::-1] if flip and word >> 63 else want)
