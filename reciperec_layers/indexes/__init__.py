"""Indexes that search the candidates with the largest inner products, and their registry.

`register`, `names`, `describe`, `get` and `create` are methods of the registry.
"""

from reciperec_layers.indexes.allowed_search import top_k_among
from reciperec_layers.indexes.auditing import audit
from reciperec_layers.indexes.brute_force import BruteForceIndex
from reciperec_layers.indexes.exact_search import exact_top_k, mask_places, mask_rows
from reciperec_layers.indexes.index import INDEXES, Index
from reciperec_layers.indexes.index_loading import load_index
from reciperec_layers.indexes.int8 import Int8Index
from reciperec_layers.indexes.inverted_file import InvertedFileIndex
from reciperec_layers.indexes.tuning import tune

register = INDEXES.register
names = INDEXES.names
describe = INDEXES.describe
get = INDEXES.get
create = INDEXES.create

__all__ = [
    "INDEXES",
    "BruteForceIndex",
    "Index",
    "Int8Index",
    "InvertedFileIndex",
    "audit",
    "create",
    "describe",
    "exact_top_k",
    "get",
    "load_index",
    "mask_places",
    "mask_rows",
    "names",
    "register",
    "top_k_among",
    "tune",
]
