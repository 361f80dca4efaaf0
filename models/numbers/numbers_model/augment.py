"""Rooms, microphones, noises and silences around clips, and clips in which nobody speaks. Sounds are floats around ±1."""
import functools

import numpy as np

from .features import RATE


@functools.cache
def _noise_store():
    """Noises from white by pink to brown, each of 16 s, of which pieces are used: making each anew would take long."""
    rng = np.random.default_rng(7)
    spectra = np.fft.rfft(rng.standard_normal((32, 1 << 18)))
    spectra[:, 1:] /= np.arange(1, spectra.shape[1]) ** (np.linspace(0, 2, 32)[:, None] / 2)
    spectra[:, :20] = 0  # below 1 Hz
    noises = np.fft.irfft(spectra)
    return (noises / noises.std(1, keepdims=True)).astype(np.float32)


def coloured_noise(rng, length):
    """Noise of some colour."""
    noises = _noise_store()
    noise = noises[rng.integers(0, len(noises))]
    return np.take(noise, rng.integers(0, len(noise)) + rng.choice([-1, 1]) * np.arange(length), mode="wrap")


def hum(rng, length):
    base = rng.choice([50, 60, rng.uniform(80, 400)])
    time = np.arange(length) / RATE
    return sum(rng.uniform(0, 1) / k * np.sin(2 * np.pi * base * k * time + rng.uniform(0, 6)) for k in range(1, 6))


def tones(rng, length):
    sound, time = np.zeros(length), np.arange(length) / RATE
    for _ in range(rng.integers(1, 5)):
        start, end = np.sort(rng.uniform(0, length / RATE, 2))
        inside = (time >= start) & (time < end)
        slide = rng.uniform(-600, 600) if rng.random() < 0.4 else 0.0
        frequency = rng.uniform(150, 3500)
        sound += inside * np.sin(2 * np.pi * (frequency + slide * (time - start)) * time)
    return sound


def clicks(rng, length):
    sound = np.zeros(length)
    for place in rng.integers(0, length, rng.integers(1, 3 + length // 4000)):
        size = int(rng.integers(16, 1200))
        burst = rng.standard_normal(size) * np.exp(-np.arange(size) / (size / 5))
        sound[place:place + size] += burst[:length - place] * rng.uniform(0.2, 1)
    return sound


def swells(rng, length):
    """Noise that rises and falls, as wind, traffic or breath does."""
    points = np.abs(rng.standard_normal(2 + length // int(rng.integers(1600, 16000))))
    return coloured_noise(rng, length) * np.interp(np.linspace(0, len(points) - 1, length), np.arange(len(points)), points)


NOISES = (coloured_noise, hum, tones, clicks, swells)


def noise_of(rng, length):
    sound = NOISES[rng.choice(len(NOISES), p=[0.45, 0.12, 0.08, 0.1, 0.25])](rng, length)
    return sound / (np.sqrt(np.mean(sound ** 2)) + 1e-6)


def nothing_said(rng, seconds):
    """Silence or noise."""
    length = int(seconds * RATE)
    kind = rng.random()
    if kind < 0.15:
        return np.zeros(length)
    sound = sum(noise_of(rng, length) for _ in range(rng.choice([1, 1, 2])))
    if rng.random() < 0.4:
        sound = transfer(rng, sound)
    if kind < 0.3:
        return np.round(rng.uniform(0.2, 3) * sound) / 32768  # a quiet microphone's last bits
    return np.clip(sound * 10 ** rng.uniform(-3.5, -0.5), -1, 1)


def transfer(rng, sound):
    """A room and a microphone: an echo that dies away, and a curve over the frequencies."""
    length = len(sound)
    size = 1 << (length + RATE // 2 - 1).bit_length()
    spectrum = np.fft.rfft(sound, size)
    if rng.random() < 0.6:
        decay = rng.uniform(0.05, 0.45)
        time = np.arange(int(min(decay, 0.5) * RATE)) / RATE
        room = rng.standard_normal(len(time)) * np.exp(-6.9 * time / decay)
        room[:int(rng.uniform(0.001, 0.01) * RATE)] = 0
        room *= rng.uniform(0.1, 0.9) / (np.sqrt((room ** 2).sum()) + 1e-9)
        room[0] = 1
        spectrum *= np.fft.rfft(room, size)
    if rng.random() < 0.7:
        points = rng.uniform(0, 1, 10).cumsum()
        curve = np.interp(np.linspace(0, 1, len(spectrum)), points / points[-1], rng.normal(0, 5, 10))
        if rng.random() < 0.3:  # a telephone or a small loudspeaker
            hertz = np.linspace(0, RATE / 2, len(spectrum))
            curve -= 40 * np.clip((rng.uniform(100, 350) - hertz) / 200, 0, 1) + 40 * np.clip((hertz - rng.uniform(3200, 6000)) / 800, 0, 1)
        spectrum *= 10 ** (curve / 20)
    return np.fft.irfft(spectrum, size)[:length]


def stretched(rng, sound):
    """Faster and higher, or slower and lower. Gives the sound and how much longer it became."""
    factor = rng.uniform(0.87, 1.15)
    places = np.arange(int(len(sound) * factor)) / factor
    return np.interp(places, np.arange(len(sound)), sound), factor


def speech(rng, sound, starts, heavy=1.0):
    """A clip as a microphone might have it. Gives (sound, starts of words, when speech starts, when it ends)."""
    sound = sound.astype(np.float64) / 32768
    factor = 1.0
    if rng.random() < 0.6 * heavy:
        sound, factor = stretched(rng, sound)
    lead, tail = (rng.uniform(shortest, 0.4) if rng.random() < 0.7 else rng.uniform(0.1, 1.2) for shortest in (0.02, 0.05))
    start, end = lead, lead + len(sound) / RATE
    sound = np.pad(sound, (int(lead * RATE), int(tail * RATE)))
    if rng.random() < 0.5 * heavy:
        sound = transfer(rng, sound)
    if rng.random() < 0.75 * heavy:
        level = np.sqrt(np.mean(sound ** 2)) * 10 ** (-rng.uniform(3, 40) / 20)
        sound = sound + level * noise_of(rng, len(sound))
    gain = 10 ** rng.uniform(-2, 0.1) / (np.abs(sound).max() + 1e-9)
    sound = np.clip(sound * gain, -1, 1)
    return np.round(sound * 32767) / 32768, [lead + factor * s for s in starts], start, end
