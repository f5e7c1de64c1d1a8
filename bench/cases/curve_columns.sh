begin_case curve_columns 'Cost of a row against mapped columns' \
	"UPDATE of $((ROWS / 50)) rows of a table with 500 columns, of which more and more are on the map. \"named\": the statement names a foreign column, too, so that each row is judged."
must ends us_per_row mapped_columns '' '<=' 1.05 'own columns: flat, ≤ 1.05 × between ends'
must ends us_per_row mapped_columns_judged '' '<=' 1.05 'foreign column named: the same'

rows=$((ROWS / 50))
xs='5 20 100 500'
prepare="CREATE TABLE t AS SELECT i AS id, $(sql -c "SELECT string_agg(format('%s::smallint AS %s', c,
	CASE WHEN c % 2 = 0 THEN 'own_' ELSE 'title_' END || c), ', ' ORDER BY c) FROM generate_series(2, 500) c")
	FROM generate_series(1, $rows) i; ALTER TABLE t ADD PRIMARY KEY (id)"
warm='UPDATE t SET own_2 = own_2 + 1::smallint, title_3 = title_3 WHERE id = 1'
statement='UPDATE t SET own_2 = own_2 + 1::smallint'
compare unguarded mapped_columns mapped_columns_judged
