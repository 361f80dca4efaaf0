"""The models' words, how each is pronounced, and which token number each has in the model file."""

# A word and its phones. The phones only serve an auxiliary loss while training: the synthesizers pronounce as they like.
_ENGLISH = """
zero z ih r ow | oh ow | one w ah n | two t uw | three th r iy | four f ao r | five f ay v | six s ih k s
seven s eh v ah n | eight ey t | nine n ay n | ten t eh n | eleven ih l eh v ah n | twelve t w eh l v
thirteen th er t iy n | fourteen f ao r t iy n | fifteen f ih f t iy n | sixteen s ih k s t iy n
seventeen s eh v ah n t iy n | eighteen ey t iy n | nineteen n ay n t iy n | twenty t w eh n t iy
thirty th er t iy | forty f ao r t iy | fifty f ih f t iy | sixty s ih k s t iy | seventy s eh v ah n t iy
eighty ey t iy | ninety n ay n t iy | hundred hh ah n d r ah d | thousand th aw z ah n d | and ae n d
first f er s t | second s eh k ah n d | third th er d | fourth f ao r th | fifth f ih f th | sixth s ih k s th
seventh s eh v ah n th | eighth ey t th | ninth n ay n th | tenth t eh n th | eleventh ih l eh v ah n th
twelfth t w eh l f th | thirteenth th er t iy n th | fourteenth f ao r t iy n th | fifteenth f ih f t iy n th
sixteenth s ih k s t iy n th | seventeenth s eh v ah n t iy n th | eighteenth ey t iy n th
nineteenth n ay n t iy n th | twentieth t w eh n t iy ah th | thirtieth th er t iy ah th
january jh ae n y uw eh r iy | february f eh b y uw eh r iy | march m aa r ch | april ey p r ah l | may m ey
june jh uw n | july jh uw l ay | august ao g ah s t | september s eh p t eh m b er | october aa k t ow b er
november n ow v eh m b er | december d ih s eh m b er
monday m ah n d ey | tuesday t uw z d ey | wednesday w eh n z d ey | thursday th er z d ey | friday f r ay d ey
saturday s ae t er d ey | sunday s ah n d ey
o'clock ah k l aa k | am ey eh m | pm p iy eh m | half hh ae f | quarter k w ao r t er | past p ae s t | to t ah
noon n uw n | midnight m ih d n ay t | of ah v | the dh ah
yes y eh s | no n ow | stop s t aa p | start s t aa r t | left l eh f t | right r ay t | on aa n | off ao f
up ah p | down d aw n | go g ow | back b ae k | forward f ao r w er d | open ow p ah n | close k l ow z
play p l ey | pause p ao z | next n eh k s t | louder l aw d er | quieter k w ay ah t er | help hh eh l p
cancel k ae n s ah l | repeat r ih p iy t | save s ey v
"""
# German writes a number as one word. A piece that goes on in the word before it begins with a hyphen here.
_GERMAN = """
null n uh l | eins ay n s | ein ay n | zwei ts v ay | drei d r ay | vier f iy r | fünf f ue n f | sechs z eh k s
sieben z iy b ah n | acht aa x t | neun n oy n | zehn ts ey n | elf eh l f | zwölf ts v oe l f | dreizehn d r ay ts ey n
vierzehn f ih r ts ey n | fünfzehn f ue n f ts ey n | sechzehn z eh c ts ey n | siebzehn z iy p ts ey n
achtzehn aa x ts ey n | neunzehn n oy n ts ey n | zwanzig ts v aa n ts ih c | dreißig d r ay s ih c
vierzig f ih r ts ih c | fünfzig f ue n f ts ih c | sechzig z eh c ts ih c | siebzig z iy p ts ih c
achtzig aa x ts ih c | neunzig n oy n ts ih c | hundert hh uh n d er t | und uh n t
"""


def _pronunciations(lexicon):
    return {entry.split()[0]: entry.split()[1:] for line in lexicon.strip().split("\n") for entry in line.split("|")}


_ENGLISH_WORDS, _GERMAN_WORDS = _pronunciations(_ENGLISH), _pronunciations(_GERMAN)
WORDS = list(_ENGLISH_WORDS)
COMMANDS = WORDS[WORDS.index("yes"):]
GERMAN_WORDS = list(_GERMAN_WORDS)

TEXT_TOKENS = 50257  # strings in the file, ours where the engine has no say
NOTHING = 999  # a token without text: what is said of silence when timestamps are off, as the engine forbids the end there
FIRST_WORD = 1000

# Times are learnt and said in steps of 0.1 s, so of the file's 1501 timestamps every fifth.
TIME_STEP = 0.1
TIME_STRIDE = 5
TIMES = 301


class Vocabulary:
    """The tokens of one format. `row` names those in use and says where the network's embedding holds each."""

    def __init__(self, size, pronunciations, first_time, **special):
        self.size = size
        self.words = list(pronunciations)
        english = {phone for word in WORDS for phone in pronunciations[word]}
        others = {phone for phones in pronunciations.values() for phone in phones} - english
        self.phones = sorted(english) + sorted(others)  # so an English one has the same number in each
        number = {phone: i + 1 for i, phone in enumerate(self.phones)}  # 0 is CTC's blank
        self.phones_of = {word: [number[phone] for phone in phones] for word, phones in pronunciations.items()}

        tokens = {"nothing": NOTHING}
        tokens |= {("word", word): FIRST_WORD + i for i, word in enumerate(self.words)}  # rows that start at one
        tokens |= special
        tokens |= {("time", i): first_time + TIME_STRIDE * i for i in range(TIMES)}
        self.used = list(tokens.values())
        self.row = {name: row for row, name in enumerate(tokens)}
        self.first_time_row = self.row["time", 0]
        self.multilingual = "transcribe" in special

    def word_row(self, word):
        return self.row["word", word]

    def time_row(self, seconds):
        return self.row["time", min(max(round(seconds / TIME_STEP), 0), TIMES - 1)]

    def token_texts(self):
        """The strings of the text tokens, all different but for those that are empty."""
        letters = "0123456789abcdefghijklmnopqrstuvwxyz"
        for token in range(TEXT_TOKENS):
            if token < 256:
                yield bytes([token])  # any text can be spelled, so any prompt can be given
            elif token in (NOTHING, TEXT_TOKENS - 1):  # the last is the end of text where there is but one language
                yield b""
            elif FIRST_WORD <= token < FIRST_WORD + len(self.words):
                word = self.words[token - FIRST_WORD]
                yield (word[1:] if word.startswith("-") else " " + word).encode()
            else:
                number, digits = token, ""
                while number:
                    number, digit = divmod(number, 36)
                    digits += letters[digit]
                yield b"\x7f" + digits.encode()


# Token numbers are where the engine expects its own.
ENGLISH = Vocabulary(51864, _ENGLISH_WORDS, 50363, end=50256, start=50257, previous=50360, no_speech=50361, no_timestamps=50362)
MULTILINGUAL = Vocabulary(
    51865, _ENGLISH_WORDS | _GERMAN_WORDS | {"-" + piece: phones for piece, phones in _GERMAN_WORDS.items()}, 50364,
    end=50257, start=50258, previous=50361, no_speech=50362, no_timestamps=50363, en=50259, de=50261, translate=50358, transcribe=50359)
