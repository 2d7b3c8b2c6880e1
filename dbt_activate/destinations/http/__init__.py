"""``type: http``: any JSON API or webhook, described in YAML instead of code."""

from dbt_activate.destinations.http.destination import Http

__all__ = ["Http"]
