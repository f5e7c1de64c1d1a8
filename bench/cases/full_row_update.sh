begin_case full_row_update 'Full-row UPDATE, foreign values unchanged' \
	"$ROWS narrow rows, saved as an ORM saves them: the statement names all columns, and changes one that the writer owns."
must ratio seconds ownership unguarded '<=' 1.4 '≤ 1.4 × unguarded'
must ratio seconds ownership suppress '<=' 1.10 'no dearer than `suppress_redundant_updates_trigger` + 10 %'

prepare=$(narrow "$ROWS")
warm='UPDATE t SET id = id, price = price + 1, stock = stock, title = title WHERE id = 1'
statement='UPDATE t SET id = id, price = price + 1, stock = stock, title = title'
compare unguarded ownership suppress hard_coded
