# pgbench_update is single-row prepared UPDATE, pgbench_insert INSERT, pgbench_save saves all
# columns of a row, pgbench_select only reads.
for variant in unguarded ownership; do
	new_database "pgbench_$variant"
	on hub "pgbench_$variant" -c "$(narrow 100000)" -c 'GRANT ALL ON t TO bench_erp' -f "bench/peers/$variant.sql"
done

# children_cpu   time on processors of the hub's backends that have ended, in µs
children_cpu() {
	sleep 0.2 # they take a moment to end
	sed 's/.*) //' "/proc/$(head -n 1 "$RUN/hub/postmaster.pid")/stat" |
		awk -v hz="$(getconf CLK_TCK)" '{print ($14 + $15) * 1000000 / hz}'
}

# run_pgbench SCRIPT CLIENTS   all rounds, into metrics tps_CLIENTS and cpu_CLIENTS
run_pgbench() {
	round=0
	while [ "$round" -lt "$ROUNDS" ]; do
		round=$((round + 1))
		for variant in $(rotate "$round" unguarded ownership); do
			say "  round $round of $ROUNDS, $2 clients, $variant"
			on hub "pgbench_$variant" -c 'VACUUM (ANALYZE) t' -c CHECKPOINT
			cpu=$(children_cpu)
			printf '\\set id random(1, 100000)\n%s\n' "$1" |
				"$BINDIR/pgbench" -n -M prepared -h "$SOCKETS/hub" -U bench_erp -c "$2" -j 2 -T "$DURATION" -f - "pgbench_$variant" > "$RUN/pgbench"
			record "$variant" "tps_$2" "$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$RUN/pgbench")"
			record "$variant" "cpu_$2" "$(echo "$(children_cpu) $cpu" |
				awk -v n="$(sed -n 's/^number of transactions actually processed: //p' "$RUN/pgbench")" '{print ($1 - $2) / n}')"
		done
	done
}

# count_pgbench SCRIPT MODE ...   instructions of a transaction in a backend, by pgbench's query
# modes, into metrics instructions_MODE: what 1,000 transactions take more than 200
count_pgbench() {
	script=$1
	shift
	[ -n "$COUNTS" ] || return 0
	round=1
	for mode in "$@"; do
		for variant in unguarded ownership; do
			say "  instructions, $mode, $variant"
			few=0
			for n in 200 1200; do
				on counted "$variant" -c 'SET ownership.enforcement = off' -c 'DELETE FROM t WHERE id > 100000' -c 'VACUUM t'
				printf '\\set n :n + 1\n\\if :n = 1\nSELECT pg_backend_pid() AS pid \\gset\n\\shell echo :pid > %s\n\\endif\n%s\n' "$RUN/pid" "$script" > "$RUN/script"
				"$BINDIR/pgbench" -n --random-seed=1 -M "$mode" -D id=100000 -D n=0 -D pid=0 -h "$SOCKETS/counted" -U bench_erp -c 1 -t "$n" -f "$RUN/script" "$variant" > "$RUN/pgbench" 2>&1
				count=$(counted counted "$(cat "$RUN/pid")")
				[ "$n" != 200 ] || few=$count
			done
			record "$variant" "instructions_$mode" "$(((count - few) / 1000))"
		done
	done
}

COUNTS=
start_server counted "shared_preload_libraries = 'ownership'" 'shared_buffers = 128MB'
for variant in unguarded ownership; do
	on counted postgres -c "CREATE DATABASE $variant"
	on counted "$variant" -f bench/setup.sql -c "$(narrow 100000)" -c 'GRANT ALL ON t TO bench_erp' -f "bench/peers/$variant.sql" -c 'VACUUM (ANALYZE) t' > /dev/null
done
if count_instructions counted; then COUNTS=yes; fi

begin_case pgbench_update 'pgbench: single-row prepared UPDATE by key' "100,000 rows, $DURATION seconds a run. \"CPU µs\": of the server, a transaction."
must ratio tps_2 ownership unguarded '>=' 0.98 '2 clients: ≥ 0.98 × tps'
must ratio tps_8 ownership unguarded '>=' 0.98 '8 clients: ≥ 0.98 × tps'
must ratio instructions_prepared ownership unguarded '<=' 1.02 'instructions ≤ 1.02 ×'
run_pgbench 'UPDATE t SET price = price + 1 WHERE id = :id' 2
run_pgbench 'UPDATE t SET price = price + 1 WHERE id = :id' 8
count_pgbench '\set id random(1, 100000)
UPDATE t SET price = price + 1 WHERE id = :id;' prepared

begin_case pgbench_save 'pgbench: a row is saved whole' "UPDATE by key that names all columns, and changes one of the writer's. 100,000 rows, $DURATION seconds a run, 2 clients. \"CPU µs\": of the server, a transaction."
must ratio instructions_prepared ownership unguarded '<=' 1.10 'instructions ≤ 1.10 ×'
run_pgbench 'UPDATE t SET id = id, price = price + 1, stock = stock, title = title WHERE id = :id' 2
count_pgbench '\set id random(1, 100000)
UPDATE t SET id = id, price = price + 1, stock = stock, title = title WHERE id = :id;' prepared simple

begin_case pgbench_select 'pgbench: select-only on a mirrored table' "100,000 rows, $DURATION seconds a run. \"CPU µs\": of the server, a transaction."
must ratio tps_2 ownership unguarded '>=' 0.99 '≥ 0.99 × tps'
run_pgbench 'SELECT price, stock, title FROM t WHERE id = :id' 2

# Each run inserts into an empty table.
begin_case pgbench_insert 'pgbench: single-row prepared INSERT into a shared table' "Nothing waits for a row. $DURATION seconds a run, one client. \"CPU µs\": of the server, a transaction."
must ratio tps_1 ownership unguarded '>=' 0.943 '≤ 1.06 ×'
must ratio instructions_prepared ownership unguarded '<=' 1.06 'instructions, prepared: ≤ 1.06 ×'
must ratio instructions_simple ownership unguarded '<=' 1.06 'instructions, not prepared: ≤ 1.06 ×'
round=0
while [ "$round" -lt "$ROUNDS" ]; do
	round=$((round + 1))
	for variant in $(rotate "$round" unguarded ownership); do
		say "  round $round of $ROUNDS, $variant"
		on hub "pgbench_$variant" -c 'SET ownership.enforcement = off' -c 'TRUNCATE t' -c CHECKPOINT
		cpu=$(children_cpu)
		printf '\\set id :id + 1\nINSERT INTO t (id, price, stock) VALUES (:id, 1.5, 3)\n' |
			"$BINDIR/pgbench" -n -M prepared -D id=0 -h "$SOCKETS/hub" -U bench_erp -c 1 -T "$DURATION" -f - "pgbench_$variant" > "$RUN/pgbench"
		record "$variant" tps_1 "$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$RUN/pgbench")"
		record "$variant" cpu_1 "$(echo "$(children_cpu) $cpu" |
			awk -v n="$(sed -n 's/^number of transactions actually processed: //p' "$RUN/pgbench")" '{print ($1 - $2) / n}')"
	done
done
count_pgbench '\set id :id + 1
INSERT INTO t (id, price, stock) VALUES (:id, 1.5, 3);' prepared simple
