begin_case curve_map 'Cost of a row against guarded tables, and fields on the map' \
	"UPDATE of $((ROWS / 10)) narrow rows in databases with more and more guarded tables of ten columns: 10 tables are 100 fields, 10,000 are 100,000. \"named\": as above."
must ends us_per_row ownership '' '<=' 1.05 'own columns: flat, ≤ 1.05 × between ends'
must ends us_per_row ownership_judged '' '<=' 1.05 'foreign column named: the same'

rows=$((ROWS / 10))
xs=
for n in 10 100 1000 10000; do
	if [ $((n * 10)) -le "$FIELDS" ]; then xs="$xs $n"; map_database "$n"; fi
done
at() { DATABASE=map_$1; }
prepare=$(narrow $rows)
warm='UPDATE t SET price = price + 1, title = title WHERE id = 1'
statement='UPDATE t SET price = price + 1'
compare unguarded ownership ownership_judged
