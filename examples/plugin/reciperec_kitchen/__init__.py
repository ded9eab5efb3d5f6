"""A tower and an encoder for reciperec_layers."""
