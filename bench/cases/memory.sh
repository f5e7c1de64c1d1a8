begin_case memory 'Memory of one statement' \
	"UPDATE of $((ROWS * 5)) rows, once each; what the backend's own memory (RssAnon) grew at most, sampled. PostgreSQL's own queue of AFTER triggers is that of the empty AFTER ROW trigger; what PostgreSQL itself takes for a BEFORE UPDATE ROW trigger of any kind, which \`keep\` needs, shows \`suppress_redundant_updates_trigger()\`."
must difference memory ownership unguarded '<=' 1048576 'lifted: flat (bytes more than unguarded)'
must ratio memory ownership_judged empty_after '<=' 1.01 'not conflicting: ≤ the AFTER queue (+ 1 %: sampled)'
must ratio memory conflict_observe empty_after '<=' 1.01 'observed conflicts: the same'
must ratio memory conflict_keep empty_after '<=' 1.01 'kept conflicts: the same'

rows=$((ROWS * 5))
prepare="TRUNCATE ownership.conflict; $(narrow $rows)"
warm='UPDATE t SET price = price + 1 WHERE id = 1'
statement='UPDATE t SET price = price + 1'
(
	ROUNDS=1
	PROBES="$PROBES memory"
	compare unguarded ownership empty_after suppress ownership_judged conflict_observe conflict_keep
)
sql -c 'DROP TABLE t' -c 'TRUNCATE ownership.conflict'
