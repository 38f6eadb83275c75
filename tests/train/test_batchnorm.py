"""Statistics estimated anew are the plain mean over the batches, and nothing else moves."""

import pytest
import torch
from torch import nn

from lowbit import nn as lnn
from lowbit.train import recalibrate_batchnorm


@pytest.mark.parametrize("momentum", [0.1, None])
def test_statistics_are_the_mean_over_batches(momentum):
    norm = lnn.BatchNorm1d(3, momentum=momentum)
    norm.running_mean.fill_(99)
    batches = [torch.randn(8, 3, generator=torch.Generator().manual_seed(i)) for i in range(4)]
    recalibrate_batchnorm(nn.Sequential(norm), [(batch, "label") for batch in batches])
    mean = torch.stack([batch.mean(0) for batch in batches]).mean(0)
    var = torch.stack([batch.var(0) for batch in batches]).mean(0)
    torch.testing.assert_close(norm.running_mean, mean)
    torch.testing.assert_close(norm.running_var, var)
    assert norm.momentum == momentum


def test_modes_and_dropout_are_as_before():
    norm = nn.BatchNorm1d(4)
    model = nn.Sequential(nn.Dropout(0.5), norm, nn.Linear(4, 4)).train()
    model[2].eval()
    x = torch.ones(16, 4)
    recalibrate_batchnorm(model, [x])
    assert [m.training for m in model] == [True, True, False]
    assert norm.running_mean.eq(1).all()  # dropout would have doubled some and dropped others


def test_an_empty_loader_is_refused():
    with pytest.raises(ValueError, match="no batch"):
        recalibrate_batchnorm(nn.Sequential(nn.BatchNorm1d(1)), [])
