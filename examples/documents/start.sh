#!/bin/sh
# Starts what stands behind the templates, applies the configuration, issues a key for the agent, and serves until it is stopped.
set -eu
cd "$(dirname "$0")"
mkdir -p data
export SLACK_TOKEN=xoxb-stand-in
rm -f data/dsn
python services.py /tmp/reconciler-documents-example 8768 > data/dsn &
services=$!
trap 'kill $services 2> /dev/null || true' EXIT INT TERM
while [ ! -s data/dsn ]; do sleep 0.2; kill -0 $services; done
HANDBOOK_DSN=$(cat data/dsn)
export HANDBOOK_DSN
reconciler apply --quiet --auto-approve --allow-diverged
[ -s data/agent.key ] || (umask 077 && reconciler keys issue acme/assistant > data/agent.key)
reconciler serve --config serve.yaml
