"""What TensorFlow lacks: errors that name ids, row-sparse gradients, hashing, growing rows, and graphs traced once."""
