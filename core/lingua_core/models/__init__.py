"""Running the models that Lingua ships: tokenization, windows, and the ONNX encoder."""
