begin_case evidence_insert 'Evidence, while there is much evidence of other rows' \
	"$((ROWS / 10)) rows whose DELETE is refused, while there are $ROWS rows of evidence of other rows. Nothing is written but evidence, and the lock that PostgreSQL takes on a row before its BEFORE trigger. The peer is a table like \`ownership.conflict\`, with the same indexes and as many rows."
must ratio seconds keep_ownership insert_evidence '<=' 1.3 '≤ 1.3 × a plain INSERT'

rows=$((ROWS / 10))
role=bench_pim
fill="(table_schema, table_name, row_key, operation, system, outcome, columns, stored, proposed)
	SELECT 'public', 'other', jsonb_build_object('id', i), 'UPDATE', 'pim', 'kept', '{price}', jsonb_build_object('price', i::text), jsonb_build_object('price', (i + 1)::text)
	FROM generate_series(1, $ROWS) i"
prepare="TRUNCATE evidence, ownership.conflict; INSERT INTO evidence $fill; INSERT INTO ownership.conflict $fill; $(narrow $rows)"
warm='DELETE FROM t WHERE id = 1'
statement='DELETE FROM t'
after="SELECT 'evidence', (SELECT count(*) FROM evidence WHERE table_name = 't') + (SELECT count(*) FROM ownership.conflict WHERE table_name = 't')"
(
	[ "$ROUNDS" -lt 3 ] || ROUNDS=3
	compare keep_ownership insert_evidence
)
sql -c 'DROP TABLE t' -c 'TRUNCATE evidence, ownership.conflict'
