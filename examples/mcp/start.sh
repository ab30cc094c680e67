#!/bin/sh
# Makes a repository, applies the configuration, issues a key for the agent, and serves until it is stopped.
set -eu
cd "$(dirname "$0")"
mkdir -p data
repository=/tmp/reconciler-mcp-example
if [ ! -d "$repository" ]; then
    git init -q -b main "$repository"
    git -C "$repository" -c user.name=Ann -c user.email=ann@example.com commit -q --allow-empty -m "Begin"
fi
sed "s|@BIN@|$(dirname "$(command -v mcp-server-git)")|" serve.yaml.in > serve.yaml
[ -s data/keys.json ] || reconciler secrets keys create --out data/keys.json > data/keys.log
export RECONCILER_KEY_FILE="$PWD/data/keys.json"
reconciler apply --quiet --auto-approve --allow-diverged
[ -s data/agent.key ] || (umask 077 && reconciler keys issue acme/coder > data/agent.key)
exec reconciler serve --config serve.yaml
