begin_case replication_row 'Logical replication: instructions a row' \
	'What the apply worker executes for an UPDATE of its own columns, of 500 in a transaction, without what a transaction and the worker itself cost; counted by valgrind.'
must difference instructions landing unguarded '<=' 1500 'landing table: ≤ 1,500 more than unguarded'
must difference instructions ownership unguarded '<=' 6000 'shared table: ≤ 6,000 more than unguarded'

# counted_postgres ...   the server's program, with all its processes counted
counts=$RUN/counts
as_server mkdir -p "$counts"
cat > "$RUN/counted_postgres" <<-END
	#!/bin/sh
	exec valgrind -q --tool=callgrind --trace-children=yes --callgrind-out-file='$counts/%p' '$BINDIR/postgres' "\$@"
END
chmod 755 "$RUN/counted_postgres"

# change_rows TRANSACTIONS   at the source; sets $end to the WAL position of the end
next=1000
change_rows() {
	i=0
	while [ "$i" -lt "$1" ]; do
		on row_source postgres -c "UPDATE t SET price = price + 1 WHERE id > $next AND id <= $next + 500"
		next=$((next + 500))
		i=$((i + 1))
	done
	end=$(on row_source postgres -c 'SELECT pg_current_wal_insert_lsn()' -c 'UPDATE t SET stock = stock WHERE id = 1')
}

# apply_counted VARIANT   sets $count to the instructions of a worker that applies what waits
apply_counted() {
	on row_hub "$1" -c "ALTER SUBSCRIPTION row_$1 ENABLE" \
		-c "DO \$\$ BEGIN WHILE (SELECT pg_replication_origin_progress('pg_' || oid, false) > '$end' FROM pg_subscription WHERE subname = 'row_$1') IS NOT TRUE LOOP PERFORM pg_sleep(0.1); END LOOP; END \$\$"
	pid=$(on row_hub "$1" -c "SELECT pid FROM pg_stat_subscription WHERE subname = 'row_$1'")
	on row_hub "$1" -c "ALTER SUBSCRIPTION row_$1 DISABLE"
	# the worker writes its count when it has ended
	until grep -q '^totals:' "$counts/$pid" 2>/dev/null; do sleep 0.1; done
	count=$(awk '/^totals:/ {print $2}' "$counts/$pid")
}

if command -v valgrind > /dev/null; then
	start_server row_source 'wal_level = logical'
	on row_source postgres -c "$(narrow 20000)" -c 'ALTER TABLE t DROP title' -c 'CREATE PUBLICATION p FOR TABLE t'
	start_server row_hub "shared_preload_libraries = 'ownership'" 'wal_receiver_timeout = 0'
	for variant in unguarded landing ownership; do
		on row_hub postgres -c "CREATE DATABASE $variant"
		on row_hub "$variant" -f bench/setup.sql -c "INSERT INTO ownership.identity VALUES ('subscription', 'row_$variant', 'erp')" > /dev/null
		on row_hub "$variant" -c 'CREATE TABLE t (id int PRIMARY KEY, price numeric(10,2), stock int, title text)' \
			-f "bench/peers/$variant.sql" -c 'SET ownership.enforcement = off' \
			-c "INSERT INTO t SELECT i, i % 1000, i % 50, 'product ' || i FROM generate_series(1, 20000) i" \
			-c 'VACUUM ANALYZE t' -c 'SET client_min_messages = warning' \
			-c "CREATE SUBSCRIPTION row_$variant CONNECTION 'host=$SOCKETS/row_source user=bench dbname=postgres' PUBLICATION p WITH (enabled = false, copy_data = false)"
	done
	as_server "$BINDIR/pg_ctl" -D "$RUN/row_hub" -m fast -w -s stop
	as_server "$BINDIR/pg_ctl" -D "$RUN/row_hub" -p "$RUN/counted_postgres" -l "$RUN/row_hub.log" -w -t 300 -s start
	x=0
	round=1
	# the first worker also does what is done once
	for transactions in 1 1 5; do
		change_rows "$transactions"
		for variant in unguarded landing ownership; do
			say "  $transactions transactions, $variant"
			apply_counted "$variant"
			if [ "$transactions" = 5 ]; then
				record "$variant" instructions "$(((count - $(cat "$counts/$variant")) / 2000))"
			fi
			echo "$count" > "$counts/$variant"
		done
	done
else
	say '  skipped: valgrind is not installed'
fi
