"""Sentences to speak, made by a small grammar, and their division into splits.

The grammar has some ten million sentences. A sentence belongs to the split that a checksum of its
letters names, so no sentence is ever spoken in two splits, whatever the seed.
"""

import zlib

SPLITS = ("train", "validation", "test")

_PEOPLE = (
    "my brother|my mother|the teacher|our neighbour|a young painter|the old baker|her best friend|"
    "the mayor|a famous pilot|the bus driver|my favourite cousin|the whole family|a patient nurse|"
    "the new boss|everybody|nobody|somebody|the weather man|a visitor|the village judge|"
    "the football team|his wife|our professor|the king of the island|a clever puppy|"
    "my grandfather|the choir|a bishop|the musician|poor Bob|young Emma|Philip|Victoria|Zoe"
).split("|")
_VERBS = (
    "bought|found|painted|forgot|described|moved|repaired|borrowed|noticed|remembered|lost|"
    "washed|showed me|brought home|gave away|talked about|laughed at|paid for|picked up|"
    "looked after|dreamed of|threw away|kept|wrapped|measured|chose|enjoyed|ordered|watched|fixed"
).split("|")
_THINGS = (
    "a blue bicycle|the broken window|five pumpkins|a very warm coat|the map of the moon|"
    "some fresh bread|a wooden boat|three yellow umbrellas|the morning paper|a bowl of soup|"
    "the piano|my phone number|the purple flowers|a piece of cheese|the small mirror|a fishing rod|"
    "two thousand photographs|the garden gate|a bag of apples|the village clock|an enormous cake|"
    "the choice of music|a pair of shoes|the front page|the television|a cup of coffee|"
    "the orange boxes|a book about whales|the measure of the room|both of the puppets|"
    "a leather jacket|the usual breakfast|an hour of peace|the wonderful view"
).split("|")
_PLACES = (
    "in the park|by the river|before breakfast|after the film|on the way home|at the market|"
    "behind the church|for a good price|without a word|during the storm|last Wednesday|"
    "in the middle of the night|with a big smile|under the bridge|near the airport|"
    "every other month|from far away|once upon a time|for the first time|around the house|"
    "above the bakery|on a beautiful beach|all the time|just for fun|with both hands"
).split("|")
_OPENERS = (
    "Well,|You know,|I think that|Believe me,|By the way,|As far as I know,|People say that|"
    "Maybe|Of course,|To be honest,|Yesterday|Oh,|This morning|In my opinion,|Somehow|"
    "We were told that|Above all,|Apparently|My point is that|Fortunately,"
).split("|")
_REPLIES = (
    "What a surprise!|How could that happen?|I would never do that.|Please come back soon.|"
    "That was a long time ago.|Nobody believed a word of it.|Are you really sure about that?|"
    "We should meet more often.|It made me very happy.|Give me five more minutes.|"
    "Could you move over, please?|There is no place like home.|Thank you very much for that.|"
    "What would you do about it?|It was the best part of the day.|Who wants to know?|"
    "Both of them were right.|The problem is much bigger.|Everything worked perfectly.|"
    "Why did they have to choose?|I have a better idea.|Let us start from the beginning."
).split("|")


def split_of(sentence):
    """Split that a sentence belongs to: eight in ten "train", one "validation", one "test"."""
    bucket = zlib.crc32(sentence.encode()) % 10
    return SPLITS[max(0, bucket - 7)]


def _draw(rng):
    def pick(words):
        return words[rng.integers(len(words))]

    form = rng.integers(5)
    if form == 0:
        text = f"{pick(_PEOPLE)} {pick(_VERBS)} {pick(_THINGS)} {pick(_PLACES)}."
    elif form == 1:
        text = f"{pick(_OPENERS)} {pick(_PEOPLE)} {pick(_VERBS)} {pick(_THINGS)}."
    elif form == 2:
        text = f"{pick(_PEOPLE)} {pick(_VERBS)} {pick(_THINGS)}, and {pick(_PEOPLE)} "
        text += f"{pick(_VERBS)} {pick(_THINGS)}."
    elif form == 3:
        text = f"When {pick(_PEOPLE)} {pick(_VERBS)} {pick(_THINGS)}, {pick(_PEOPLE)} "
        text += f"{pick(_VERBS)} {pick(_THINGS)} {pick(_PLACES)}."
    else:
        text = f"{pick(_REPLIES)} {pick(_OPENERS)} {pick(_PEOPLE)} {pick(_VERBS)} {pick(_THINGS)}."
    return text[0].upper() + text[1:]


def sentence(rng, split):
    """One sentence of `split`, drawn with the numpy generator `rng`."""
    while True:
        text = _draw(rng)
        if split_of(text) == split:
            return text
