"""Candidates: their columns, their embeddings and index, filters, and ranks among them."""
