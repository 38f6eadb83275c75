"""The debugger tells layer by layer what quantization costs."""

from lowbit.int8.debug import compare_layers, compare_methods, table
from lowbit.int8.lower import Settings
from lowbit.int8.methods import METHODS


def test_fewer_bits_are_heard_in_every_layer(plain_case):
    model, batches = plain_case
    fine = compare_layers(model, batches)
    coarse = compare_layers(model, batches, settings=Settings(weight_bits=3))
    assert [r.name for r in fine] == [r.name for r in coarse]
    assert fine[-1].decibels > 25 > coarse[-1].decibels
    assert all(0.9 < r.cosine <= 1.000001 and 0 < r.codes_used <= 1 for r in fine)
    assert len(table(fine).splitlines()) == len(fine) + 1


def test_every_method_is_compared(plain_case):
    heard = compare_methods(*plain_case)
    assert [*heard] == [*METHODS]
    assert min(heard.values()) > 15
