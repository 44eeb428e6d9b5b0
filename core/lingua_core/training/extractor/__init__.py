"""Training of the extractor: model, batches, loop, calibration, export."""
