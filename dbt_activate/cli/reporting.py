"""Who listens to a run, by the options of the command."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dbt_activate.cli.application import Application, Finished
from dbt_activate.contracts import Reporter
from dbt_activate.reporters.fanout import FanOut
from dbt_activate.reporters.results import ResultsMetadata, write_results
