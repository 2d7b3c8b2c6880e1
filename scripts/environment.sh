#!/bin/sh
# Make a virtual environment: environment.sh PYTHON DIRECTORY REQUIREMENTS
set -eu
python=$1 directory=$2 requirements=$3
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "dbt-activate needs Python 3.11 or later; say which: make PYTHON=/path/to/python3.12 ..." >&2
    exit 2
}
[ -x "$directory/bin/python" ] || "$python" -m venv "$directory"
"$directory/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$requirements"
"$directory/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
touch "$directory/.ready"
