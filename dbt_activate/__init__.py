"""dbt-activate: a dbt project activates its own data.

dbt imports every top-level module named ``dbt_*`` in every command, so this module imports nothing.
"""

__version__ = "0.1.0"
