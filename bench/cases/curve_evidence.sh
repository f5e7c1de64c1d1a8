begin_case curve_evidence 'Cost of a kept row against evidence of that row' \
	"UPDATE of one row, 1,000 times, by a writer that is refused one column with a new value each time and another with the same value each time, while there is more and more evidence of that row. \"entries\": what is read of the index of evidence for each."
must ends entries keep_ownership '' '<=' 1.01 'entries of evidence that are read: flat'
must ends us_per_row keep_ownership '' '<=' 1.1 'flat, ≤ 1.1 × between ends'

rows=1000
role=bench_pim
xs="1 1000 $((ROWS / 10)) $ROWS"
at() {
	prepare="TRUNCATE ownership.conflict; $(narrow 1);
		INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, outcome, columns, stored, proposed)
		SELECT 'public', 't', '{\"id\": 1}', 'UPDATE', 'pim', 'kept', CASE i WHEN 0 THEN '{stock}'::name[] ELSE '{price}' END, '{}',
			CASE i WHEN 0 THEN '{\"stock\": \"-1\"}'::jsonb ELSE jsonb_build_object('price', i::text) END FROM generate_series(0, $1) i;
		SELECT pg_stat_reset_single_table_counters('ownership.conflict_row_idx'::regclass)"
}
warm="UPDATE t SET price = -1, stock = -1, title = title || '.'"
statement="DO 'BEGIN FOR i IN 1 .. $rows LOOP UPDATE t SET price = -i, stock = -1, title = title || ''.''; END LOOP; END'"
after="SELECT pg_stat_force_next_flush(); SELECT 'entries', idx_tup_read::numeric / $rows FROM pg_stat_all_indexes WHERE indexrelid = 'ownership.conflict_row_idx'::regclass"
compare keep_ownership
sql -c 'DROP TABLE t' -c 'TRUNCATE ownership.conflict'
