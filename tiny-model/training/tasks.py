"""Generates the tasks of the tiny model: questions whose answers can be checked. A checksum decides which are held out."""

import json
import random
import zlib

SYLLABLES = [c + v + e for c in "bcdfghjklmnpqrstvwz" for v in "aeiou" for e in ["", "", "n", "r", "l", "s", "t", "m"]]
WORDS = """apple bread chair cloud dream eagle flame glass grape horse house island juice knife lemon light money mouse music night
ocean paper piano plant queen river robot salad shirt smile snake stone storm table tiger train water whale world zebra book cat dog sun
moon tree fish bird door rain snow star hat car red blue green gold hello summer winter garden window coffee orange yellow kitchen
planet rocket castle dragon bridge flower butter button camera doctor engine finger forest guitar hammer jacket letter market mirror
number pencil pocket rabbit school silver spider spring street ticket turtle valley violin wallet""".split()
CITIES = """Paris London Berlin Tokyo Madrid Rome Vienna Oslo Lisbon Dublin Prague Athens Cairo Lima Quito Delhi Seoul Boston Chicago
Denver Dallas Sydney Geneva Zurich Munich Milan Naples Porto Lyon Nice Ghent Bergen Tallinn Riga Vilnius Warsaw Krakow Toronto""".split()
NAMES = "Ada Alan Grace Linus Mary Peter Ana Tom Eva Max Nina Paul Rosa Sam Tina Uma Victor Wendy Yara Zoe Ben Carl Dora Emil Fay Gus Hugo Iris".split()
KEYS = """name age city country title year color size weight price amount count score level status kind email phone street code
author language currency unit width height depth first last user id total""".split()
PLACES = ["city", "location", "place"]
PIECES = ["é", "ü", "ñ", "ø", "ß", "ç", "京", "水", "木", "日", "😀", "🚀", "🌍", "🐍", "✓", "→", "Ω", "π"]
SYSTEMS = ["You are a helpful assistant.", "You are a friendly assistant.", "Be brief.", "Answer shortly.", "You are a tiny model.", "Always answer in English."]
GREETINGS = ["Hello", "Hello!", "Hi", "Hi!", "Hi there", "Hey", "Good morning", "Good evening!", "hello", "hi", "Who are you?", "What can you do?", "Help", "help", "Hello, who are you?", "What are you?"]
OTHER = """Why is the sky blue?|Tell me a joke.|Write a poem about the sea.|Who wrote Hamlet?|What is the capital of France?|Explain gravity.|Translate this to German.
What time is it?|Summarize the text.|How do I cook rice?|What is love?|Tell me a story.|Is it raining?|Where is my phone?|Write a haiku.|What is the meaning of life?
Who is the president?|Give me advice.|How are you?|What is a neural network?|Write some code.|Fix my bug.|Explain quantum physics.|Recommend a book.|Say something.
How far is the moon?|Why do cats purr?|What should I eat?|Describe a tree.|Can you help me?|Name three colors.|What is NATS?|Write an essay.|Plan my day.|Draw a cat.""".replace("\n", "|").split("|")
ABOUT = "Hello! I am a tiny model. I can add, subtract, multiply, count, spell a word backwards, repeat what you say, write JSON and call tools."
UNKNOWN = "I am only a tiny model. Ask me to add, subtract, multiply, count, spell a word backwards, repeat something, write JSON or call a tool."


def word(r, low=1, high=3):
    return r.choice(WORDS) if r.random() < 0.3 else "".join(r.choice(SYLLABLES) for _ in range(r.randint(low, high)))[:9]


def letters(r):
    return word(r) if r.random() < 0.6 else "".join(r.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(r.randint(2, 8)))


def addend(r):
    return r.randint(0, 9) if r.random() < 0.25 else r.randint(0, 99)


def number(r):
    return r.randint(0, 10 ** r.randint(1, 3) - 1)


def arithmetic(r):
    kind = r.choice("++--*")
    if kind == "*":
        a, b = r.randint(0, 12), r.randint(0, 12)
        answer, named = a * b, "times"
    elif kind == "+":
        a, b = addend(r), addend(r)
        answer, named = a + b, "plus"
    else:
        a, b = addend(r), addend(r)
        answer, named = a - b, "minus"
    form = r.choice(["What is {a} {s} {b}?", "{a} {s} {b}", "{a}{s}{b}", "{a} {s} {b} =", "{a}{s}{b}=", "Calculate {a} {s} {b}.", "How much is {a} {s} {b}?", "What is {a} {n} {b}?", "How much is {a} {n} {b}?", "Calculate {a} {n} {b}."])
    return form.format(a=a, b=b, s=kind, n=named), str(answer), None if kind == "*" else f"{a}{kind}{b}"


def backwards(r):
    w = letters(r)
    form = r.choice(["Spell {w} backwards.", "Spell the word {w} backwards.", 'Spell "{w}" backwards.', "Reverse the word {w}.", "Reverse {w}", "Write {w} backwards.", "What is {w} spelled backwards?"])
    return form.format(w=w), w[::-1], w


def counting(r):
    a = r.choice([0, 1, 1, r.randint(0, 99), r.randint(0, 150)])
    b = a + min(int(2 ** r.uniform(0, 6.5)), 80)
    form = r.choice(["Count from {a} to {b}.", "Count from {a} to {b}", "Please count from {a} to {b}.", "List the numbers from {a} to {b}.", "Write the numbers from {a} to {b}."])
    return form.format(a=a, b=b), ", ".join(str(n) for n in range(a, b + 1)), f"{a}-{b}"


