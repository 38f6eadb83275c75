"""Files that lie: damaged ones, and ones whose hash is right and whose content is not."""

import json

import numpy as np
import pytest
from safetensors.numpy import save as plain_safetensors

from lowbit.pack import FormatError, parse


def put(*path_and_value):
    """A change that sets one place of the description."""
    *path, last, value = path_and_value

    def change(description, _tensors):
        for step in path:
            description = description[step]
        description[last] = value

    return change


def drop(key):
    return lambda description, _tensors: description.pop(key) and None


def again(part, index=0):
    return lambda description, _tensors: description[part].append(description[part][index])


def store(name, change):
    def changed(_description, tensors):
        tensors[name] = change(tensors[name])

    return changed


def text(change):
    """A change to the text of the JSON."""
    return lambda description, _tensors: change(json.dumps(description))


def reach_into_the_tail(row):
    row = row.copy()
    row[-1] |= 0x80
    return row


CONV, THRESHOLD, POOL, RESHAPE, LINEAR, MUL, CLAMP = range(7)
STEM, SCALE, HEAD = 3, 2, 1  # the constants, in order of name: falling, head, scale, stem, ...

HOSTILE = {
    "no version": (drop("format"), "format version"),
    "a version to come": (put("format", 2), "format 2 is not known to this lowbit"),
    "a version that is true": (put("format", True), "format True is not known"),
    "a version that is 1.0": (put("format", 1.0), "format 1.0 is not known"),
    "a missing part": (drop("notes"), "has the keys"),
    "a part too many": (put("script", "import os"), "has the keys"),
    "a list": (text(lambda _: "[]"), "format version"),
    "no JSON": (text(lambda _: "{"), "the graph is not valid JSON"),
    "a repeated key": (text(lambda t: '{"format":1,' + t[1:]), "a key is repeated"),
    "a deep nest": (text(lambda _: "[" * 10**6), "the graph is not valid JSON"),
    "an endless number": (text(lambda _: "1" * 10**5), "the graph is not valid JSON"),
    "nodes that are none": (put("nodes", None), "nodes is a list"),
    "a node that is none": (put("nodes", CONV, None), "a node is a list of 5"),
    "a node cut short": (put("nodes", CONV, ["conv"]), "a node is a list of 5"),
    "an unknown operator": (put("nodes", CONV, 0, "exec"), "no operator 'exec'"),
    "an operator that is a path": (put("nodes", CONV, 0, "os.system"), "no operator"),
    "an operator that is a list": (put("nodes", CONV, 0, ["conv"]), "a node's names"),
    "a missing attribute": (put("nodes", CONV, 1, {}), "conv has the attributes"),
    "attributes that are a list": (put("nodes", CONV, 1, []), "conv has the attributes"),
    "attributes of another": (put("nodes", POOL, 1, {"lo": 1}), "max_pool has the attributes"),
    "groups that are a float": (put("nodes", CONV, 1, "groups", 1.0), "conv.groups is"),
    "groups that are true": (put("nodes", CONV, 1, "groups", True), "conv.groups is"),
    "groups of 0": (put("nodes", CONV, 1, "groups", 0), "groups >= 1"),
    "negative groups": (put("nodes", CONV, 1, "groups", -1), "groups >= 1"),
    "a stride of 0": (put("nodes", CONV, 1, "stride", [0, 1]), "stride"),
    "a negative stride": (put("nodes", POOL, 1, "stride", [-1, 1]), "stride"),
    "a stride too many": (put("nodes", CONV, 1, "stride", [1, 1, 1]), "one stride"),
    "a stride that is text": (put("nodes", CONV, 1, "stride", "11"), "conv.stride is a list"),
    "a thousand strides": (put("nodes", CONV, 1, "stride", [1] * 1000), "short list"),
    "a huge dilation": (put("nodes", CONV, 1, "dilation", [2**31, 1]), "the kernel fits"),
    "a huger dilation": (put("nodes", CONV, 1, "dilation", [2**40, 1]), "short list"),
    "negative padding": (put("nodes", CONV, 1, "padding", [[-1, 0], [0, 0]]), "padding"),
    "padding by threes": (put("nodes", CONV, 1, "padding", [[0] * 3] * 2), "list of 2"),
    "huge padding": (put("nodes", CONV, 1, "padding", [[2**30, 0], [0, 0]]), "padding"),
    "a pad value between": (put("nodes", CONV, 1, "pad_value", 256), "pad value"),
    "an empty kernel": (put("nodes", POOL, 1, "kernel", []), "one stride"),
    "a negative side": (put("nodes", RESHAPE, 1, "shape", [-45]), "holds as many"),
    "sides that overflow": (put("nodes", RESHAPE, 1, "shape", [2**31] * 4), "holds as many"),
    "a threshold of no step": (put("nodes", THRESHOLD, 1, "step", 0), "not an integer alphabet"),
    "a threshold of 4 levels": (put("nodes", THRESHOLD, 1, "hi", 5), "3 thresholds a channel"),
    "a bound that is NaN": (put("nodes", CLAMP, 1, "lo", float("nan")), "clamp.lo is a finite"),
    "an infinite bound": (put("nodes", CLAMP, 1, "hi", float("inf")), "clamp.hi is a finite"),
    "a bound beyond float32": (put("nodes", CLAMP, 1, "hi", 1e300), "clamp.hi is a finite"),
    "a bound of many digits": (put("nodes", CLAMP, 1, "hi", 10**400), "clamp.hi is a finite"),
    "bounds that cross": (put("nodes", CLAMP, 1, "hi", -9.0), "-8.0 <= -9.0"),
    "an operand too few": (put("nodes", CONV, 2, ["image"]), "does not take 1 operands"),
    "an operand too many": (put("nodes", CLAMP, 2, ["scaled"] * 2), "does not take 2 operands"),
    "no operands": (put("nodes", MUL, 2, []), "does not take 0 operands"),
    "an unknown operand": (put("nodes", CONV, 2, ["image", "w"]), "w is used before"),
    "an operand to come": (put("nodes", CONV, 2, ["logits", "stem"]), "used before"),
    "an operand that is itself": (put("nodes", MUL, 2, ["scaled", "scale"]), "used before"),
    "weights that are computed": (put("nodes", LINEAR, 2, ["flat", "flat"]), "linear|x is"),
    "a tensor assigned twice": (put("nodes", CONV, 3, "image"), "assigned twice"),
    "a constant assigned again": (put("nodes", CONV, 3, "stem"), "assigned twice"),
    "a name with a newline": (put("nodes", CONV, 3, "su\nms"), "printable"),
    "a name that is a control": (put("nodes", CONV, 4, "\x1b]0;owned\x07"), "printable"),
    "half a character": (put("nodes", CONV, 4, "\ud800"), "printable"),
    "a name of a megabyte": (put("nodes", CONV, 4, "x" * 2**20), "printable"),
    "no outputs": (put("outputs", []), "a graph has an output"),
    "an output of nothing": (put("outputs", ["gone"]), "gone is never assigned"),
    "an output that is a number": (put("outputs", [0]), "outputs is a list"),
    "notes that are text": (put("notes", "x"), "notes is a list"),
    "an input twice": (again("inputs"), "names of their own"),
    "a constant twice": (again("constants"), "names of their own"),
    "an input that is a constant": (put("inputs", 0, 0, "stem"), "assigned twice"),
    "a side of 0": (put("inputs", 0, 1, [0, 6, 1]), "are positive"),
    "a side of -1": (put("inputs", 0, 1, [-1, 6, 1]), "are positive"),
    "a side of 2^40": (put("inputs", 0, 1, [2**40, 6, 1]), "short list"),
    "a side of 2^21": (put("inputs", 0, 1, [2**21, 6, 1]), "sides are in"),
    "elements past 2^31": (put("inputs", 0, 1, [2**16, 2**16, 1]), "elements"),
    "a side that is a float": (put("inputs", 0, 1, [6.0, 6, 1]), "short list"),
    "a shape that is a number": (put("inputs", 0, 1, 36), "is a list"),
    "sums past int32": (put("inputs", 0, 2, [0, 2**31, 1]), "sums fit int32"),
    "an alphabet that is empty": (put("inputs", 0, 2, [1, 0, 1]), "lo, lo . step"),
    "an alphabet of no step": (put("inputs", 0, 2, [0, 1, 0]), "lo, lo . step"),
    "an alphabet that misses": (put("inputs", 0, 2, [0, 3, 2]), "lo, lo . step"),
    "an alphabet of two": (put("inputs", 0, 2, [0, 3]), "list of 3"),
    "an alphabet that is false": (put("inputs", 0, 2, False), "list of 3"),
    "a larger constant": (put("constants", STEM, 1, [5, 3, 3, 2]), "the bytes of its shape"),
    "an exabyte of constants": (put("constants", STEM, 1, [2**31] * 2), "constants take"),
    "a constant of another kind": (put("constants", STEM, 2, None), "stored as floats"),
    "floats declared as codes": (put("constants", SCALE, 2, [0, 1, 1]), "stored as bytes"),
    "another shape of floats": (put("constants", SCALE, 1, [3, 1]), "declared shape"),
    "a wider alphabet": (put("constants", STEM, 2, [-(2**33), 0, 2**33]), "short list"),
    "codes past int32": (put("constants", STEM, 2, [0, 2**31, 2**31]), "fit int32"),
    "a constant undeclared": (lambda d, _: d["constants"].pop() and None, "the tensors are"),
    "a constant not stored": (lambda _, t: t.pop("stem") is None and None, "the tensors are"),
    "a bit in the tail": (store("stem", reach_into_the_tail), "last byte is filled with zeros"),
    "an index past the alphabet": (store("head", lambda row: row | 3), "it keeps to"),
    "a row too short": (store("stem", lambda row: row[:-1]), "the bytes of its shape"),
    "a row that is a matrix": (store("stem", lambda row: row[:, None]), "the bytes of its shape"),
    "an empty tensor": (store("stem", lambda row: row[:0]), "is no shape"),
    "a tensor of 40 sides": (store("stem", lambda row: row.reshape(-1, *[1] * 39)), "is no shape"),
    "doubles": (
        store("scale", lambda v: v.astype(np.float64)),
        "a tensor is U8, F16 or F32, not F64",
    ),
    "a scale that is NaN": (store("scale", lambda v: v * np.float32("nan")), "is a number"),
}


