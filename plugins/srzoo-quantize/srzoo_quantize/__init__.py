"""Discrete latents for srzoo; found through the entry points ``vq`` and ``fsq``."""
