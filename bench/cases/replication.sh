# replication_apply and replication_sync: a source server feeds databases of
# the hub, one a variant.
start_server source 'wal_level = logical'
on source postgres -c "$(narrow "$ROWS")" -c 'ALTER TABLE t DROP title' \
	-c "CREATE PUBLICATION p FOR TABLE t WITH (publish = 'insert, update, delete')"

# subscriber VARIANT   makes a database with a table t, for a subscription
subscriber() {
	new_database "feed_$1"
	on hub "feed_$1" -c "INSERT INTO ownership.identity VALUES ('subscription', 'feed_$1', 'erp')"
	subscriber_table "$1"
}

# subscriber_table VARIANT   makes t again, with the variant's rule
subscriber_table() {
	on hub "feed_$1" -c 'SET client_min_messages = warning' -c 'DROP TABLE IF EXISTS t' \
		-c "DELETE FROM ownership.field WHERE entity = 't'" -c "DELETE FROM ownership.mirrored_table" \
		-c 'CREATE TABLE t (id int PRIMARY KEY, price numeric(10,2), stock int, title text)' \
		-f "bench/peers/$1.sql"
}

# subscribe VARIANT OPTIONS   makes the subscription to $publication, not enabled
publication=p
subscribe() {
	on hub "feed_$1" -c "SET client_min_messages = warning" \
		-c "CREATE SUBSCRIPTION feed_$1 CONNECTION 'host=$SOCKETS/source user=bench dbname=postgres' PUBLICATION $publication WITH (enabled = false, $2)"
}

# await VARIANT CONDITION   waits until the query CONDITION returns true
await() {
	on hub "feed_$1" -c "DO \$\$ BEGIN WHILE ($2) IS NOT TRUE LOOP PERFORM pg_sleep(0.005); END LOOP; END \$\$"
}

begin_case replication_apply 'Logical replication: apply' \
	"A feed applies $ROWS row changes of its own columns, in 100 transactions that wait in its slot; from the worker's start to the last commit. \"CPU s\" is the worker's."
must ratio rows_per_second ownership unguarded '>=' 0.95 '≥ 0.95 × rows/s'

for variant in unguarded ownership; do
	subscriber "$variant"
	on hub "feed_$variant" -c 'SET ownership.enforcement = off' -c "INSERT INTO t SELECT i, i % 1000, i % 50, 'product ' || i FROM generate_series(1, $ROWS) i"
	subscribe "$variant" 'copy_data = false'
done
# changes   changes every row at the source; prints the WAL position of the end
changes() {
	on source postgres -c "DO \$\$ BEGIN FOR i IN 1..100 LOOP
		UPDATE t SET price = price + 1 WHERE id > $ROWS / 100 * (i - 1) AND id <= $ROWS / 100 * i; COMMIT;
		END LOOP; END \$\$" -c 'SELECT pg_current_wal_insert_lsn()' -c 'UPDATE t SET stock = stock WHERE id = 1'
}

# apply VARIANT LSN   lets the feed apply up to LSN; writes seconds and WAL bytes to
# $RUN/measured, and sets $cpu to the seconds on a processor
apply() {
	on hub "feed_$1" -c 'VACUUM FULL t' -c 'VACUUM ANALYZE t' -c CHECKPOINT
	wal=$(on hub postgres -c 'SELECT pg_current_wal_insert_lsn()')
	on hub "feed_$1" -c "ALTER SUBSCRIPTION feed_$1 ENABLE"
	await "$1" "SELECT count(*) > 0 FROM pg_stat_subscription WHERE subname = 'feed_$1' AND pid IS NOT NULL"
	pid=$(on hub postgres -c "SELECT pid FROM pg_stat_subscription WHERE subname = 'feed_$1'")
	bench/probe.sh start "$pid"
	await "$1" "SELECT pg_replication_origin_progress('pg_' || oid, false) > '$2' FROM pg_subscription WHERE subname = 'feed_$1'"
	on hub "feed_$1" -c "SELECT extract(epoch FROM clock_timestamp() - backend_start), pg_current_wal_insert_lsn() - '$wal'
		FROM pg_stat_activity WHERE pid = $pid" > "$RUN/measured"
	cpu=$(awk '{print $1 / 1e9}' "/proc/$pid/schedstat" 2>/dev/null) || true
	bench/probe.sh stop "$pid" > /dev/null
	on hub "feed_$1" -c "ALTER SUBSCRIPTION feed_$1 DISABLE"
	await "$1" 'SELECT count(*) = 0 FROM pg_stat_subscription WHERE pid IS NOT NULL'
}
profiled() {
	PROBES=profile
	apply "$1" "$(changes)"
	PROBES=
}

probes=$PROBES
PROBES=
round=0
x=0
while [ "$round" -lt "$ROUNDS" ]; do
	round=$((round + 1))
	end=$(changes)
	for variant in $(rotate "$round" unguarded ownership); do
		say "  round $round of $ROUNDS, $variant"
		apply "$variant" "$end"
		IFS=$tab read -r seconds wal < "$RUN/measured"
		[ -z "$cpu" ] || record "$variant" cpu "$cpu"
		record "$variant" seconds "$seconds"
		record "$variant" rows_per_second "$(echo "$ROWS $seconds" | awk '{print $1 / $2}')"
		record "$variant" wal "$wal"
	done
done
profile_misses
PROBES=$probes
for variant in unguarded ownership; do
	on hub "feed_$variant" -c 'SET client_min_messages = warning' -c "DROP SUBSCRIPTION feed_$variant"
done

begin_case replication_meet 'Logical replication: INSERTs that meet their rows' \
	"The feed of the key's owner applies $((ROWS / 5)) row changes of its own columns in 20 transactions: UPDATEs, or INSERTs of rows that the shared table has. \"CPU s\" is the worker's."
