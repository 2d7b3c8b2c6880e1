"""The built-in destinations, each registered through the public entry point."""
