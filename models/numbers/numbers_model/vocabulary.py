"""The model's words, how each is pronounced, and which token number each has in the model file."""

# A word and its phones. The phones only serve an auxiliary loss while training: the synthesizers pronounce as they like.
_LEXICON = """
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
_PRONUNCIATIONS = {entry.split()[0]: entry.split()[1:] for line in _LEXICON.strip().split("\n") for entry in line.split("|")}

WORDS = list(_PRONUNCIATIONS)
COMMANDS = WORDS[WORDS.index("yes"):]
PHONES = sorted({phone for phones in _PRONUNCIATIONS.values() for phone in phones})
PHONE_NUMBER = {phone: i + 1 for i, phone in enumerate(PHONES)}  # 0 is CTC's blank
WORD_PHONES = [[PHONE_NUMBER[phone] for phone in _PRONUNCIATIONS[word]] for word in WORDS]

# Token numbers in the file: where the engine expects its own in an English-only model, and ours where it has no say.
VOCABULARY = 51864
TEXT_TOKENS = 50257  # of which the last is the end of text
END, START, PREVIOUS, NO_SPEECH, NO_TIMESTAMPS, FIRST_TIME = 50256, 50257, 50360, 50361, 50362, 50363
NOTHING = 999  # a token without text: what is said of silence when timestamps are off, as the engine forbids END there
FIRST_WORD = 1000

# Times are learnt and said in steps of 0.1 s, so of the file's 1501 timestamps every fifth.
TIME_STEP = 0.1
TIME_STRIDE = 5
TIMES = 301

# The rows of the embedding that are trained, in the order the network holds them.
USED = ([NOTHING] + [FIRST_WORD + i for i in range(len(WORDS))] + [END, START, PREVIOUS, NO_SPEECH, NO_TIMESTAMPS]
        + [FIRST_TIME + TIME_STRIDE * i for i in range(TIMES)])
ROW = {token: row for row, token in enumerate(USED)}
FIRST_TIME_ROW = ROW[FIRST_TIME]


def word_row(word):
    return ROW[FIRST_WORD + WORDS.index(word)]


def time_row(seconds):
    return FIRST_TIME_ROW + min(max(round(seconds / TIME_STEP), 0), TIMES - 1)


def token_texts():
    """The strings of the text tokens, all different but for the two that are empty."""
    letters = "0123456789abcdefghijklmnopqrstuvwxyz"
    for token in range(TEXT_TOKENS):
        if token < 256:
            yield bytes([token])  # any text can be spelled, so any prompt can be given
        elif token in (NOTHING, END):
            yield b""
        elif FIRST_WORD <= token < FIRST_WORD + len(WORDS):
            yield b" " + WORDS[token - FIRST_WORD].encode()
        else:
            number, digits = token, ""
            while number:
                number, digit = divmod(number, 36)
                digits += letters[digit]
            yield b"\x7f" + digits.encode()
