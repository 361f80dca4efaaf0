"""Whisper's network, small, with the tensor names and arithmetic of the engine.

Differences from the original are confined to what the engine cannot see: of the embedding's fifty thousand rows only
those in use are held here; the rows of the timestamps are smooth functions of time; and there are heads for auxiliary losses,
which the exported file lacks.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

from . import vocabulary as v

STATE, HEADS, AUDIO_LAYERS, TEXT_LAYERS = 128, 2, 4, 4  # with 2 text layers the engine would forbid timestamps
MELS, AUDIO_CTX, TEXT_CTX = 80, 1500, 448

# One value of the decoder's output is always one, so that the rows of the embedding have a bias there. It is what keeps
# the fifty thousand tokens that are not in use from ever being said.
BIAS = STATE - 1
NEVER = -60.0


def sinusoids(length, channels, longest=10000.0):
    rates = torch.exp(-math.log(longest) / (channels // 2 - 1) * torch.arange(channels // 2))
    angles = torch.arange(length)[:, None] * rates[None]
    return torch.cat([angles.sin(), angles.cos()], 1)


class Norm(nn.LayerNorm):
    """Cast once where training is in 16 bits, rather than by each layer that takes it."""

    def forward(self, x):
        x = super().forward(x)
        return x.to(torch.get_autocast_dtype("cpu")) if torch.is_autocast_enabled("cpu") else x


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(STATE, STATE)
        self.key = nn.Linear(STATE, STATE, bias=False)
        self.value = nn.Linear(STATE, STATE)
        self.out = nn.Linear(STATE, STATE)

    def forward(self, x, memory=None, mask=None, empty=None):
        """Gives the output and the weights it was made with. By plain products: torch's fused attention is far slower
        on a CPU. empty: the logarithm of how many keys of nothing but zeros there are besides: with flash attention the
        engine fills the window up with them to a multiple of 256, and hides them from nobody."""
        memory = x if memory is None else memory
        q, k, val = (y.unflatten(-1, (HEADS, -1)).transpose(1, 2)
                     for y in (self.query(x) * (STATE // HEADS) ** -0.5, self.key(memory), self.value(memory)))
        scores = q @ k.transpose(-1, -2)
        scores = scores if mask is None else scores + mask.to(scores.dtype)
        if empty is not None:
            scores = torch.cat([scores, torch.full_like(scores[..., :1], empty)], -1)
        weights = scores.softmax(-1, dtype=scores.dtype)[..., :k.shape[-2]]
        return self.out((weights @ val).transpose(1, 2).flatten(2)), weights


class Block(nn.Module):
    def __init__(self, cross=False):
        super().__init__()
        self.attn_ln = Norm(STATE)
        self.attn = Attention()
        if cross:
            self.cross_attn_ln = Norm(STATE)
            self.cross_attn = Attention()
        self.mlp_ln = Norm(STATE)
        self.mlp = nn.Sequential(nn.Linear(STATE, 4 * STATE), nn.GELU("tanh"), nn.Linear(4 * STATE, STATE))

    def forward(self, x, mask, memory=None, memory_mask=None, empty=None):
        """empty: of the window, which a block without memory attends to itself."""
        x = x + self.attn(self.attn_ln(x), mask=mask, empty=empty if memory is None else None)[0]
        seen = None
        if memory is not None:
            y, seen = self.cross_attn(self.cross_attn_ln(x), memory, memory_mask, empty)
            x = x + y
        return x + self.mlp(self.mlp_ln(x)), seen


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(MELS, STATE, 3, padding=1)
        self.conv2 = nn.Conv1d(STATE, STATE, 3, stride=2, padding=1)
        self.register_buffer("positional_embedding", sinusoids(AUDIO_CTX, STATE) * 0.5)
        self.blocks = nn.ModuleList(Block() for _ in range(AUDIO_LAYERS))
        self.ln_post = Norm(STATE)

    def convolve(self, mel):
        x = F.gelu(self.conv1(mel), approximate="tanh")
        return F.gelu(self.conv2(x), approximate="tanh").transpose(1, 2)

    def forward(self, x, positions, weights=None, empty=None):
        """x: the convolution's output; positions: where in the window each of its frames is; weights: the logarithm of
        how many frames each stands for."""
        x = x + self.positional_embedding[positions]
        for block in self.blocks:
            x, _ = block(x, weights, empty=empty)
        return self.ln_post(x)


class Decoder(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.first_time_row = vocabulary.first_time_row
        self.rows = nn.Parameter(torch.randn(len(vocabulary.used), STATE) * 0.05)
        shape = sinusoids(v.TIMES, 64, longest=200.0)
        self.register_buffer("time_shape", shape, persistent=False)
        self.time_map = nn.Parameter(torch.randn(shape.shape[1], STATE) * 0.03)
        with torch.no_grad():
            self.rows[self.first_time_row:] = 0
            self.rows[:, BIAS] = 0
        self.positional_embedding = nn.Parameter(sinusoids(TEXT_CTX, STATE) * 0.1)
        self.blocks = nn.ModuleList(Block(cross=True) for _ in range(TEXT_LAYERS))
        self.ln = Norm(STATE)

    def embedding(self):
        return torch.cat([self.rows[:self.first_time_row], self.rows[self.first_time_row:] + self.time_shape @ self.time_map])

    def norm(self):
        """The final norm's weight and bias, with the value that is always one."""
        keep = torch.ones(STATE)
        keep[BIAS] = 0
        return self.ln.weight * keep, self.ln.bias * keep + (1 - keep)

    def forward(self, rows, memory, memory_weights=None, empty=None):
        table = self.embedding()
        x = table[rows] + self.positional_embedding[: rows.shape[1]]
        mask = torch.full((rows.shape[1],) * 2, float("-inf")).triu(1)
        seen = []
        for block in self.blocks:
            x, attention = block(x, mask, memory, memory_weights, empty)
            seen.append(attention)
        weight, bias = self.norm()
        return F.layer_norm(x, (STATE,), weight, bias) @ table.T, seen


class Network(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.vocabulary = vocabulary
        self.encoder = Encoder()
        self.decoder = Decoder(vocabulary)
        self.phones = nn.Linear(STATE, len(vocabulary.phones) + 1)  # auxiliary: which phone, of every frame
        self.word = nn.Linear(STATE, len(vocabulary.words) + 1)  # auxiliary: which word, if any, of every frame
        self.ordinal = nn.Linear(STATE, 24)  # auxiliary: the how-manieth word, of every frame

    @torch.no_grad()
    def learn_from(self, other):
        """Takes over what another knows, whose words and phones are the first of this one's."""
        theirs = other.state_dict()
        for name, mine in self.state_dict().items():
            if name == "decoder.rows":
                for token in self.vocabulary.row.keys() & other.vocabulary.row.keys():
                    mine[self.vocabulary.row[token]] = theirs[name][other.vocabulary.row[token]]
            else:
                mine[:len(theirs[name])] = theirs[name]
