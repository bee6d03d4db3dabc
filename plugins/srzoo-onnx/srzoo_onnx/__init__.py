"""ONNX files as upscalers of srzoo; found through the entry point ``onnx``."""
