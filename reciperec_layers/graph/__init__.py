"""What TensorFlow lacks: errors that name ids, row-sparse gradients, hashing, graphs traced once, growing rows."""
