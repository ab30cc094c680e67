#!/bin/sh
# Starts a stand-in for two providers, applies the configuration, issues a key for the agent, and serves until it is stopped.
set -eu
cd "$(dirname "$0")"
mkdir -p data
export PROVIDER_KEY=sk-stand-in
python provider.py 8767 &
trap 'kill $!' EXIT INT TERM
reconciler apply --quiet --auto-approve --allow-diverged
[ -s data/agent.key ] || (umask 077 && reconciler keys issue acme/writer > data/agent.key)
reconciler serve --config serve.yaml
