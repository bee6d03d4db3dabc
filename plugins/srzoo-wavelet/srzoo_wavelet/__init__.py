"""A Haar wavelet encoder for srzoo; found through the entry point ``wavelet``."""
