"""Checkpoints of others, into models of ours: one file a format, read as data alone.

    larq.load(model, "quicknet_weights.h5")           Larq and Larq Zoo: Keras's weights in HDF5
    bitnet.load(model, "folder")                      Hugging Face's BitNet b1.58
    gguf.read("model.gguf")                           llama.cpp's ternary types, matrix by matrix
    imagenet.load(model, "resnet18.safetensors")      torchvision's and timm's state dicts

Nothing in a file is executed, followed or believed: sizes are checked before anything is read, and
what does not fit the model is refused by name.
"""
