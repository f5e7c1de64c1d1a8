begin_case disagreements "The view disagreements, $ROWS open rows of evidence" \
	"One refused value in each of $ROWS rows. \"Memory\": what the backend's own memory grew at most, sampled; more rows must not need more."
must absolute seconds limit '' '<=' 0.1 '`LIMIT 50` ≤ 0.1 s'
must absolute seconds all '' '<=' 3 'all ≤ 3 s'
must absolute memory all '' '<=' 67108864 'memory of all ≤ 64 MB'

sql -c 'SET client_min_messages = warning' -c 'DROP TABLE IF EXISTS t' -c 'TRUNCATE ownership.conflict' -c "$(narrow "$ROWS")" \
	-c "SELECT ownership.assign('t', columns_of('t', 'erp'), 'erp'), ownership.assign('t', columns_of('t', 'pim'), 'pim', policy => 'keep')" \
	-c "INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, role, outcome, columns, stored, proposed)
		SELECT 'public', 't', jsonb_build_object('id', id), 'UPDATE', 'erp', 'bench_erp', 'kept', '{title}',
			jsonb_build_object('title', title), jsonb_build_object('title', title || '.') FROM t" \
	-c 'VACUUM ANALYZE t, ownership.conflict' -c CHECKPOINT > /dev/null
# listed VARIANT QUERY   in a new session
listed() {
	say "  round $round of $ROUNDS, $1"
	printf '%s\n' 'SELECT pg_backend_pid() AS pid \gset' '\set started `:probe start :pid`' 'SELECT clock_timestamp() AS t0 \gset' \
		"\\copy ($2) to '/dev/null'" "SELECT 'seconds', extract(epoch FROM clock_timestamp() - :'t0');" \
		'\set counted `:probe stop :pid`' \
		"SELECT split_part(line, ' ', 1), split_part(line, ' ', 2) FROM string_to_table(nullif(:'counted', ''), E'\\n') line" > "$RUN/listed.sql"
	PROBES=memory sql -v probe=bench/probe.sh -f "$RUN/listed.sql" > "$RUN/measured"
	while IFS=$tab read -r metric value; do
		record "$1" "$metric" "$value"
	done < "$RUN/measured"
}
round=0
x=0
while [ "$round" -lt "$ROUNDS" ]; do
	round=$((round + 1))
	listed limit 'SELECT * FROM ownership.disagreements LIMIT 50'
	listed all 'SELECT * FROM ownership.disagreements'
done
sql -c 'DROP TABLE t' -c 'TRUNCATE ownership.conflict'
