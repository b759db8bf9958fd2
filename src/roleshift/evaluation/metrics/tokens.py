"""Tokenisers by language, and the normalisation of answers.

Languages written without spaces are taken by characters: with the English tokenisers identical
Chinese texts score 0.
"""

import re
import unicodedata

UNSPACED = frozenset({"zh", "ja", "th", "lo", "km", "my"})
_UNSPACED_CHARACTERS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff"  # Japanese syllabaries
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
_TOKEN = re.compile(f"[{_UNSPACED_CHARACTERS}]|[^\\W_{_UNSPACED_CHARACTERS}]+")
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def primary_language(language: str) -> str:
    """The first part of a BCP 47 tag: `zh` of `zh-Hant-TW`."""
    return language.lower().replace("_", "-").split("-")[0]


def bleu_tokenizer(language: str) -> str:
    """sacreBLEU's tokeniser for a language: `zh`, `char` for other unspaced ones, else `13a`."""
    primary = primary_language(language)
    if primary == "zh":
        return "zh"
    return "char" if primary in UNSPACED else "13a"


class UnicodeTokenizer:
    """Lower-cased words of letters and digits; unspaced scripts character by character."""

    def tokenize(self, text: str) -> list[str]:
        """The tokens of a text."""
        return _TOKEN.findall(text.lower())


class EnglishTokenizer:
    """rouge-score's own tokeniser without stemming."""

    def __init__(self) -> None:
        from rouge_score import tokenizers  # brings nltk: a second that commands without ROUGE need not wait

        self._inner = tokenizers.DefaultTokenizer(use_stemmer=False)

    def tokenize(self, text: str) -> list[str]:
        """The tokens of a text."""
        tokens: list[str] = self._inner.tokenize(text)
        return tokens


def rouge_tokenizer(language: str) -> tuple[str, EnglishTokenizer | UnicodeTokenizer]:
    """The name and the tokeniser that ROUGE uses for a language."""
    if primary_language(language) == "en":
        return "rouge-score", EnglishTokenizer()
    return "unicode", UnicodeTokenizer()


def normalise_answer(text: str, language: str) -> str:
    """SQuAD's normalisation: lower case, no punctuation, no English articles, single spaces.

    Source: the evaluation script of SQuAD 1.1 (Rajpurkar et al., 2016); punctuation here is every
    Unicode character of a category P, after NFKC, so that full-width marks count too.
    """
    text = unicodedata.normalize("NFKC", text).lower()
    text = "".join(character for character in text if not unicodedata.category(character).startswith("P"))
    if primary_language(language) == "en":
        text = _ARTICLES.sub(" ", text)
    return " ".join(text.split())


def answer_tokens(text: str, language: str) -> list[str]:
    """The tokens of a normalised answer: words, unspaced scripts character by character."""
    normalised = normalise_answer(text, language)
    return [token for word in normalised.split() for token in _split_unspaced(word)]


def _split_unspaced(word: str) -> list[str]:
    return re.findall(f"[{_UNSPACED_CHARACTERS}]|[^{_UNSPACED_CHARACTERS}]+", word)


def ngrams(text: str, order: int) -> list[tuple[str, ...]]:
    """The n-grams of a text's `UnicodeTokenizer` tokens, in order."""
    tokens = UnicodeTokenizer().tokenize(text)
    return [tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1)]
