"""The numbers of a Markdown text, and where a sentence begins and ends.

A number is a numeral of the prose or of a table. No numbers are: digits in inline or fenced
code, in the targets of links, in addresses, in tags and comments, in identifiers of arXiv, in
dates, and digits that follow a letter directly, which belong to a name (`f32`).
"""
import re

DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:e[-+]?\d+)?"
# A sign counts where nothing stands before it that a hyphen could join.
NUMERAL = re.compile(rf"(?:(?<![\w.)\]])[-+−]|(?<![\w.])|(?<=\dx)){DIGITS}", re.ASCII)

WORDS = {word: n for n, word in enumerate(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty".split())}

MONTH = ("(?:January|February|March|April|May|June|July|August|September|October|November"
         "|December)")
HIDDEN = [re.compile(pattern, re.DOTALL) for pattern in (
    r"^ {0,3}(```|~~~).*?^ {0,3}\1[^\n]*$".replace("^", r"(?m:^)").replace("$", r"(?m:$)"),
    r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)",
    r"<!--.*?-->",
    r"</?[A-Za-z][^<>]*>",
    r"(?<=\])\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s+\"[^\"]*\")?\)",
    r"(?m:^)\[[^\]]+\]:\s*\S+",
    r"\bhttps?://[^\s)>]+",
    r"(?i:\barxiv)[:\s]\s*\d{4}\.\d{4,5}(?:v\d+)?",
    r"\b\d{4}-\d\d-\d\d\b",
    rf"\b\d{{1,2}} {MONTH}(?: \d{{4}})?\b",
    rf"\b{MONTH} (?:\d{{1,2}}, )?\d{{4}}\b",
)]


class Number:
    """A numeral or a number word: its place in the text, its value and its precision."""

    def __init__(self, start, shown):
        self.start, self.end, self.shown = start, start + len(shown), shown
        word = WORDS.get(shown.lower())
        plain = shown.replace(",", "").replace("−", "-")
        self.value = float(plain) if word is None else float(word)
        mantissa, _, exponent = plain.partition("e")
        _, _, decimals = mantissa.partition(".")
        self.unit = 10.0 ** (int(exponent or 0) - len(decimals)) if word is None else 1.0

    def agrees(self, value, digits=None):
        """Whether the value rounds to what is shown; a half may have gone either way. `digits`
        says how many digits of a whole number are meant, where the rest is zeros."""
        unit = self.unit
        if digits is not None:
            unit = max(unit, 10.0 ** (len(str(int(abs(self.value)))) - digits))
            if abs(self.value / unit - round(self.value / unit)) > 1e-9:
                return False
        return abs(value - self.value) <= unit / 2 * (1 + 1e-9) + 1e-12 * abs(value)


class Prose:
    """A Markdown text with every run of spaces and line ends made one space."""

    def __init__(self, markdown):
        self.markdown = markdown
        hidden = [False] * len(markdown)
        for pattern in HIDDEN:
            for match in pattern.finditer(markdown):
                if not hidden[match.start()]:
                    hidden[match.start():match.end()] = [True] * (match.end() - match.start())
        pieces, self.origin = [], []
        for match in re.finditer(r"\s+|\S+", markdown):
            piece = " " if match[0].isspace() else match[0]
            pieces.append(piece)
            self.origin.extend(range(match.start(), match.start() + len(piece)))
        self.text = "".join(pieces)
        self.hidden = [hidden[at] for at in self.origin]
        self.numbers = [Number(m.start(), m[0]) for m in NUMERAL.finditer(self.text)
                        if not self.hidden[m.start()] and not self.lists(m)]

    def lists(self, match):
        """Whether the match is the number of an item of a list."""
        line = self.markdown.rfind("\n", 0, self.origin[match.start()]) + 1
        item = re.compile(r"\s*\d+[.)]\s").match(self.markdown, line)
        return bool(item) and self.origin[match.start()] < item.end()

    def line(self, at):
        """The number of the line on which this place of the text stands."""
        return self.markdown.count("\n", 0, self.origin[at]) + 1

    def sentence(self, at):
        """The sentence, or the row of a table, around this place: its start and end."""
        breaks = (r"\n\s*\n|\n(?=\s*(?:[-*]\s|#+\s|\d+\.\s|\|))"
                  r"|(?<=[.!?])\s+(?=[(“\"*`]*[A-Z])|(?<=[.!?]\*\*)\s+")
        place, start, end = self.origin[at], 0, len(self.markdown)
        for match in re.finditer(breaks, self.markdown):
            if match.end() <= place:
                start = match.end()
            elif match.start() >= place:
                end = match.start()
                break
        first = next(i for i, at in enumerate(self.origin) if at >= start)
        last = max(i for i, at in enumerate(self.origin) if at < end)
        return first, last + 1

    def quote(self, at):
        """The sentence around this place."""
        start, end = self.sentence(at)
        return self.text[start:end].strip()

    def find(self, snippet):
        """Every place of a snippet: lists of the numbers that stand at its `{}`."""
        pieces = [re.escape(piece) for piece in " ".join(snippet.split()).split("{}")]
        words = r"\b(?i:" + "|".join(WORDS) + r")\b"
        pattern = re.compile(rf"({NUMERAL.pattern}|{words})".join(pieces), re.ASCII)
        found, at = [], 0
        while match := pattern.search(self.text, at):
            found.append((match, [Number(match.start(i), match[i])
                                  for i in range(1, pattern.groups + 1)]))
            at = match.start() + 1
        return found
