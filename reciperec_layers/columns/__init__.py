"""Conversion of user data: column names, ids, text, tensors and frames."""
