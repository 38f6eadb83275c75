"""Published architectures and trained weights, by timm's habits: `arch` and `arch.tag`.

    zoo.list_models("*w1a1*")                 names, of architectures and of weights
    zoo.create_model("birealnet18")           a torch model to train
    zoo.create_model("vgg_mini.w1a1_fmnist")  the same with its trained weights
    zoo.load("vgg_mini.w1a1_fmnist")          the integer network, without torch
    zoo.card("vgg_mini.w1a1_fmnist")          what was measured, and how it was made

Importing it imports neither torch nor numba.
"""

from lowbit.zoo.architecture import Architecture
from lowbit.zoo.cards import Card
from lowbit.zoo.registry import architecture, card, create_model, list_models, load

__all__ = ["Architecture", "Card", "architecture", "card", "create_model", "list_models", "load"]
