"""What a run tells, put into words: a console, JSON lines, the results artifact. Each reporter takes events."""
