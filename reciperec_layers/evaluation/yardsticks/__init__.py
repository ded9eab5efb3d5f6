"""Other recommenders, which a model is compared with on the same rows. They need the extra `baselines`."""
