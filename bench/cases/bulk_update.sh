begin_case bulk_update 'Bulk UPDATE of owned columns' \
	"$ROWS narrow rows, one UPDATE of a column that the writer owns."
must ratio seconds ownership unguarded '<=' 1.03 '≤ 1.03 × unguarded'
must ratio wal ownership unguarded '<=' 1.005 'WAL bytes ≤ 1.005 ×'

prepare=$(narrow "$ROWS")
warm='UPDATE t SET price = price + 1 WHERE id = 1'
statement='UPDATE t SET price = price + 1'
compare unguarded ownership ownership_lift_off grants suppress
