begin_case multirow_insert 'Multi-row INSERT by the owner of the key' \
	"$ROWS rows, 1,000 in a statement; it names only columns that the writer owns. Parsing is part of it."
must ratio seconds ownership unguarded '<=' 1.03 '≤ 1.03 ×'

sql -c "CREATE TABLE statements AS
	SELECT format('INSERT INTO t (id, price, stock) VALUES %s', string_agg(format('(%s, %s.50, %s)', i, i % 1000, i % 50), ', ')) AS statement
	FROM generate_series(1, $ROWS) i GROUP BY i / 1000" -c 'GRANT SELECT ON statements TO bench_erp'
prepare='CREATE TABLE t (id int PRIMARY KEY, price numeric(10,2), stock int, title text)'
warm='INSERT INTO t (id, price, stock) VALUES (0, 1, 1)'
statement='DO $$ DECLARE s text; BEGIN
	FOR s IN SELECT statement FROM statements LOOP EXECUTE s; END LOOP; END $$'
compare unguarded ownership ownership_lift_off grants
