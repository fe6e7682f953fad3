//! The corruption process: what turns clean speech x into the noisy input of the autoencoder.
