"""What flows through a run: frozen values, no I/O, standard library only."""
