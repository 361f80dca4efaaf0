"""Writes a network as a model file of whisper.cpp: 16-bit floats, to be quantized by the engine's own tool.

usage: python3 -m numbers_model.export CHECKPOINT MODEL
"""
import struct
import sys

import numpy as np
import torch

from . import features, network as n, vocabulary as v

F32, F16 = 0, 1


def embedding(decoder, vocabulary):
    table = torch.zeros(vocabulary.size, n.STATE)
    table[:, n.BIAS] = n.NEVER
    table[vocabulary.used] = decoder.embedding()
    return table


def tensors(net):
    encoder, decoder = net.encoder, net.decoder
    found = {}
    for prefix, module in (("encoder.", encoder), ("decoder.", decoder)):
        for name, value in module.state_dict().items():
            found[prefix + name] = value
    for unseen in ("rows", "time_map"):
        del found["decoder." + unseen]
    found["decoder.token_embedding.weight"] = embedding(decoder, net.vocabulary)
    found["decoder.ln.weight"], found["decoder.ln.bias"] = decoder.norm()
    return found


def write(net, path):
    with open(path, "wb") as out, torch.no_grad():
        number = lambda *values: out.write(struct.pack(f"<{len(values)}i", *values))
        number(0x67676d6c, net.vocabulary.size, n.AUDIO_CTX, n.STATE, n.HEADS, n.AUDIO_LAYERS, n.TEXT_CTX, n.STATE, n.HEADS,
               n.TEXT_LAYERS, n.MELS, F16)
        filters = features.mel_filters().astype("<f4")
        number(*filters.shape)
        out.write(filters.tobytes())
        texts = list(net.vocabulary.token_texts())
        number(len(texts))
        for text in texts:
            number(len(text))
            out.write(text)
        for name, value in tensors(net).items():
            value = value.detach().numpy()
            if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
                value = value.reshape(-1, 1)
            exact = value.ndim == 1 or name.endswith((".positional_embedding", "conv1.bias", "conv2.bias"))
            encoded = name.encode()
            number(value.ndim, len(encoded), F32 if exact else F16, *reversed(value.shape))
            out.write(encoded)
            out.write(np.ascontiguousarray(value, dtype="<f4" if exact else "<f2").tobytes())


if __name__ == "__main__":
    learnt = torch.load(sys.argv[1])["net"]
    trained = n.Network(next(each for each in (v.ENGLISH, v.MULTILINGUAL) if len(each.used) == len(learnt["decoder.rows"])))
    trained.load_state_dict(learnt)
    write(trained, sys.argv[2])
