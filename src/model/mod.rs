//! The autoencoder: one definition for training, batch and stream.
