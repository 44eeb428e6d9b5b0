"""How much of what a reader needs survives compression: by method, data set and budget."""
