#!/usr/bin/env bash
# Runs a command with a Docker engine at hand, and leaves the machine as it was:
#
#   deploy/ci-docker.sh .venv/bin/pytest -m docker
#
# An engine that answers is used as it is. Else, and only where a project-wide kit stands beside the
# checkout, that kit starts one and stops it again. Else the command runs without; the tests that
# need an engine then say so. Nothing is installed, started or stopped in any other case.
set -euo pipefail
kit="$(cd "$(dirname "$0")/.." && pwd)/../shared/tools/docker/standin-images.sh"

answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

if [ -x "$kit" ]; then
  eval "$("$kit" env)"
  # Also where an engine answers: it builds the images that are missing, and else does nothing.
  ours=true
  if answers; then ours=; fi
  if [ -n "$ours" ]; then trap '"$kit" down' EXIT; fi
  "$kit" up
fi
"$@"
