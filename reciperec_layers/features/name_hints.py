"""What the names of columns say about where their values come from."""

from __future__ import annotations

import re

from reciperec_layers.columns.names import TIME_COLUMNS

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_]+")

# What people do with candidates, as it is counted or told in columns.
_ACTS = (
    r"(?:review|rating|vote|comment|like|favou?rite|view|click|purchase|order|sale|download|play|listen|listener|watch|"
    r"watcher|reader|follower|subscriber|fan|save|bookmark|interaction|user|install|buyer|voter|reviewer|rater|"
    r"owner|upvote|member|scrobble|recommendation)s?"
)
_ACTS_ALONE = (
    r"(?:reviews|ratings|votes|comments|likes|favou?rites|views|clicks|purchases|sales|downloads|plays|listeners|"
    r"followers|subscribers|bookmarks|interactions|installs|upvotes|owners|members|scrobbles|recommendations|sold|"
    r"playtime)"
)
_HOW_MANY = r"(?:count|counts|cnt|num|nums|number|total|n|nb|no)"
_COUNT = re.compile(
    rf"(?:^|_){_HOW_MANY}_?(?:[a-z]+_){{0,2}}{_ACTS}(?:_|$)|(?:^|_){_ACTS}_?{_HOW_MANY}(?:_|$)|(?:^|_){_ACTS_ALONE}(?:_per_[a-z]+)?$|"
    r"(?:^|_)(?:popularity|popular|bestsellers?|best_?seller|trending|sales_?rank|salesrank|rank|ranking|hotness|ctr|"
    r"(?:scored|rated|reviewed|liked)_by|(?:click|conversion)_rate)(?:_|$)"
)
_MEAN = r"(?:average|aver|avg|mean|weighted|bayesian)"
_RATING = re.compile(
    rf"(?:^|_)(?:ratings?|stars?)(?:_|$)|(?:^|_){_MEAN}_?(?:rate|rating|vote|score|star|review)s?(?:_|$)|"
    rf"(?:^|_)(?:vote|score|rating|star|review)s?_?{_MEAN}(?:_|$)|^(?:scores?|overall)$|(?:^|_)metascore$|"
    r"(?:^|_)(?:user|critics?|imdb|audience|review|metacritic|community)_?scores?(?:_|$)"
)
# Whom a film is for, how much a fridge uses.
_OTHER_RATING = re.compile(r"(?:^|_)(?:age|content|maturity|parental|mpaa|energy)_ratings?(?:_|$)")
_REVIEWS = re.compile(r"(?:^|_)(?:reviews?|comments?)(?:_|$)")
_OUTCOME = re.compile(
    r"(?:^|_)(?:rating|ratings|rate|stars?|scores?|labels?|targets?|clicks?|clicked|purchases?|purchased|bought|buy|likes?|"
    r"liked|dislikes?|disliked|watched|played|listened|viewed|views|reviews?|comments?|feedback|outcomes?|responses?|"
    r"converted|conversions?|dwell|rewards?|relevance|sentiment|votes?|helpful|ordered|orders|add_to_cart|addtocart|"
    r"playcount|plays|listens|quantity|qty|revenue|spent|paid|favou?rited?|saved|shared|skipped|completed|finished|"
    r"watch_?time|watch_?ratio|play_?count|engagement|y|y_true|event_type|action|event|summary|overall)(?:_|$)"
)
_TIME = re.compile(
    r"(?:^|_)(?:time|date|datetime|timestamp|ts|created|updated|modified|released|published|unix|epoch)(?:_|$)|_at$|"
    r"(?:time|date|timestamp|ed|since|when|seen)$"
)
_KEY = re.compile(
    r"(?:^|_)(?:ids?|uuid|guid|isbn|asin|sku|ean|upc|gtin|barcode|codes?|key|hash|zip|zipcode|postcode|phone)(?:_\d+)?$"
)
_QUANTITY = re.compile(
    r"(?:^|_)(?:year|age|price|cost|minutes|mins|hours|seconds|days|duration|length|count|num|n|size|weight|height|width|"
    r"amount|calories|kcal|runtime|distance|budget|revenue|percent|grams|steps)(?:_|$)"
)
_ROW_NUMBER = re.compile(r"unnamed(?:_\d+)*|index|level_\d|row|row_?(?:num|number|id|nr|no)|")
_TIMES = {name.replace("_", "").lower() for name in TIME_COLUMNS}


def says_count(name: str) -> bool:
    """Returns whether a column of candidates is named as one that counts what people did with them.

    Example:
        >>> [says_count(name) for name in ("review_nums", "numVotedUsers", "sales_rank", "views", "n_steps")]
        [True, True, True, True, False]
    """
    return bool(_COUNT.search(_normal(name)))


def says_rating(name: str) -> bool:
    """Returns whether a column of candidates is named as a mean of ratings.

    Example:
        >>> [says_rating(name) for name in ("aver_rate", "vote_average", "stars", "age_rating", "tax_rate")]
        [True, True, True, False, False]
    """
    words = _normal(name)
    return bool(_RATING.search(words)) and not _OTHER_RATING.search(words)


def says_reviews(name: str) -> bool:
    """Returns whether a column of candidates is named as what people wrote about them.

    Example:
        >>> [says_reviews(name) for name in ("reviews", "review_text", "preview")]
        [True, True, False]
    """
    return bool(_REVIEWS.search(_normal(name)))


def says_outcome(name: str) -> bool:
    """Returns whether a column of interactions is named as something that is known only afterwards.

    Example:
        >>> [says_outcome(name) for name in ("rating", "reviewText", "is_clicked", "device", "age")]
        [True, True, True, False, False]
    """
    return bool(_OUTCOME.search(_normal(name)))


def says_time(name: str) -> bool:
    """Returns whether a column is named as a time.

    Example:
        >>> [says_time(name) for name in ("dateLastModified", "unixReviewTime", "created_at", "ts", "minutes")]
        [True, True, True, True, False]
    """
    return name.replace("_", "").lower() in _TIMES or bool(_TIME.search(_normal(name)))


def says_key(name: str) -> bool:
    """Returns whether a column is named as ids or codes, which have no order.

    Example:
        >>> [says_key(name) for name in ("imdbId", "zip_code", "author_id", "width")]
        [True, True, True, False]
    """
    return bool(_KEY.search(_normal(name)))


def says_quantity(name: str) -> bool:
    """Returns whether a column is named as an amount, of which more is more.

    Example:
        >>> [says_quantity(name) for name in ("year", "num_steps", "occupation")]
        [True, True, False]
    """
    return bool(_QUANTITY.search(_normal(name)))


def says_row_number(name: str) -> bool:
    """Returns whether a column is named as the row numbers that pandas writes.

    Example:
        >>> [says_row_number(name) for name in ("Unnamed: 0", "", "index", "Unnamed: 0.1", "indexed")]
        [True, True, True, True, False]
    """
    return bool(_ROW_NUMBER.fullmatch(_normal(name)))


def _normal(name: str) -> str:
    """Returns the words of a name in lower case, joined by underscores: `imdbId` as `imdb_id`."""
    return "_".join(_WORDS.findall(name)).lower()
