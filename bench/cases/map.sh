begin_case map "The map as a whole, $FIELDS fields" \
	"By \`\\copy (TABLE …) TO\` and \`\\copy ownership.sheet FROM\`, in a database with $((FIELDS / 10)) tables (bench/map.sql). Imported is what was exported: once where nothing changes, and once into a database that has the tables, but nothing on the map."
must absolute seconds risks '' '<=' 2 '`risks` ≤ 2 s'
must absolute seconds map '' '<=' 2 '`map` ≤ 2 s'
must absolute seconds export '' '<=' 2 'export of the sheet ≤ 2 s'
must absolute seconds page '' '<=' 2 '`page()` of 5,000 fields ≤ 2 s'
must absolute seconds page_all '' '<=' 2 '`page()` of all fields ≤ 2 s'
must absolute seconds import_again '' '<=' 6 'import, nothing changes ≤ 6 s'
must absolute seconds import_all '' '<=' 6 'import of everything ≤ 6 s'

map_database $((FIELDS / 10))
map_database 500
on hub postgres -c "CREATE DATABASE import TEMPLATE map_$((FIELDS / 10)) STRATEGY file_copy"

# timed VARIANT DATABASE COPY-COMMAND
timed() {
	say "  round $round of $ROUNDS, $1"
	printf '%s\n' 'SELECT clock_timestamp() AS t0 \gset' "\\copy $3" "SELECT extract(epoch FROM clock_timestamp() - :'t0')" > "$RUN/timed.sql"
	record "$1" seconds "$(on hub "$2" -f "$RUN/timed.sql")"
}

round=0
x=0
csv='with (format csv, header match)'
while [ "$round" -lt "$ROUNDS" ]; do
	round=$((round + 1))
	full=map_$((FIELDS / 10))
	timed risks "$full" "(TABLE ownership.risks) to '/dev/null'"
	timed map "$full" "(TABLE ownership.map) to '/dev/null'"
	timed page map_500 "(SELECT ownership.page()) to '/dev/null'"
	timed page_all "$full" "(SELECT ownership.page()) to '/dev/null'"
	timed guards "$full" "(TABLE ownership.guards) to '/dev/null'"
	timed export "$full" "(TABLE ownership.sheet) to '$RUN/map.csv' with (format csv, header)"
	timed import_again "$full" "ownership.sheet from '$RUN/map.csv' $csv"
	on hub import -c 'SET client_min_messages = warning' -c 'TRUNCATE ownership.field, ownership.mirrored_table CASCADE' -c CHECKPOINT
	timed import_all import "ownership.sheet from '$RUN/map.csv' $csv"
	on hub import -c "\\copy (TABLE ownership.sheet) to '$RUN/again.csv' with (format csv, header)"
	cmp "$RUN/map.csv" "$RUN/again.csv"
done
