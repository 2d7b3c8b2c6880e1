"""Find what changed: SQL that only reads, in the warehouse."""
