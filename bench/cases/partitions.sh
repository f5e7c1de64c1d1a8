begin_case partitions 'INSERT of a row into each of 1,000 partitions' \
	"By the owner of all columns. The session has written the partitions before."
# by CPU: the statement takes 10 ms, and what else the machine does decides on its seconds
must ratio cpu ownership unguarded '<=' 1.15 'CPU ≤ 1.15 ×'

rows=1000
prepare="CREATE TABLE t (id int, price numeric(10,2), stock int, title text) PARTITION BY RANGE (id);
	DO 'BEGIN FOR i IN 1 .. 1000 LOOP EXECUTE format(''CREATE TABLE t_%s PARTITION OF t FOR VALUES FROM (%s) TO (%s)'', i, i, i + 1); END LOOP; END'"
warm='INSERT INTO t (id, price, stock) SELECT i, 1, 1 FROM generate_series(1, 1000) i'
statement='INSERT INTO t (id, price, stock) SELECT i, 1, 1 FROM generate_series(1, 1000) i'
compare unguarded ownership
sql -c 'DROP TABLE t'
