"""Trains the network on synthesized clips.

usage: python3 -m numbers_model.train CLIPS CHECKPOINT STEPS [BEGIN] [--multilingual ENGLISH]

Goes on from CHECKPOINT where there is one, to STEPS. The rate of learning falls from its peak at step BEGIN (0) to nothing by then.
Given the checkpoint of the English network, the one of two languages learns on from there.
"""
import argparse
import datetime
import math
import os
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F

from . import augment, features, network as n, synthesize, vocabulary as v
from .features import RATE

# Each step is shared by as many processes of one thread each: with several threads in one process the cores wait for each
# other at every product. How many is part of the recipe, so that the same clips give the same sums.
PROCESSES = 2
BATCH, POOL = 16, 8  # clips a step for each of them; steps whose clips are sorted by length together
PEAK_RATE, WARM_UP = 2e-3, 300
NOT_SPEECH, TWO_UTTERANCES, WITHOUT_TIMES, WITH_PROMPT = 0.1, 0.06, 0.15, 0.04
SAMPLED = 20  # silent frames that stand for all that pad the sound
OTHER_THROAT = 0.5  # of the clips, until the last stage: it blurs what little tells "fourth" from "four"
OTHER_THROAT_AT_LAST, LAST_STAGE = 0.1, 18000
ESPEAK = 0.5  # of the clips; the rest is flite's, of fewer voices but nearer to people
WORDS_FIRST = 600  # so many steps are of short clips
FILLED_TO = 256  # keys, by the engine's flash attention
GERMAN, TRANSLATED, TRANSLATED_ENGLISH = 0.5, 0.4, 0.15  # of the clips; of the German ones; of the English ones
IGNORED = -100


class Example:
    """One clip made ready: its sound, what the decoder should say of it, and what the auxiliary losses want.

    What is said is rows of the embedding, or floats: times, still to be moved to where in the window the clip is."""

    def __init__(self, rng, vocabulary, clips, language="en"):
        self.vocabulary, self.language = vocabulary, language
        self.translated = vocabulary.multilingual and rng.random() < (TRANSLATED if language == "de" else TRANSLATED_ENGLISH)
        self.spans, self.phones, self.said = [], [], []  # spans: which of what is said is heard from when to when
        self.prompt = []
        self.without_times = rng.random() < WITHOUT_TIMES
        self.nothing = not clips
        if self.nothing:
            self.sound = augment.nothing_said(rng, rng.uniform(0.4, 4))
        else:
            self._speak(rng, clips)
        if rng.random() < WITH_PROMPT:
            words = [rng.choice(vocabulary.words) for _ in range(rng.integers(1, 12))]
            self.prompt = [vocabulary.row["previous"]] + [vocabulary.word_row(word) for word in words]

    def _speak(self, rng, clips):
        sounds, elapsed = [], 0.0
        for sound, label in clips:
            sound, starts, start, end = augment.speech(rng, sound, label["starts"])
            self.said += [] if self.without_times else [elapsed + start]
            words = label["english"] if self.translated and "english" in label else label["words"]
            for i, word in enumerate(words):
                if starts and words is label["words"]:
                    self.spans.append((len(self.said), elapsed + starts[i], elapsed + [*starts, end][i + 1]))
                self.said.append(self.vocabulary.word_row(word))
            for word in label["words"]:
                self.phones += self.vocabulary.phones_of[word]
            self.said += [] if self.without_times else [elapsed + end]
            sounds.append(sound)
            elapsed += len(sound) / RATE
        self.sound = np.concatenate(sounds)

    def rows(self, shift):
        """What the decoder is given, what it should answer to each, and where in both the answer starts."""
        row, time_row = self.vocabulary.row, self.vocabulary.time_row
        if self.nothing:
            said = [row["nothing"] if self.without_times else time_row(0)]
        else:
            said = [time_row(item + shift) if isinstance(item, float) else item for item in self.said]
            if not self.without_times:
                said[0] = time_row(min(self.said[0] + shift, 1.0))  # later the engine allows no beginning
        given = self.prompt + [row["start"]]
        answers = [IGNORED] * len(self.prompt)
        if self.vocabulary.multilingual:
            given += [row[self.language], row["translate" if self.translated else "transcribe"]]
            answers += [IGNORED if self.nothing else row[self.language], IGNORED]
        if self.without_times:
            given.append(row["no_timestamps"])
            answers.append(IGNORED)
        return given + said, answers + said + [row["end"]], len(given) - 1


