"""Reads a dbt project: profile, manifest, ``activate`` blocks, ``destinations.yml``, selection and gates."""
