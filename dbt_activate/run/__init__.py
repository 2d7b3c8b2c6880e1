"""One run, whole. ``runner`` is the page that names the order of the stages; the stages do not know each other."""

from dbt_activate.run.options import RunOptions
from dbt_activate.run.runner import Runner

__all__ = ["RunOptions", "Runner"]
