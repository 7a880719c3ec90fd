#!/bin/sh
# Write constraints.txt anew: every version that a development environment has, on any system, for Python 3.11 and later.
# `pip install -c constraints.txt -e '.[dev]'` takes them. Local builds (2.13.0+cpu) satisfy the plain version.
set -eu
cd "$(dirname "$0")/.."
uv="${UV:-.venv/bin/uv}"
[ -x "$uv" ] || uv=uv
{
  echo "# What '.[dev,bench]' resolved to; tools/lock.sh writes it anew, make audit asks what is known of it."
  "$uv" pip compile pyproject.toml --extra dev --extra bench --universal --python-version 3.11 \
    --no-header --no-annotate --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-package synthgen "$@"
} > constraints.txt.new
mv constraints.txt.new constraints.txt
