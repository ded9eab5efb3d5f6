"""Data: reading, splitting and batching interactions, and what to compare a model with."""

from reciperec_layers.batching.batch_datasets import batches
from reciperec_layers.data.frames import read_csv
from reciperec_layers.data.popularity import Popularity
from reciperec_layers.data.seen_candidates import seen
from reciperec_layers.data.splits import split_by_time, split_leave_last_out, split_random
from reciperec_layers.data.synthetic_data import SyntheticRecipes, synthetic_recipes
from reciperec_layers.data.tables import Tables, read_tables

__all__ = [
    "Popularity",
    "SyntheticRecipes",
    "Tables",
    "batches",
    "read_csv",
    "read_tables",
    "seen",
    "split_by_time",
    "split_leave_last_out",
    "split_random",
    "synthetic_recipes",
]
