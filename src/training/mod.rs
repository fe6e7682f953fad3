//! Training: corpus, voices, batches, loss, optimiser and the loop around them.
