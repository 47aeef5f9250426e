"""Methods that need a source: one module per kind of query."""
