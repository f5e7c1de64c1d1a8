begin_case insert_waiting 'INSERT by the owner of the key while values wait for other rows' \
	"$ROWS rows, while $((ROWS / 10)) titles of the other system wait for other rows of the table."
must ratio seconds parked unguarded '<=' 1.3 '≤ 1.3 ×'

prepare="TRUNCATE ownership.conflict; CREATE TABLE t (id int PRIMARY KEY, price numeric(10,2), stock int, title text);
	CREATE TABLE IF NOT EXISTS parks AS SELECT 10 * $ROWS + i AS id, 'title ' || i AS title FROM generate_series(1, $ROWS / 10) i"
warm='INSERT INTO t (id, price, stock) VALUES (0, 1, 1)'
statement="INSERT INTO t (id, price, stock) SELECT i, i % 1000, i % 50 FROM generate_series(1, $ROWS) i"
compare unguarded ownership parked

# the same rows by smaller statements: each looks at what waits, or knows
for size in 1 100 10000; do
	begin_case insert_waiting_$size "INSERT of $size $([ $size = 1 ] && echo row || echo rows) a statement while values wait for other rows" \
		"$((ROWS / 10)) rows in one transaction, while $((ROWS / 10)) titles of the other system wait for other rows of the table."
	must ratio seconds parked unguarded '<=' 1.3 '≤ 1.3 ×'

	rows=$((ROWS / 10))
	prepare="TRUNCATE ownership.conflict; CREATE TABLE t (id int PRIMARY KEY, price numeric(10,2), stock int, title text);
		CREATE TABLE IF NOT EXISTS parks AS SELECT 10 * $ROWS + i AS id, 'title ' || i AS title FROM generate_series(1, $ROWS / 10) i"
	warm='INSERT INTO t (id, price, stock) VALUES (0, 1, 1)'
	statement="DO \$\$ BEGIN FOR k IN 0 .. $rows / $size - 1 LOOP
		INSERT INTO t (id, price, stock) SELECT k * $size + i, i % 1000, i % 50 FROM generate_series(1, $size) i; END LOOP; END \$\$"
	compare unguarded parked
done
