begin_case bulk_delete 'DELETE by the owner of the key' "All $ROWS rows of a table in one statement. The columns of the other system are NULL, so there is nothing to remember."
must ratio seconds ownership unguarded '<=' 1.4 '≤ 1.4 ×'

prepare="$(narrow "$ROWS"); UPDATE t SET title = NULL; VACUUM FULL t"
warm='DELETE FROM t WHERE id = 1'
statement='DELETE FROM t'
compare unguarded ownership ownership_lift_off grants

begin_case delete_remember 'DELETE that takes along values of another system' \
	"$((ROWS / 5)) rows, each with a title of the other system, which is remembered. The peer remembers the same in a table like \`ownership.conflict\`, with the same indexes."
must ratio seconds keep_ownership remember_plpgsql '<=' 0.5 '≤ 0.5 × the PL/pgSQL trigger that remembers the same'

rows=$((ROWS / 5))
prepare="CALL other_evidence(); $(narrow $rows)"
warm='DELETE FROM t WHERE id = 1'
statement='DELETE FROM t'
after="SELECT 'evidence', (SELECT count(*) FROM evidence WHERE table_name = 't') + (SELECT count(*) FROM ownership.conflict WHERE table_name = 't')"
compare unguarded keep_ownership remember_plpgsql
