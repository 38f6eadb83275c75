"""What a target can do, by its name and its feature string."""

import llvmlite.binding as llvm
import pytest

from lowbit.kernels import cpu

ARM = "aarch64-unknown-linux-gnu"


def test_this_targets_features_are_those_of_its_string():
    listed = {f[1:] for f in cpu.target()[2].split(",") if f.startswith("+")}
    assert cpu.features() >= listed


@pytest.mark.parametrize(
    ("name", "features", "has"),
    [
        ("neoverse-n1", "+neon", True),  # what LLVM says of the host: no word of dot products
        ("apple-m1", "", True),
        ("cortex-a53", "+neon", False),
        ("cortex-a53", "+neon,+dotprod", True),
        ("neoverse-n1", "+neon,-dotprod", False),
        ("generic", "+neon", False),
    ],
)
def test_an_arm_processors_name_implies_the_dot_product(name, features, has):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    assert ("dotprod" in cpu.features_of((ARM, name, features))) is has