@pytest.mark.parametrize(("change", "message"), HOSTILE.values(), ids=HOSTILE)
def test_a_lie_with_the_right_hash_is_refused(forge, change, message):
    with pytest.raises(FormatError, match=message):
        parse(forge(change))


HEADERS = {
    "a repeated tensor": (lambda h: h.replace('"stem":{', '"head":{', 1), "a key is repeated"),
    "a repeated field": (lambda h: h.replace('"dtype"', '"shape"', 1), "a key is repeated"),
    "a second metadata": (lambda h: '{"__metadata__":{},' + h[1:], "a key is repeated"),
    "more metadata": (lambda h: h.replace('{"lowbit"', '{"a":"b","lowbit"', 1), "only metadata"),
    "metadata that is no text": (lambda h: '{"__metadata__":{"lowbit":1}}', "no lowbit network"),
    "a list": (lambda _: "[]", "no lowbit network"),
    "not JSON": (lambda _: "\x00", "the header is not valid JSON"),
    "a shape past 2^64": (lambda h: h.replace('"shape":[', f'"shape":[{2**64},', 1), "safetens"),
    "a negative shape": (lambda h: h.replace('"shape":[', '"shape":[-1,', 1), "safetensors"),
    "another dtype": (lambda h: h.replace('"U8"', '"I8"', 1), "U8, F16 or F32, not I8"),
    "an unknown dtype": (lambda h: h.replace('"U8"', '"Z9"', 1), "not a safetensors file"),
    "offsets that overlap": (lambda h: h.replace('_offsets":[', '_offsets":[1', 2), "safetens"),
}


@pytest.mark.parametrize(("change", "message"), HEADERS.values(), ids=HEADERS)
def test_a_header_that_lies_is_refused(rewrite, change, message):
    with pytest.raises(FormatError, match=message):
        parse(rewrite(change))


@pytest.mark.parametrize("length", [2**24 + 1, 2**32, 2**63, 2**64 - 1, 2**64 - 5])
def test_a_header_that_claims_too_much_is_refused(data, length):
    with pytest.raises(FormatError, match="the header is longer than"):
        parse(length.to_bytes(8, "little") + data[8:])


def test_other_files_are_refused():
    for other in (b"", b"PK\x03\x04" + bytes(100), plain_safetensors({"w": np.zeros(4)})):
        with pytest.raises(FormatError):
            parse(other)


def test_a_damaged_tensor_is_noticed(data):
    damaged = bytearray(data)
    damaged[-1] ^= 1
    with pytest.raises(FormatError, match="the payload's hash differs: damaged or altered"):
        parse(bytes(damaged))


def test_every_truncation_is_refused(data):
    for length in range(len(data)):
        with pytest.raises(FormatError):
            parse(data[:length])


def test_nothing_may_follow(data):
    with pytest.raises(FormatError):
        parse(data + b"\x00")
