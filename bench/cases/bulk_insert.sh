begin_case bulk_insert 'INSERT … SELECT by the owner of the key' \
	"$ROWS rows; the statement names only columns that the writer owns."
must ratio seconds ownership unguarded '<=' 1.03 '≤ 1.03 ×'

prepare="CREATE TABLE t (id int PRIMARY KEY, price numeric(10,2), stock int, title text)"
warm='INSERT INTO t (id, price, stock) VALUES (0, 1, 1)'
statement="INSERT INTO t (id, price, stock) SELECT i, i % 1000, i % 50 FROM generate_series(1, $ROWS) i"
compare unguarded ownership ownership_lift_off grants
