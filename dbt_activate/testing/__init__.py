"""Fakes and the conformance kit: public, for authors of destinations."""