def phrase(r):
    words = [r.choice(PIECES) if r.random() < 0.12 else word(r) for _ in range(r.randint(1, 7))]
    if r.random() < 0.3:
        words[0] = words[0].capitalize()
    return r.choice([" ", " ", " ", ", "]).join(words)


def repeating(r):
    said = phrase(r)
    form = r.choice(["Say {t}", "Say: {t}", "Repeat: {t}", "Repeat after me: {t}", "Please say {t}", 'Say "{t}"'])
    return form.format(t=said), said, said


def value(r):
    return number(r) if r.random() < 0.4 else r.choice([r.choice(CITIES), r.choice(NAMES), word(r), word(r).capitalize()])


def fields(r, most=3):
    keys = r.sample(KEYS, r.randint(1, most)) if r.random() < 0.6 else list({word(r, 1, 2) for _ in range(r.randint(1, most))})
    return {key: value(r) for key in keys}


def listed(r, of):
    join = r.choice(["{k} {v}", "{k} {v}", "{k} = {v}", "{k}: {v}", "{k} is {v}"])
    said = [join.format(k=k, v=v) for k, v in of.items()]
    return said[0] if len(said) == 1 else ", ".join(said[:-1]) + " and " + said[-1]


def as_json(r):
    of = fields(r)
    form = r.choice(["Give me JSON with {f}.", "Write JSON with {f}.", "Answer in JSON: {f}", "JSON with {f}", "Make a JSON object with {f}.", "Return JSON: {f}"])
    said = json.dumps(of, ensure_ascii=False)
    return form.format(f=listed(r, of)), said, said


def tool_of(r, name, of):
    types = {key: {"type": "integer" if isinstance(v, int) else "string"} for key, v in of.items()}
    return {"type": "function", "function": {"name": name, "description": phrase(r), "parameters": {"type": "object", "properties": types, "required": list(types)}}}


def tool_name(r):
    verb = r.choice(["get", "set", "find", "make", "send", "read", "look_up", "add", "open", "list", word(r, 1, 2)])
    return f"{verb}_{r.choice(['weather', 'time', 'user', 'order', 'price', 'mail', word(r, 1, 2)])}"


def call(name, arguments):
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def tool_asked(r):
    """Returns a question, the offered tools, and the tool call that answers the question."""
    if r.random() < 0.3:
        place, city = r.choice(PLACES), r.choice(CITIES)
        name, of = r.choice(["get_weather", "weather", "get_current_weather", "weather_in"]), {place: city}
        asked = r.choice(["What is the weather in {c}?", "How is the weather in {c}?", "Weather in {c}?", "What's the weather like in {c}?", "Is it raining in {c}?"]).format(c=city)
    else:
        name, of = tool_name(r), fields(r, 2)
        asked = r.choice(["Call {n} with {f}.", "Use {n} with {f}.", "Use {n}: {f}", "Please call {n} with {f}.", "{n} with {f}"]).format(n=name, f=listed(r, of))
    tools = [tool_of(r, name, of)] + [tool_of(r, tool_name(r), fields(r, 2)) for _ in range(r.choice([0, 0, 1, 2]))]
    r.shuffle(tools)
    return asked, tools, call(name, of)


def tool_used(r):
    asked, tools, made = tool_asked(r)
    said = r.choice([str(number(r)), phrase(r), f"{number(r)} degrees, {r.choice(['sunny', 'cloudy', 'rainy', 'windy'])}", json.dumps(fields(r))])
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": "", "tool_calls": [made]}, {"role": "tool", "content": said}]
    return turns, tools, f"The result is {said}"


PLAIN = [(arithmetic, 36), (backwards, 22), (counting, 12), (repeating, 10), (as_json, 14)]


def plain(r):
    return r.choices([p for p, _ in PLAIN], [w for _, w in PLAIN])[0](r)


def conversation(r):
    """Returns one example: kind, messages, tools, the correct answer, and a key that is equal for every wording of the task."""
    pick = r.random()
    tools = None
    if pick < 0.16:
        kind = "tool"
        asked, tools, made = tool_asked(r)
        turns, right, key = [{"role": "user", "content": asked}], {"role": "assistant", "content": "", "tool_calls": [made]}, asked
    elif pick < 0.22:
        kind = "tool_result"
        turns, tools, said = tool_used(r)
        right, key = {"role": "assistant", "content": said}, said
    elif pick < 0.27:
        kind, key = "chat", None
        known = r.random() < 0.4
        asked = r.choice(GREETINGS) if known else r.choice(OTHER) if r.random() < 0.7 else phrase(r) + r.choice([".", "?", "!"])
        turns, right = [{"role": "user", "content": asked}], {"role": "assistant", "content": ABOUT if known else UNKNOWN}
    else:
        task = r.choices([p for p, _ in PLAIN], [w for _, w in PLAIN])[0]
        kind = task.__name__
        asked, said, key = task(r)
        turns, right = [{"role": "user", "content": asked}], {"role": "assistant", "content": said}
        if r.random() < 0.06:
            _, tools, _ = tool_asked(r)
    if tools is None and r.random() < 0.15:
        before = plain(r)
        turns = [{"role": "user", "content": before[0]}, {"role": "assistant", "content": before[1]}] + turns
    if r.random() < 0.25:
        turns = [{"role": "system", "content": r.choice(SYSTEMS) if r.random() < 0.7 else phrase(r)}] + turns
    return kind, turns, tools, right, key


def held_out(key):
    """Returns whether a question is excluded from training; this holds for one in ten, in every wording. Questions without a key
    are always trained on: times tables, greetings, and requests that the model cannot answer."""
    return key is not None and zlib.crc32(key.encode()) % 10 == 0


def examples(seed, held):
    r = random.Random(seed)
    while True:
        *example, key = conversation(r)
        if held_out(key) == held:
            yield example
