"""Stages that narrow a prompt down, and pruning that interleaves scoring and selecting."""
