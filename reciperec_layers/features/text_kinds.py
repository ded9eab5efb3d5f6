"""Which encoder suits a column of text: times, lists, categories, words or none."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from reciperec_layers.columns.list_texts import AROUND_VALUES, WRITTEN_LISTS, is_written_list
from reciperec_layers.features.column_profile import ColumnProfile
from reciperec_layers.features.kind import Kind
from reciperec_layers.features.name_hints import says_key

NEARLY_UNIQUE = 0.9
MAX_CATEGORIES = 1_000
MIN_REPEATS = 5
_MAX_CATEGORY_WORDS = 5

# Of the sample, the part that is looked at closely.
_NUM_TEXTS = 1_000
_NUM_LITERALS = 10
_MAX_LITERAL_CHARS = 100_000
_MAX_ADDRESS_CHARS = 1_000
_NEARLY_ALL = 0.9
_NUM_LISTS = 100
_MAX_ITEM_WORDS = 8
_CONTAINERS = (dict, list, tuple, set)

_ADDRESS = re.compile(r"(?:https?|ftp|s3|gs|file)://|data:\w+/|www\.\S+$|//[\w-]+\.\w", re.IGNORECASE)
_PICTURE = re.compile(r"\.(?:jpe?g|png|gif|webp|svg|bmp|tiff?)(?:[?#]\S*)?$|^data:image", re.IGNORECASE)
_PATH = re.compile(r"(?:[A-Za-z]:\\|\.{0,2}/)?(?:[^\s/\\]+[/\\])*[^\s/\\]+\.(?=\w*[A-Za-z])\w{2,4}$")
_MAIL = re.compile(r"\S+@\S+\.\w+$")
_ISO_TIME = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:?\d{2}(?::?\d{2}(?:[.,]\d+)?)?\s?(?:Z|[+-]\d{2}:?\d{0,2})?)?$")
_OTHER_DATE = re.compile(r"\d{1,4}[-/. ](?:\d{1,2}|[A-Za-z]{3,9})[-/. ]\d{2,4}\b|[A-Za-z]{3,9} \d{1,2},? \d{4}\b")
_NUMBER = re.compile(r"[-+$€£]?\s?(?:\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+(?:[.,]\d*)?|\.\d+)(?:[eE][-+]?\d+)?\s?[%€]?$")
_FRACTION = re.compile(r"\d\.|\.\d|\d[eE]")
_LETTERS = re.compile(r"[^\W\d_]+")
_TOKENS = re.compile(r"\w+")
_ITEM = re.compile(r"[^\W\d_]|^\d+$")
_SENTENCE = re.compile(r"[.!?](?:\s|$)")

# What separates items: the share of the texts that must have it, the words of an item at most (on average), and the
# share of the items that may be different. Commas and semicolons also are in sentences and names.
_SEPARATORS = (
    ("^", 0.1, 8.0, 1.0),
    ("|", 0.1, 8.0, 1.0),
    ("\x1f", 0.01, 8.0, 1.0),
    (";", 0.3, 3.0, 0.8),
    (",", 0.5, 3.0, 0.8),
)


def text_kind(profile: ColumnProfile) -> Kind:
    """Returns which encoder suits a column of text.

    Args:
        profile: The column; its sample is text and not empty.

    Example:
        >>> import pandas as pd
        >>> text_kind(ColumnProfile("genres", pd.Series(["Comedy|Drama", "Drama", "Comedy|Horror"])))
        Kind(encoder='list', reason='items between separators', options={'separator': '|'})
    """
    texts = [text.strip() for text in profile.sample[:_NUM_TEXTS]]
    for look in (_address, _time, _number, _literal):
        kind = look(profile, texts)
        if kind is not None:
            return kind
    is_category = _is_category(profile, texts)
    separator = _separator(texts, allow_common=not (is_category and (profile.num_distinct or 0) <= 20))
    if separator is not None:
        return Kind("list", "items between separators", {"separator": separator})
    if is_category:
        return Kind("category", "few values")
    # Of different texts, since a placeholder such as "N/A" may fill most rows.
    if _share(set(texts), _has_word) < 0.5:
        return _code(profile)
    return Kind("text", f"text, {np.mean([len(_TOKENS.findall(text)) for text in texts]):.1f} words on average")


def _address(profile: ColumnProfile, texts: Sequence[str]) -> Kind | None:
    texts = [text[:_MAX_ADDRESS_CHARS] for text in texts]
    if _share(texts, _ADDRESS.match) >= _NEARLY_ALL:
        of_pictures = _share(texts, _PICTURE.search) >= 0.5
        return Kind(None, "addresses of pictures" if of_pictures else "addresses of pages or files")
    if _share(texts, _MAIL.match) >= _NEARLY_ALL:
        return Kind(None, "addresses of mail")
    if _share(texts, _PATH.match) >= _NEARLY_ALL:
        return Kind(None, "names of files")
    return None


def _time(profile: ColumnProfile, texts: Sequence[str]) -> Kind | None:
    share = _share(texts, _ISO_TIME.match)
    if share >= _NEARLY_ALL:
        unread = sum(not _ISO_TIME.match(text.strip()) for text in profile.sample)
        return Kind(
            "time", "times" if not unread else f"times, of which {unread} of {len(profile.sample)} are not ISO 8601"
        )
    if _share(texts, _OTHER_DATE.match) >= _NEARLY_ALL:
        return Kind(None, "dates that are not ISO 8601; convert them, for example by pandas.to_datetime")
    return None


def _number(profile: ColumnProfile, texts: Sequence[str]) -> Kind | None:
    if _share(texts, _NUMBER.match) < _NEARLY_ALL:
        return None
    if says_key(profile.name) or any(re.match(r"0\d", text) for text in texts):
        return _code(profile)
    if _is_category(profile, texts):
        return Kind("category", "few values")
    return Kind(None, "numbers as text; convert them, for example by pandas.to_numeric")


def _code(profile: ColumnProfile) -> Kind:
    if profile.share_distinct >= NEARLY_UNIQUE:
        return Kind(None, "codes without words, nearly all different")
    if profile.share_distinct_but_one >= NEARLY_UNIQUE:
        return Kind(None, "codes without words, nearly all different but for one that repeats")
    if (profile.num_distinct or 0) > MAX_CATEGORIES:
        return Kind("id", "codes that repeat, too many for categories")
    return Kind("category", "codes that repeat")


def _literal(profile: ColumnProfile, texts: Sequence[str]) -> Kind | None:
    """Returns the kind of dicts and lists that were written as text, by Python or as JSON."""
    enclosed = [text for text in texts if text[:1] + text[-1:] in ("{}", "[]", "()")]
    if len(enclosed) < _NEARLY_ALL * len(texts):
        return None
    shortest = sorted({text for text in enclosed if len(text) > 2}, key=len)[:_NUM_LITERALS]
    values = [_parse(text) for text in shortest if len(text) <= _MAX_LITERAL_CHARS]
    values = [value for value in values if isinstance(value, _CONTAINERS)]
    if not values:
        return None
    form = "dicts" if isinstance(values[0], dict) else "lists"
    leaves = [leaf for value in values for leaf in _leaves(value)]
    if any(isinstance(leaf, _CONTAINERS) for leaf in leaves):
        return Kind(None, f"nested {form}, written as text")
    if form == "lists" and not any(isinstance(item, dict) for value in values for item in value):
        return _written_lists(profile, enclosed)
    if any(isinstance(leaf, str) and _has_word(leaf) for leaf in leaves):
        return Kind("text", f"{form} of text, written as text")
    return Kind(None, f"{form} of numbers, written as text; give each number a column")


def _written_lists(profile: ColumnProfile, texts: Sequence[str]) -> Kind:
    """Returns the kind of lists of text or numbers that were written as text."""
    insides = [inside for text in texts if (inside := text.strip(AROUND_VALUES))]
    is_text = any(quote in inside for inside in insides for quote in "'\"")
    if not is_text and any(_FRACTION.search(inside) for inside in insides):
        return _written_vectors(profile, texts, {inside.count(",") + 1 for inside in insides})
    reason = f"lists of {'text' if is_text else 'whole numbers'}, written as text"
    num_unread = sum(not is_written_list(text) for text in profile.sample)
    items = [str(item) for text in texts[:_NUM_LISTS] for item in _parse(text[:_MAX_LITERAL_CHARS]) or ()]
    if num_unread:
        reason += f", of which {num_unread} of {len(profile.sample)} cannot be read as lists"
    elif np.mean([len(item.split()) for item in items] or [0]) <= _MAX_ITEM_WORDS:
        return Kind("list", reason, {"separator": WRITTEN_LISTS})
    return Kind("text" if _share(items, _has_word) >= 0.5 else None, reason)


def _written_vectors(profile: ColumnProfile, texts: Sequence[str], lengths: set[int]) -> Kind:
    if len(lengths) > 1:
        shown = ", ".join(map(str, sorted(lengths)[:3])) + (", ..." if len(lengths) > 3 else "")
        return Kind(None, f"vectors of unequal lengths, written as text: {shown}")
    read = "json.loads" if all(text[:1] == "[" for text in texts) else "ast.literal_eval"
    fix = f"frame[{profile.name!r}].map({read}, na_action='ignore')"
    return Kind(None, f"vectors of {min(lengths)} numbers, written as text; convert them: {fix}")


def _leaves(value: Any) -> list[Any]:
    """Returns the values of a dict, or the items of a list and the values of the dicts in it."""
    if isinstance(value, dict):
        return list(value.values())
    return [leaf for item in value for leaf in (item.values() if isinstance(item, dict) else [item])]


def _parse(text: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about backslashes in texts
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _separator(texts: Sequence[str], allow_common: bool) -> str | None:
    """Returns what separates the items of lists in texts, or `None` if they are no lists."""
    for separator, min_share, max_words, max_distinct in _SEPARATORS:
        is_common = separator in ",;"
        if (is_common and not allow_common) or _share(texts, lambda text, each=separator: each in text) < min_share:
            continue
        items = [item.strip() for text in texts for item in text.split(separator)]
        items = [item for item in items if item]
        words = np.mean([len(item.split()) for item in items]) if items else np.inf
        if words > max_words or len(set(items)) > max_distinct * len(items):
            continue
        if is_common and (_share(texts, _SENTENCE.search) > 0.1 or _share(items, _ITEM.search) < 0.5):
            continue
        return separator
    return None


def _is_category(profile: ColumnProfile, texts: Sequence[str]) -> bool:
    """Returns whether values are short and repeat; columns that users made categorical need not repeat as often."""
    distinct = profile.num_distinct or 1
    repeats = profile.num_known / distinct
    if profile.is_categorical:
        return profile.share_distinct < NEARLY_UNIQUE
    is_short = np.mean([len(text.split()) for text in set(texts)]) <= _MAX_CATEGORY_WORDS
    is_few = (repeats >= MIN_REPEATS and distinct <= MAX_CATEGORIES) or (repeats >= 2 and distinct <= 50)
    return bool(is_short and is_few)


def _has_word(text: str) -> bool:
    """Returns whether a text has letters that look like a word: three of one case, or another script than ours."""
    tokens = [token for token in _TOKENS.findall(text) if _LETTERS.fullmatch(token)]
    return any(
        not token.isascii() or (len(token) >= 3 and (token.islower() or token.isupper() or token.istitle()))
        for token in tokens
    )


def _share(texts: Collection[str], test: Any) -> float:
    return sum(bool(test(text)) for text in texts) / max(len(texts), 1)
