"""What TensorFlow lacks: errors that name ids, row-sparse gradients, hashing, and graphs traced once."""
