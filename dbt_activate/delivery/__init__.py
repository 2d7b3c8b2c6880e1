"""Send: cut into batches, pace, send, repeat what may be repeated, isolate what is refused."""
