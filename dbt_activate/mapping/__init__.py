"""Shape rows: field map to payload, transforms, coercion, checks. Pure: no I/O, no time, no state."""
