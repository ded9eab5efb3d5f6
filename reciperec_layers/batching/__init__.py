"""Datasets of batches: from frames, dicts of columns and Parquet files, in the order of an epoch."""
