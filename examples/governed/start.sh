#!/bin/sh
# Makes the shop's database, applies the configuration, issues a key for the agent, and serves until it is stopped.
set -eu
cd "$(dirname "$0")"
mkdir -p data
python - <<'PYTHON'
import sqlite3

with sqlite3.connect("data/shop.db") as shop:
    shop.executescript("""
        DROP TABLE IF EXISTS customers; DROP TABLE IF EXISTS orders; DROP TABLE IF EXISTS salaries;
        CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, region TEXT);
        CREATE TABLE orders (customer INTEGER, total INTEGER);
        CREATE TABLE salaries (name TEXT, salary INTEGER);
        INSERT INTO customers VALUES (1, 'Ann', 'eu'), (2, 'Bob', 'us'), (3, 'Cid', 'eu');
        INSERT INTO orders VALUES (1, 70), (1, 30), (2, 500), (3, 250);
        INSERT INTO salaries VALUES ('Eve', 100000);
    """)
PYTHON
reconciler access test access.yaml
reconciler apply --quiet --auto-approve --allow-diverged
[ -s data/agent.key ] || (umask 077 && reconciler keys issue acme/sales-bot > data/agent.key)
exec reconciler serve --config serve.yaml
