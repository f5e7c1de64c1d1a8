begin_case bulk_delete 'DELETE by the owner of the key' "All $ROWS rows of a table in one statement."
must ratio seconds ownership unguarded '<=' 1.03 '≤ 1.03 ×'

prepare=$(narrow "$ROWS")
warm='DELETE FROM t WHERE id = 1'
statement='DELETE FROM t'
compare unguarded ownership ownership_lift_off grants
