begin_case bulk_delete 'DELETE by the owner of the key' "All $ROWS rows of a table in one statement. The columns of the other system are NULL, so there is nothing to remember."
must ratio seconds ownership unguarded '<=' 1.4 '≤ 1.4 ×'

prepare="$(narrow "$ROWS"); UPDATE t SET title = NULL; VACUUM FULL t"
warm='DELETE FROM t WHERE id = 1'
statement='DELETE FROM t'
compare unguarded ownership ownership_lift_off grants

begin_case delete_remember 'DELETE that takes along values of another system' \
	"$ROWS rows, each with a title of the other system, which is remembered. The peer remembers the same in a table like \`ownership.conflict\`, with the same indexes. \"bytes\": what the backend's own memory grew at most; PostgreSQL's own queue of AFTER triggers is in it."
must ratio seconds keep_ownership remember_plpgsql '<=' 0.5 '≤ 0.5 × the PL/pgSQL trigger that remembers the same'
must ratio memory keep_ownership remember_plpgsql '<=' 1.1 'memory: ≤ 1.1 × that trigger'

prepare="CALL other_evidence(); $(narrow "$ROWS")"
warm='DELETE FROM t WHERE id = 1'
statement='DELETE FROM t'
after="SELECT 'evidence', (SELECT count(*) FROM evidence WHERE table_name = 't') + (SELECT count(*) FROM ownership.conflict WHERE table_name = 't')"
probes=$PROBES
PROBES=memory
compare unguarded keep_ownership remember_plpgsql
PROBES=$probes

begin_case truncate_remember 'TRUNCATE that takes along values of another system' \
	"$((ROWS / 5)) rows, each with a title of the other system, which is remembered. \"scans\": of the table, from beginning to end."
must difference scans keep_ownership unguarded '<=' 1 'one scan of the table'

rows=$((ROWS / 5))
prepare="CALL other_evidence(); $(narrow $rows); SELECT pg_stat_force_next_flush(); SELECT pg_stat_reset_single_table_counters('t'::regclass)"
warm='DELETE FROM t WHERE id = 1'
statement='TRUNCATE t'
after="SELECT pg_stat_force_next_flush(); SELECT 'evidence', count(*) FROM ownership.conflict WHERE table_name = 't' UNION ALL SELECT 'scans', seq_scan FROM pg_stat_user_tables WHERE relid = 't'::regclass"
compare unguarded keep_ownership
