begin_case keep '`keep` with every row in conflict, evidence written' \
	"$((ROWS / 5)) rows; the writer changes its own column and another system's, which keeps its value. The peer restores the value, too, and records key, old and new value and writer in a table like \`ownership.conflict\`, with the same indexes, each value once. No guard at all can cost less than the UPDATE and an INSERT of the evidence, which the sum of both is measured for. PostgreSQL itself makes any BEFORE UPDATE ROW trigger lock each row before it is written."
must ratio seconds keep_ownership unguarded '<=' 3.2 '≤ 3.2 ×'
must ratio seconds keep_ownership update_insert '<=' 1.15 '≤ 1.15 × (unguarded UPDATE + INSERT … SELECT of the same evidence)'
must ratio seconds keep_ownership keep_plpgsql '<=' 0.5 '≤ 0.5 × the PL/pgSQL trigger that does the same'

rows=$((ROWS / 5))
role=bench_pim
prepare="CALL other_evidence(); $(narrow $rows)"
statement="UPDATE t SET price = price + 1, title = title || '.'"
warm="$statement WHERE id = 1"
after="SELECT 'evidence', (SELECT count(*) FROM evidence WHERE table_name = 't') + (SELECT count(*) FROM ownership.conflict WHERE table_name = 't')"
compare unguarded keep_ownership update_insert keep_plpgsql restore_plpgsql

begin_case resend 'The refused values again' \
	"The $rows refused values of the case before are sent once more. \"evidence\": rows that this adds; \"evidence WAL records\": of all relations that hold evidence, counted by pg_waldump. The WAL is compared with that of a trigger that restores the value, and records nothing."
must absolute evidence keep_ownership '' '<=' 0 'no evidence rows'
must absolute evidence_wal keep_ownership '' '<=' 0 'no WAL for evidence (records)'
must ratio wal keep_ownership restore_plpgsql '<=' 1.005 'WAL bytes ≤ 1.005 × restoring without evidence'

rows=$((ROWS / 5))
role=bench_pim
prepare="CALL other_evidence(); $(narrow $rows)"
statement='UPDATE t SET price = price + 1'
before="$statement"
warm="$statement WHERE id = 1"
after="SELECT 'evidence', (SELECT count(*) FROM evidence WHERE table_name = 't') + (SELECT count(*) FROM ownership.conflict WHERE table_name = 't') - CASE WHEN :'peer' LIKE '%/keep_%' THEN $rows ELSE 0 END"
measured() {
	w0=$(sed -n "s/^w0$tab//p" "$RUN/measured")
	w1=$(sed -n "s/^w1$tab//p" "$RUN/measured")
	for relation in $(sql -c "SELECT concat_ws('/', 1663, d.oid, pg_relation_filenode(c.oid))
		FROM pg_class c, pg_database d WHERE datname = current_database()
		AND coalesce((SELECT indrelid FROM pg_index WHERE indexrelid = c.oid), c.oid) IN
			(SELECT unnest(ARRAY[oid, reltoastrelid]) FROM pg_class WHERE oid IN ('evidence'::regclass, 'ownership.conflict'::regclass))"); do
		as_server "$BINDIR/pg_waldump" -q -p "$RUN/hub/pg_wal" -s "$w0" -e "$w1" -R "$relation"
	done | wc -l > "$RUN/records"
	record "$1" evidence_wal "$(cat "$RUN/records")"
}
compare keep_ownership restore_plpgsql
