"""Multi-hop questions, composed out of single-hop ones as MuSiQue's were (arXiv 2108.00573).

A question that names an entity gets a description of it instead, which a second passage resolves. The
description comes from another question whose answer the entity is, or from a sentence that says what
the entity is. Both passages are then evidence, the bridge too: what a single-hop question never teaches.
"""

from lingua_core.training.data.multihop.composing import compose
from lingua_core.training.data.multihop.types import SOURCE, SingleHop

__all__ = ["SOURCE", "SingleHop", "compose"]
