"""Steps between batches, arguments of `fit` and `compile`, callbacks, means of losses."""
