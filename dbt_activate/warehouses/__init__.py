"""One module for each family of SQL engines: how to connect, and the fragments of SQL that differ."""
