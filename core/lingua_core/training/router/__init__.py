"""Training of the router: examples, model, loop, calibration, export."""
