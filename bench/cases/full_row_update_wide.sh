begin_case full_row_update_wide 'Full-row UPDATE of a table with 200 columns' \
	"$((ROWS / 20)) rows of 200 columns (int, numeric, text, date), half of them foreign; all are named, one own one changes."
must ratio seconds ownership unguarded '<=' 1.4 '≤ 1.4 × unguarded'

rows=$((ROWS / 20))
columns=$(sql -c "SELECT string_agg(format('%s AS %s', CASE i % 4 WHEN 0 THEN 'i' WHEN 1 THEN 'i::numeric(12,2)' WHEN 2 THEN '''value '' || i' ELSE 'date ''2026-01-01'' + i % 1000' END,
	CASE WHEN i % 2 = 0 THEN 'own_' ELSE 'title_' END || i), ', ' ORDER BY i) FROM generate_series(2, 200) i")
names=$(sql -c "SELECT string_agg(format('%1\$s = %1\$s', CASE WHEN i % 2 = 0 THEN 'own_' ELSE 'title_' END || i), ', ' ORDER BY i)
	FROM generate_series(2, 200) i WHERE i <> 4")
prepare="CREATE TABLE t AS SELECT i AS id, $columns FROM generate_series(1, $rows) i; ALTER TABLE t ADD PRIMARY KEY (id)"
statement="UPDATE t SET id = id, own_4 = own_4 + 1, $names"
warm="$statement WHERE id = 1"
compare unguarded ownership suppress