must ratio rows_per_second meets updates '>=' 0.5 '≥ 0.5 × the rows/s of UPDATEs'

rows=$((ROWS / 5))
printf 'updates\townership, UPDATEs\nmeets\townership, INSERTs that meet their rows\n' >> "$RUN/labels.tsv"
on source postgres -c "CREATE PUBLICATION updates FOR TABLE t WITH (publish = 'update')" \
	-c "CREATE PUBLICATION meets FOR TABLE t WITH (publish = 'insert')"
for variant in updates meets; do
	new_database "feed_$variant"
	on hub "feed_$variant" -c "INSERT INTO ownership.identity VALUES ('subscription', 'feed_$variant', 'erp')" \
		-c 'CREATE TABLE t (id int PRIMARY KEY, price numeric(10,2), stock int, title text)' -f bench/peers/ownership.sql \
		-c 'SET ownership.enforcement = off' -c "INSERT INTO t SELECT i, i % 1000, i % 50, 'product ' || i FROM generate_series(1, $rows) i"
done
# change VARIANT   changes rows at the source, as that feed sends them; prints the WAL position of the end
change() {
	case $1 in
	updates)
		change="UPDATE t SET price = price + 1 WHERE id > $rows / 20 * (i - 1) AND id <= $rows / 20 * i"
		last='UPDATE t SET stock = stock WHERE id = 1'
		;;
	meets)
		change="INSERT INTO gone SELECT * FROM t WHERE id > $rows / 20 * (i - 1) AND id <= $rows / 20 * i;
			DELETE FROM t WHERE id IN (SELECT id FROM gone); INSERT INTO t SELECT id, price + 1, stock FROM gone; TRUNCATE gone"
		last='INSERT INTO gone SELECT * FROM t WHERE id = 1; DELETE FROM t WHERE id = 1; INSERT INTO t SELECT * FROM gone; TRUNCATE gone'
		;;
	esac
	on source postgres -c 'SET client_min_messages = warning' -c 'CREATE UNLOGGED TABLE IF NOT EXISTS gone (LIKE t)' \
		-c "DO \$\$ BEGIN FOR i IN 1..20 LOOP $change; COMMIT; END LOOP; END \$\$" -c 'SELECT pg_current_wal_insert_lsn()' -c "$last"
}
profiled() {
	PROBES=profile
	apply "$1" "$(change "$1")"
	PROBES=
}

for publication in updates meets; do
	subscribe $publication 'copy_data = false'
done
publication=p
probes=$PROBES
PROBES=
round=0
while [ "$round" -lt "$ROUNDS" ]; do
	round=$((round + 1))
	for variant in $(rotate "$round" updates meets); do
		say "  round $round of $ROUNDS, $variant"
		apply "$variant" "$(change "$variant")"
		IFS=$tab read -r seconds wal < "$RUN/measured"
		[ -z "$cpu" ] || record "$variant" cpu "$cpu"
		record "$variant" seconds "$seconds"
		record "$variant" rows_per_second "$(echo "$rows $seconds" | awk '{print $1 / $2}')"
		record "$variant" wal "$wal"
	done
done
profile_misses
PROBES=$probes
for variant in updates meets; do
	on hub "feed_$variant" -c 'SET client_min_messages = warning' -c "DROP SUBSCRIPTION feed_$variant"
done

begin_case replication_sync 'Logical replication: table sync' \
	"The initial COPY of $ROWS rows, from enabling the subscription until the copy is finished: into a landing table from its source, and into a table that is shared with the PIM, empty or with another row."
must ratio rows_per_second landing unguarded '>=' 0.97 'landing table: ≥ 0.97 × rows/s'
must ratio wal landing unguarded '<=' 1.000 'landing table: 1.000 × WAL'
must ratio rows_per_second ownership unguarded '>=' 0.97 'shared table: ≥ 0.97 × rows/s'
must ratio wal ownership unguarded '<=' 1.000 'shared table: 1.000 × WAL'
must ratio rows_per_second ownership_rows unguarded '>=' 0.8 'shared table with rows: ≥ 0.8 × rows/s'

subscriber landing
subscriber ownership_rows
subscriber empty_before_insert
round=0
while [ "$round" -lt "$ROUNDS" ]; do
	round=$((round + 1))
	for variant in $(rotate "$round" unguarded landing ownership ownership_rows empty_before_insert); do
		say "  round $round of $ROUNDS, $variant"
		subscriber_table "$variant"
		subscribe "$variant" 'copy_data = true'
		on hub "feed_$variant" -c CHECKPOINT
		start=$(on hub "feed_$variant" -c 'SELECT clock_timestamp(), pg_current_wal_insert_lsn()' -c "ALTER SUBSCRIPTION feed_$variant ENABLE")
		await "$variant" "SELECT srsubstate IN ('f', 's', 'r') FROM pg_subscription_rel"
		on hub "feed_$variant" -c "SELECT extract(epoch FROM clock_timestamp() - '${start%"$tab"*}'), pg_current_wal_insert_lsn() - '${start#*"$tab"}'" > "$RUN/measured"
		IFS=$tab read -r seconds wal < "$RUN/measured"
		record "$variant" seconds "$seconds"
		record "$variant" rows_per_second "$(echo "$ROWS $seconds" | awk '{print $1 / $2}')"
		record "$variant" wal "$wal"
		[ "$(on hub "feed_$variant" -c 'SELECT count(*) FROM t WHERE id > 0')" = "$ROWS" ]
		on hub "feed_$variant" -c 'SET client_min_messages = warning' -c "DROP SUBSCRIPTION feed_$variant"
	done
done
