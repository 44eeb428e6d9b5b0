"""Answers over documents by way of a skeleton: what they read, what reaches points, how soon they end."""
