#!/usr/bin/env python3
"""What hot words do: how many of the names that are said are heard, and how many are made up, with them and without.

usage: dev/in bench/hotwords.py MODEL [--boost B …] [--speech FOLDER] [--bin FOLDER]

The English clips of --speech (default ../shared/speech) as files. Asked for with each: the names and rare words that are said in some of them, and a
hundred names that are said in none.

  recall   names heard where they are said, of those said
  made up  names heard where they are not said, in all clips
  errors   word errors, in percent
"""

import argparse
import sys
import tempfile
from pathlib import Path

import common
from hotmic_py import SOURCE, Server
from peers import clips, errors, words

SAID = ["Dashwood", "Abigail Claflin", "Abbie", "Quilter", "Firefox", "turnips", "mutton", "antecedents", "wizard", "Americans", "spades", "meters", "thereunder",
        "movable metal letters", "gospel", "belly"]
OTHERS = """Ada Lovelace,Babbage,Turing,Hopper,Dijkstra,Knuth,Torvalds,Stallman,Ritchie,Thompson,Kernighan,Lamport,Liskov,Hamilton,Shannon,Nyquist,Fourier,Laplace,Gauss,Euler,
Riemann,Hilbert,Noether,Ramanujan,Erdos,Galois,Cantor,Godel,Tarski,Church,Kleene,Curry,Haskell,Milner,Hoare,Wirth,Backus,Naur,Perlis,McCarthy,Minsky,Newell,Simon,Hinton,Bengio,
Vapnik,Pearl,Sutton,Amsterdam,Rotterdam,Copenhagen,Stockholm,Helsinki,Tallinn,Vilnius,Warsaw,Krakow,Prague,Vienna,Budapest,Bucharest,Sofia,Athens,Istanbul,Ankara,Beirut,Amman,
Cairo,Tunis,Algiers,Rabat,Dakar,Accra,Lagos,Nairobi,Kampala,Kigali,Lusaka,Harare,Pretoria,Windhoek,Luanda,Kinshasa,Bangui,Khartoum,Asmara,Djibouti,Mogadishu,Muscat,Doha,Riyadh,
Baghdad,Tehran,Kabul,Tashkent,Bishkek,Astana,Lahore,Karachi,Mumbai,Chennai,Kolkata,Dhaka,Colombo""".replace("\n", "").split(",")


def count(phrase, text):
    said = words(phrase)
    return sum(text[at:at + len(said)] == said for at in range(len(text)))


def measure(server, every, fields):
    found = said = made_up = wrong = total = 0
    for path, _, reference in every:
        heard = words(server.transcribe(path, **fields).json()["text"])
        for name in SAID + OTHERS:
            there, here = count(name, reference), count(name, heard)
            said, found, made_up = said + there, found + min(there, here), made_up + max(0, here - there)
        wrong, total = wrong + errors(reference, heard), total + len(reference)
    return [f"{found} of {said}", str(made_up), f"{100 * wrong / total:.1f} %"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--boost", type=float, nargs="+", default=[0.5, 1, 1.5, 2, 3])
    parser.add_argument("--speech", type=Path, default=SOURCE.parent / "shared/speech")
    parser.add_argument("--bin", default=SOURCE / "build/release/bin", help="folder of hotmic's programs")
    options = parser.parse_args()
    common.use_programs(options.bin)
    every = clips(options.speech)
    with tempfile.TemporaryDirectory() as home:
        with Server("--model", options.model.resolve(), home=Path(home)) as server:
            server.wait_ready()
            print(common.markdown(["hot words", "recall", "made up", "errors"], []), flush=True)
            for name, fields in [("none, greedy", {}), ("none, four paths", {"beam_size": "4"})] + [
                    (f"{len(SAID + OTHERS)}, boost {boost:g}", {"hotwords": ",".join(f"{each}:{boost:g}" for each in SAID + OTHERS)}) for boost in options.boost]:
                print("| " + " | ".join([name, *measure(server, every, fields)]) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
