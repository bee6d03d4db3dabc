"""Many models under the same rules: measured, kept as files, and ranked by a pure function of those."""
