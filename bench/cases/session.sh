begin_case session 'The first guarded statement of a session' \
	"UPDATE of one row by key, $FIELDS fields on the map; 100 new sessions each, in turns."
must difference ms ownership unguarded '<=' 2 '≤ 2 ms more than unguarded'

map_database $((FIELDS / 10))
DATABASE=map_$((FIELDS / 10))
for variant in unguarded ownership; do
	sql -c 'SET client_min_messages = warning' -c 'DROP TABLE IF EXISTS t' -c "DELETE FROM ownership.mirrored_table WHERE (table_schema, table_name) = ('public', 't')" \
		-c "$(narrow 1000)" -f "bench/peers/$variant.sql" -c "GRANT ALL ON t TO bench_erp" -c "ALTER TABLE t RENAME TO session_$variant"
	sql -c "UPDATE ownership.mirrored_table SET table_name = 'session_$variant' WHERE (table_schema, table_name) = ('public', 't')"
done
sql -c 'VACUUM ANALYZE session_unguarded, session_ownership' -c CHECKPOINT
round=0
x=0
while [ "$round" -lt 100 ]; do
	round=$((round + 1))
	for variant in $(rotate "$round" unguarded ownership); do
		record "$variant" ms "$(sql -U bench_erp -v t="session_$variant" -f bench/cases/session.sql)"
	done
done
