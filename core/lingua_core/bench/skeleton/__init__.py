"""How much sooner answers by way of a skeleton are there: simulated endpoints, the driver, local models."""
