begin_case copy 'COPY FROM by the owner of the key' \
	"$ROWS rows from a file, over SQL; only columns that the writer owns."
must ratio instructions ownership unguarded '<=' 1.02 '≤ 1.02 × instructions'
must ratio us_per_row ownership unguarded '<=' 1.03 '≤ 1.03 ×'
must ratio wal ownership unguarded '<=' 1.000 '1.000 × WAL'

sql -c "COPY (SELECT i, (i % 1000)::numeric(10,2), i % 50 FROM generate_series(1, $ROWS) i) TO '$RUN/copy.data'"
prepare='CREATE TABLE t (id int PRIMARY KEY, price numeric(10,2), stock int, title text)'
warm='INSERT INTO t (id, price, stock) VALUES (0, 1, 1)'
statement="COPY t (id, price, stock) FROM '$RUN/copy.data'"
compare unguarded ownership ownership_lift_off grants empty_before_insert
