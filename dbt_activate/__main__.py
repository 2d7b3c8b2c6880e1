"""``python -m dbt_activate`` is ``dbt-activate``."""

from dbt_activate.cli import main

if __name__ == "__main__":
    main()