class Batch:
    def __init__(self, rng, vocabulary, examples, other_throats):
        self.shift = int(rng.integers(1, 900)) if rng.random() < 0.06 else 0  # where in the window the sound starts
        samples = max(len(example.sound) for example in examples)
        self.frames = min(math.ceil(samples / 320) + int(rng.integers(3, 8)), n.AUDIO_CTX - self.shift)
        sound = np.zeros((len(examples), self.frames * 320), np.float32)
        for i, example in enumerate(examples):
            sound[i, :len(example.sound)] = example.sound[:sound.shape[1]]
        self.mel = features.log_mel(torch.from_numpy(sound))
        self._change_throats(rng, other_throats)
        self._mask(rng)
        self._context(rng)

        rows = [example.rows(self.shift / 50) for example in examples]
        longest = max(len(given) for given, _, _ in rows)
        self.given = torch.full((len(examples), longest), vocabulary.row["end"])
        self.target = torch.full((len(examples), longest), IGNORED)
        self.nothing = torch.tensor([example.nothing and not example.without_times for example in examples])
        self.first = torch.tensor([first for _, _, first in rows])
        self.attended, self.ordinals = [], torch.full((len(examples), self.frames), IGNORED)
        self.words = torch.full((len(examples), self.frames), IGNORED)
        for i, (example, (given, target, first)) in enumerate(zip(examples, rows)):
            self.given[i, :len(given)] = torch.tensor(given)
            self.target[i, :len(target)] = torch.tensor(target)
            if example.nothing or example.spans:
                self.words[i] = 0
            for k, (at, start, end) in enumerate(example.spans):
                low, high = int(start * 50), min(int(end * 50) + 1, self.frames)
                self.ordinals[i, low:high] = min(k, 23)
                self.words[i, low:high] = example.said[at]  # the words' rows start at one
                self.attended.append((i, first + at, max(0, low - 3), high + 3))
        self.phones = torch.tensor([phone for example in examples for phone in example.phones])
        self.phone_counts = torch.tensor([len(example.phones) for example in examples])

    def _change_throats(self, rng, share):
        """Stands for the voices that flite has not."""
        for i in range(len(self.mel)):
            if rng.random() < share:
                self.mel[i] = features.of_another_throat(self.mel[i], rng.uniform(0.85, 1.18))

    def _mask(self, rng):
        """Takes away bands and moments, so that the rest must do."""
        floor = self.mel.amin((1, 2))
        for i in range(len(self.mel)):
            if rng.random() < 0.5:
                low = rng.integers(0, n.MELS)
                self.mel[i, low:low + rng.integers(1, 12)] = floor[i]
            if rng.random() < 0.4:
                at = rng.integers(0, self.mel.shape[2])
                self.mel[i, :, at:at + rng.integers(1, 12)] = floor[i]

    def _context(self, rng):
        """How far the window goes on after the sound. All its silent frames are alike but for their positions, so a few
        of them, each counted as often as there are others, stand for all."""
        context = self.shift + self.frames
        if rng.random() < 0.7:
            context = n.AUDIO_CTX if rng.random() < 0.5 else int(rng.integers(context, n.AUDIO_CTX + 1))
        groups = [np.arange(self.shift, self.shift + self.frames)]
        weights = [np.zeros(self.frames)]
        for low, high in ((0, self.shift), (self.shift + self.frames, context)):
            count = min(SAMPLED, high - low)
            if count:
                edges = np.linspace(low, high, count + 1)
                groups.append((edges[:-1] + rng.random(count) * np.diff(edges)).astype(int).clip(low, high - 1))
                weights.append(np.full(count, math.log((high - low) / count)))
        # What the engine's flash attention adds; without it nothing is.
        filled = -context % FILLED_TO
        self.empty = math.log(filled) if filled and rng.random() < 0.8 else None
        self.positions = torch.from_numpy(np.concatenate(groups))
        self.weights = torch.from_numpy(np.concatenate(weights)).float()


