"""Who listens to a run, by the options of the command; and what it leaves in ``target/activate``."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dbt_activate import __version__
from dbt_activate.cli.application import Application, Finished
from dbt_activate.contracts import Reporter

LOG = "activate.log"
RESULTS = "activate_results.json"
