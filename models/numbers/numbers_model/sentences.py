"""What is said: sentences as lists of words of the vocabulary."""
from . import vocabulary as v

ONES = v.WORDS[v.WORDS.index("one"):v.WORDS.index("ten")]
TEENS = v.WORDS[v.WORDS.index("ten"):v.WORDS.index("twenty")]
TENS = v.WORDS[v.WORDS.index("twenty"):v.WORDS.index("hundred")]
ORDINALS = v.WORDS[v.WORDS.index("first"):v.WORDS.index("thirtieth") + 1]
MONTHS = v.WORDS[v.WORDS.index("january"):v.WORDS.index("december") + 1]
WEEKDAYS = v.WORDS[v.WORDS.index("monday"):v.WORDS.index("sunday") + 1]


def number(n, connect=False):
    """0 to 999 in words; with `connect` "three hundred and forty two"."""
    if n >= 100:
        rest = (["and"] if connect else []) + number(n % 100) if n % 100 else []
        return [ONES[n // 100 - 1], "hundred"] + rest
    if n >= 20:
        return [TENS[n // 10 - 2]] + ([ONES[n % 10 - 1]] if n % 10 else [])
    if n >= 10:
        return [TEENS[n - 10]]
    return [ONES[n - 1]] if n else ["zero"]


def ordinal(day):
    if day <= 20:
        return [ORDINALS[day - 1]]
    if day == 30:
        return ["thirtieth"]
    return [TENS[day // 10 - 2], ORDINALS[day % 10 - 1]]


def digits(random):
    nought = random.choice(["zero", "zero", "oh"])
    return [random.choice([nought] + ONES) for _ in range(random.choice([2, 3, 4, 5, 6, 7, 8, 9, 10, 12]))]


def clock(random):
    hour, minute = random.randint(1, 12), random.randint(0, 59)
    half_of_day = random.choice([[], ["am"], ["pm"]])
    style = random.random()
    if style < 0.15:
        return random.choice([["noon"], ["midnight"], number(hour) + ["o'clock"]])
    if style < 0.4:
        start = random.choice([["half", "past"], ["quarter", "past"], ["quarter", "to"], number(5 * random.randint(1, 5)) + ["past"],
                               number(5 * random.randint(1, 5)) + ["to"]])
        return start + number(hour) + half_of_day
    if minute == 0:
        return number(hour) + (half_of_day or ["o'clock"])
    return number(hour) + (["oh"] if minute < 10 else []) + number(minute) + half_of_day


def year(random):
    style = random.random()
    if style < 0.3:
        return ["two", "thousand"] + random.choice([[], ["and"]]) + number(random.randint(1, 9))
    century = number(random.choice([18, 19, 20]))
    rest = random.randint(1, 99)
    return century + (["oh"] if rest < 10 else []) + number(rest)


def date(random):
    day, month = ordinal(random.randint(1, 31)), random.choice(MONTHS)
    said = random.choice([[month] + day, [month, "the"] + day, ["the"] + day + ["of", month]])
    if random.random() < 0.3:
        said = [random.choice(WEEKDAYS)] + said
    if random.random() < 0.25:
        said = said + year(random)
    return said


def commands(random):
    return [random.choice(v.COMMANDS) for _ in range(random.choice([1, 1, 1, 2, 2, 3, 4]))]


def anything(random):
    """Words in no order, so that the model listens rather than guesses."""
    return [random.choice(v.WORDS) for _ in range(random.randint(1, 7))]


def sentence(random):
    kind = random.random()
    if kind < 0.25:
        return number(random.choice([random.randint(0, 99), random.randint(0, 999), random.randint(0, 999)]), random.random() < 0.4)
    for share, make in ((0.38, digits), (0.52, clock), (0.67, date), (0.82, commands)):
        if kind < share:
            return make(random)
    return anything(random)


GERMAN_ONES = v.GERMAN_WORDS[v.GERMAN_WORDS.index("eins"):v.GERMAN_WORDS.index("zehn")]
GERMAN_ONES.remove("ein")
GERMAN_TEENS = v.GERMAN_WORDS[v.GERMAN_WORDS.index("zehn"):v.GERMAN_WORDS.index("zwanzig")]
GERMAN_TENS = v.GERMAN_WORDS[v.GERMAN_WORDS.index("zwanzig"):v.GERMAN_WORDS.index("hundert")]


def german_number(n, one_hundred=False):
    """0 to 999 in pieces of one word; with `one_hundred` "einhundertzwei"."""
    if n == 0:
        return ["null"]
    pieces = []
    if n >= 100:
        pieces = ([GERMAN_ONES[n // 100 - 1]] if n >= 200 else ["ein"] if one_hundred else []) + ["hundert"]
        n %= 100
    if n >= 20:
        pieces += ([GERMAN_ONES[n % 10 - 1] if n % 10 > 1 else "ein", "und"] if n % 10 else []) + [GERMAN_TENS[n // 10 - 2]]
    elif n:
        pieces += [(GERMAN_ONES + GERMAN_TEENS)[n - 1]]
    return pieces[:1] + ["-" + piece for piece in pieces[1:]]


def german(random):
    """A German sentence in pieces, and what it is in English."""
    said = [random.choice([random.randint(0, 99), random.randint(0, 999), random.randint(0, 999)])]
    if random.random() < 0.35:
        said = [random.randint(0, 9) for _ in range(random.choice([2, 3, 4, 5, 6, 7, 8, 9, 10]))]
    return ([piece for n in said for piece in german_number(n, random.random() < 0.4)], [word for n in said for word in number(n)])