def batches(vocabulary, clips, seed, step, process):
    """Endless batches. Those of a pool depend only on the seed, the pool's number and the process."""
    def of(voice, seconds):
        return [clip for clip in clips if clip[1]["voice"].startswith(voice) and len(clip[0]) < seconds * RATE]

    def example(rng, espeak, flite):
        kind = rng.random()
        count = 0 if kind < NOT_SPEECH else 2 if kind < NOT_SPEECH + TWO_UTTERANCES else 1
        language = "de" if vocabulary.multilingual and rng.random() < GERMAN else "en"

        def chosen():
            some = german if language == "de" else espeak if rng.random() < ESPEAK else flite
            return some[rng.choice(len(some))]

        return Example(rng, vocabulary, [chosen() for _ in range(count)], language)

    german = of("espeak-ng de", 60)
    short, whole = ((of("espeak-ng en", seconds), of("flite", seconds)) for seconds in (1.2, 60))
    while True:
        pool = step // POOL
        rng = np.random.default_rng([seed, pool, process])
        examples = [example(rng, *(short if step < WORDS_FIRST else whole)) for _ in range(BATCH * POOL)]
        examples.sort(key=lambda example: len(example.sound))
        # In one order for all, so that nobody waits for somebody who has longer ones.
        order = np.random.default_rng([seed, pool]).permutation(POOL)
        groups = [examples[i * BATCH:(i + 1) * BATCH] for i in order]
        for group in groups[step % POOL:]:
            yield Batch(rng, vocabulary, group, OTHER_THROAT if step < LAST_STAGE else OTHER_THROAT_AT_LAST)
            step += 1


def losses(net, batch):
    still = batch.mel[:, :, -1:].expand(-1, -1, 6)
    extended = len(batch.positions) > batch.frames
    x = net.encoder.convolve(torch.cat([batch.mel, still], 2) if extended else batch.mel)
    if extended:
        padding = x[:, batch.frames:batch.frames + 1].expand(-1, len(batch.positions) - batch.frames, -1)
        x = torch.cat([x[:, :batch.frames], padding], 1)
    memory = net.encoder(x, batch.positions, batch.weights, batch.empty)
    logits, seen = net.decoder(batch.given, memory, batch.weights, batch.empty)
    logits = logits.float()

    said = F.cross_entropy(logits.flatten(0, 1), batch.target.flatten(), ignore_index=IGNORED)
    where = batch.nothing.nonzero()[:, 0]
    if len(where):  # half of the answer to silence is "no speech", which the engine reads and never says
        said = said + 0.5 * F.cross_entropy(logits[where, batch.first[where]], torch.full_like(where, net.vocabulary.row["no_speech"]),
                                            reduction="sum") / len(batch.target)
    heard = memory[:, :batch.frames]
    phones = net.phones(heard).float().log_softmax(-1).transpose(0, 1)
    ctc = F.ctc_loss(phones, batch.phones, torch.full((len(batch.mel),), batch.frames), batch.phone_counts, reduction="sum",
                     zero_infinity=True) / max(1, len(batch.phones))
    word = F.cross_entropy(net.word(heard).float().flatten(0, 1), batch.words.flatten(), ignore_index=IGNORED)
    ordinal = attended = torch.tensor(0.0)
    if batch.attended:
        ordinal = F.cross_entropy(net.ordinal(heard).float().flatten(0, 1), batch.ordinals.flatten(), ignore_index=IGNORED)
        clip, at, low, high = torch.tensor(batch.attended).T
        frame = torch.arange(batch.frames)
        inside = ((frame >= low[:, None]) & (frame < high[:, None])).float()
        attended = sum(-((layer[clip, 0, at, :batch.frames].float() * inside).sum(-1) + 1e-4).log().mean() for layer in seen[1:3]) / 2
    return {"said": said, "ctc": ctc, "word": word, "ordinal": ordinal, "attended": attended}


