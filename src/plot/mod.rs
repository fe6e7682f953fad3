//! Pictures as PNG: spectrograms and training curves.
