begin_case insert_waiting 'INSERT by the owner of the key while values wait for other rows' \
	"$ROWS rows, while $((ROWS / 10)) titles of the other system wait for other rows of the table."
must ratio seconds parked unguarded '<=' 1.3 '≤ 1.3 ×'

prepare="TRUNCATE ownership.conflict; CREATE TABLE t (id int PRIMARY KEY, price numeric(10,2), stock int, title text);
	CREATE TABLE IF NOT EXISTS parks AS SELECT -i AS id, 'title ' || i AS title FROM generate_series(1, $ROWS / 10) i"
warm='INSERT INTO t (id, price, stock) VALUES (0, 1, 1)'
statement="INSERT INTO t (id, price, stock) SELECT i, i % 1000, i % 50 FROM generate_series(1, $ROWS) i"
compare unguarded ownership parked
