"""Making the models that Lingua ships. Needs the `[train]` extra."""
