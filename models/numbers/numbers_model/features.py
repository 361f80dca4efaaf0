"""What the engine computes from sound before its network sees it: the logarithm of a mel spectrogram."""
import functools

import numpy as np
import torch

RATE, WINDOW, HOP, MELS, BINS = 16000, 400, 160, 80, 201


def to_mel(hertz):
    """Slaney's scale."""
    return np.where(hertz < 1000, hertz * 3 / 200, 15 + 27 * np.log(np.maximum(hertz, 1e-9) / 1000) / np.log(6.4))


def to_hertz(mel):
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mel - 15)))


def edges():
    """Where the filters begin; each has its peak where the next begins, and ends where the one after does."""
    return to_hertz(np.linspace(to_mel(np.array(0.0)), to_mel(np.array(RATE / 2)), MELS + 2))


@functools.cache
def mel_filters():
    """The filters of every Whisper model of 80 mels: Slaney's scale and normalisation, as librosa has them."""
    bins, places = np.linspace(0, RATE / 2, BINS), edges()
    rise = (bins - places[:-2, None]) / (places[1:-1] - places[:-2])[:, None]
    fall = (places[2:, None] - bins) / (places[2:] - places[1:-1])[:, None]
    return np.maximum(0, np.minimum(rise, fall)) * (2 / (places[2:] - places[:-2]))[:, None]


@functools.cache
def _constants():
    return torch.hann_window(WINDOW), torch.tensor(mel_filters(), dtype=torch.float32)


def of_another_throat(mel, factor):
    """mels × frames as a throat would give them that is longer by so much: every resonance lower by it, the voice's pitch too."""
    peaks = edges()[1:-1]
    places = np.interp(peaks * factor, peaks, np.arange(MELS))
    low = np.minimum(places.astype(int), MELS - 2)
    high = torch.from_numpy(places - low).float()[:, None]
    return mel[low] * (1 - high) + mel[low + 1] * high


def log_mel(sound):
    """sound: clips × samples, of which the last 400 are zeros. Gives clips × mels × frames; to the window's end at 30 s
    every frame would be as the last one is."""
    window, filters = _constants()
    padded = torch.nn.functional.pad(sound, (WINDOW // 2, WINDOW // 2), mode="reflect")
    frames = padded.unfold(1, WINDOW, HOP)[:, :sound.shape[1] // HOP] * window
    spectrum = torch.view_as_real(torch.fft.rfft(frames)).square_().sum(-1)
    mel = (spectrum @ filters.T).clamp_min_(1e-10).log10_()
    return ((mel.clamp_min(mel.amax((1, 2), keepdim=True) - 8) + 4) / 4).transpose(1, 2).contiguous()
