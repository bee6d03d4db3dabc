"""Checkpoints that spandrel opens, as upscalers of srzoo; found through the entry point ``spandrel``."""
