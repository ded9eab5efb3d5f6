"""What users hand over: column names, ids, text, tensors and frames."""
