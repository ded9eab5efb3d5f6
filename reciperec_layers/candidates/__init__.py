"""Candidates: the store of their embeddings and index, the join of their columns by id, filters, ranks among them."""
