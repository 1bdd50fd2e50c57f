#!/bin/sh
# Compiles the dependencies named in pyproject.toml into locked, hashed lists.
#
#   requirements/compile.sh             after a change in pyproject.toml; keeps what is locked
#   requirements/compile.sh --upgrade   moves everything to its newest release
#
# Needs uv (`pip install uv`). base.txt is the service, local.txt adds the servers of a
# one-machine installation, traces.txt what sends spans, dev.txt what the tests and the linters
# need. The smaller lists are held to the largest one's versions, so that what is tested is what is run. No
# registry address ends up in them: they install from whatever registry pip is set up with; pip
# itself is not among them, since every virtual environment has one.
set -eu
cd "$(dirname "$0")/.."

compile() {
    out=$1
    shift
    uv pip compile --quiet --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-package pip \
        --custom-compile-command requirements/compile.sh --output-file "$out" "$@"
}

compile requirements/dev.txt pyproject.toml --group local --group dev "$@"
compile requirements/local.txt pyproject.toml --group local --constraints requirements/dev.txt
compile requirements/base.txt pyproject.toml --constraints requirements/dev.txt
compile requirements/traces.txt pyproject.toml --extra traces --constraints requirements/dev.txt

# An environment of its own, so with its own versions.
compile requirements/checkov.txt --group checkov
