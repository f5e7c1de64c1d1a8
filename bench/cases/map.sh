begin_case map "The map as a whole, $FIELDS fields" \
	"By \`\\copy (TABLE …) TO\` and \`\\copy ownership.sheet FROM\`, in a database with $((FIELDS / 10)) tables (bench/map.sql). Imported is what was exported: once where nothing changes, and once into a database that has the tables, but nothing on the map; the same by \`import_sheet()\`, in a dry run and for real. CPU is that of the backend."
must absolute seconds risks '' '<=' 2 '`risks` ≤ 2 s'
must absolute seconds map '' '<=' 2 '`map` ≤ 2 s'
must absolute seconds export '' '<=' 2 'export of the sheet ≤ 2 s'
must absolute seconds page '' '<=' 2 '`page()` of 5,000 fields ≤ 2 s'
must absolute seconds page_all '' '<=' 2 '`page()` of all fields ≤ 2 s'
must absolute seconds import_again '' '<=' 6 'import, nothing changes ≤ 6 s'
must absolute seconds import_all '' '<=' 6 'import of everything ≤ 6 s'
must absolute cpu import_again '' '<=' 6 'import, nothing changes: CPU ≤ 6 s'
must absolute cpu import_all '' '<=' 6 'import of everything: CPU ≤ 6 s'
must absolute cpu import_sheet_dry '' '<=' 6 '`import_sheet()` of everything, dry run: CPU ≤ 6 s'
must absolute cpu import_sheet '' '<=' 6 '`import_sheet()` of everything: CPU ≤ 6 s'

map_database $((FIELDS / 10))
map_database 500
on hub postgres -c "CREATE DATABASE import TEMPLATE map_$((FIELDS / 10)) STRATEGY file_copy"

# timed VARIANT DATABASE COMMAND   seconds, and what the backend used
timed() {
	say "  round $round of $ROUNDS, $1"
	printf '%s\n' 'SELECT pg_backend_pid() AS pid \gset' '\setenv BACKEND :pid' '\! bench/probe.sh start $BACKEND' \
		'SELECT clock_timestamp() AS t0 \gset' "$3" "SELECT extract(epoch FROM clock_timestamp() - :'t0');" \
		'\! bench/probe.sh stop $BACKEND' > "$RUN/timed.sql"
	on hub "$2" -o "$RUN/timed.seconds" -f "$RUN/timed.sql" > "$RUN/timed.used"
	record "$1" seconds "$(tail -n 1 "$RUN/timed.seconds")"
	while read -r metric value; do record "$1" "$metric" "$value"; done < "$RUN/timed.used"
}

# empty_map   database import has the tables, but nothing on the map
empty_map() {
	on hub import -c 'SET client_min_messages = warning' -c 'TRUNCATE ownership.field, ownership.mirrored_table CASCADE' -c CHECKPOINT
}

# same_map   database import has the map that was exported
same_map() {
	on hub import -c "\\copy (TABLE ownership.sheet) to '$RUN/again.csv' with (format csv, header)"
	cmp "$RUN/map.csv" "$RUN/again.csv"
}

round=0
x=0
csv='with (format csv, header match)'
while [ "$round" -lt "$ROUNDS" ]; do
	round=$((round + 1))
	full=map_$((FIELDS / 10))
	timed risks "$full" "\\copy (TABLE ownership.risks) to '/dev/null'"
	timed map "$full" "\\copy (TABLE ownership.map) to '/dev/null'"
	timed page map_500 "\\copy (SELECT ownership.page()) to '/dev/null'"
	timed page_all "$full" "\\copy (SELECT ownership.page()) to '/dev/null'"
	timed guards "$full" "\\copy (TABLE ownership.guards) to '/dev/null'"
	timed export "$full" "\\copy (TABLE ownership.sheet) to '$RUN/map.csv' with (format csv, header)"
	timed import_again "$full" "\\copy ownership.sheet from '$RUN/map.csv' $csv"
	empty_map
	timed import_all import "\\copy ownership.sheet from '$RUN/map.csv' $csv"
	same_map
	empty_map
	sheet="ownership.import_sheet(pg_read_binary_file('$RUN/map.csv'), dry_run =>"
	timed import_sheet_dry import "SELECT count(*) FROM $sheet true);"
	timed import_sheet import "SELECT count(*) FROM $sheet false);"
	same_map
done
