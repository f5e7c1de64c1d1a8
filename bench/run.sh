#!/bin/sh
# Measures a bulk UPDATE of an owned column against its peers, on a private
# server: variants interleaved, medians, ratios to the unguarded table.
#
# ROWS (500000) and ROUNDS (5) may be set.  Writes bench/RESULTS.md.
set -eu
. .ci/private.sh
private_setup bench >&2 || exit 1
ROWS=${ROWS:-500000}
ROUNDS=${ROUNDS:-5}
DATA=$RUN/data

stop() { as_server "$BINDIR/pg_ctl" -D "$DATA" -m immediate -s stop >/dev/null 2>&1 || true; }
trap stop EXIT
trap 'exit 1' INT TERM

as_server "$BINDIR/initdb" -D "$DATA" -A trust -U bench -N >/dev/null
SOCKETS=$(as_server mktemp -d /tmp/ownership-bench.XXXXXX)
{
	cat "$CONF"
	cat <<-END
	shared_preload_libraries = 'ownership'
	listen_addresses = ''
	unix_socket_directories = '$SOCKETS'
	shared_buffers = 1GB
	max_wal_size = 8GB
	checkpoint_timeout = 1h
	autovacuum = off
	jit = off
	END
} >> "$DATA/postgresql.conf"
as_server "$BINDIR/pg_ctl" -D "$DATA" -l "$RUN/log" -w -s start
psql_() { "$BINDIR/psql" -X -q -h "$SOCKETS" -U bench -d postgres "$@"; }
psql_ -v rows="$ROWS" -f bench/setup.sql >/dev/null

round() { psql_ -v variant="$1" -v trigger="$2" -f bench/round.sql >/dev/null; }
i=0
while [ "$i" -lt "$ROUNDS" ]; do
	i=$((i + 1))
	echo "round $i of $ROUNDS" >&2
	round 'unguarded' 'SELECT 1'
	round 'ownership' "SELECT ownership.assign('t', '{id,price,stock}', 'erp'), ownership.assign('t', '{title}', 'pim')"
	round 'suppress_redundant_updates_trigger()' 'CREATE TRIGGER r BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()'
	round 'PL/pgSQL, hard-coded' 'CREATE TRIGGER r BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION rule_hard_coded()'
	round 'PL/pgSQL, from a table' 'CREATE TRIGGER r BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION rule_from_table()'
done

{
	echo '# Bulk UPDATE of an owned column'
	echo
	echo "$ROWS narrow rows, written by their owner; $ROUNDS interleaved rounds, medians."
	psql_ -At -c "SELECT version()"
	echo "$(uname -m), $(nproc) cores, $(date -u +%Y-%m-%d)."
	echo
	echo '| variant | seconds | × unguarded | × hard-coded | × from a table | WAL bytes | × unguarded |'
	echo '|---|--:|--:|--:|--:|--:|--:|'
	psql_ -At -c "
WITH m AS (
	SELECT variant, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS s,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY wal::float8) AS w
	FROM result GROUP BY variant)
SELECT format('| %s | %s | %s | %s | %s | %s | %s |', variant, round(s::numeric, 3),
	round((s / (SELECT s FROM m WHERE variant = 'unguarded'))::numeric, 2),
	round((s / (SELECT s FROM m WHERE variant LIKE '%hard-coded'))::numeric, 2),
	round((s / (SELECT s FROM m WHERE variant LIKE '%from a table'))::numeric, 2),
	w::bigint, round((w / (SELECT w FROM m WHERE variant = 'unguarded'))::numeric, 2))
FROM m ORDER BY s"
} > "$RUN/RESULTS.md"
cp "$RUN/RESULTS.md" bench/RESULTS.md
cat bench/RESULTS.md