def weight_of(name, progress):
    """Auxiliary losses help at first."""
    return {"said": 1.0, "ctc": 0.4, "word": 0.6, "ordinal": 0.2, "attended": 0.2}[name] * (1.0 if name == "said" else max(0.25, 1 - progress))


def averaged(net):
    """The gradients of all processes, in each."""
    parameters = list(net.parameters())
    # One of them may have met nobody who speaks, and so have none for some heads.
    flat = torch.cat([torch.zeros(p.numel()) if p.grad is None else p.grad.flatten() for p in parameters])
    dist.all_reduce(flat)
    for p, grad in zip(parameters, flat.div_(PROCESSES).split([p.numel() for p in parameters])):
        p.grad = grad.view_as(p)


def train(process, meeting, options):
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=process, world_size=PROCESSES,
                            timeout=datetime.timedelta(days=1))  # somebody may have stopped one of them for a while
    torch.manual_seed(1)
    torch.set_num_threads(1)
    vocabulary = v.MULTILINGUAL if options.multilingual else v.ENGLISH
    checkpoint, steps, begin = options.checkpoint, options.steps, options.begin
    net = n.Network(vocabulary)
    decayed = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}],
                                  lr=PEAK_RATE, betas=(0.9, 0.98))
    step = first_ever = 0
    if options.multilingual:
        english = torch.load(options.multilingual)
        other = n.Network(v.ENGLISH)
        other.load_state_dict(english["net"])
        net.learn_from(other)
        step = first_ever = english["step"]
    if os.path.exists(checkpoint):
        saved = torch.load(checkpoint)
        net.load_state_dict(saved["net"])
        optimizer.load_state_dict(saved["optimizer"])
        step = saved["step"]
    clips = synthesize.load(options.clips, "train-") + (synthesize.load(options.clips, "german-train") if options.multilingual else [])
    say = print if process == 0 else lambda *_, **__: None
    say(f"{len(clips)} clips, {sum(len(sound) for sound, _ in clips) / RATE / 3600:.1f} h; from step {step}", flush=True)
    ready = batches(vocabulary, clips, 1, step, process)
    started, report, first_step, sums = time.monotonic(), time.monotonic(), step, {}

    def save():
        if process == 0:
            torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, checkpoint + ".partial")
            os.rename(checkpoint + ".partial", checkpoint)

    while step < steps:
        progress = (step - begin) / (steps - begin)
        rate = PEAK_RATE * min((step + 1 - first_ever) / WARM_UP, 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = next(ready)
        with torch.autocast("cpu", torch.bfloat16):
            parts = losses(net, batch)
        loss = sum(weight_of(name, progress) * part for name, part in parts.items())
        optimizer.zero_grad()
        loss.backward()
        averaged(net)
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        if torch.isfinite(norm):  # not so where no word of the whole batch has a place: such a one is left out
            optimizer.step()
        step += 1
        for name, part in parts.items():
            sums.setdefault(name, []).append(part.item())
        if step % 50 == 0:
            say(f"{time.strftime('%H:%M:%S')} step {step} rate {rate:.5f} {(time.monotonic() - report) / 50:.2f} s/step "
                + " ".join(f"{name} {np.mean(values):.3f}" for name, values in sums.items()), flush=True)
            sums, report = {}, time.monotonic()
        if step % 250 == 0:
            save()
    save()
    say(f"done: {step - first_step} steps in {(time.monotonic() - started) / 60:.1f} min", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("clips")
    parser.add_argument("checkpoint")
    parser.add_argument("steps", type=int)
    parser.add_argument("begin", type=int, nargs="?", default=0)
    parser.add_argument("--multilingual", metavar="ENGLISH")
    options = parser.parse_args()
    meeting = options.checkpoint + ".meeting"
    if os.path.exists(meeting):
        os.unlink(meeting)
    torch.multiprocessing.spawn(train, (meeting, options), PROCESSES)


if __name__ == "__main__":
    main()
