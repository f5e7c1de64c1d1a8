/*
 * Part of ownership.risks: values that wait, and what a feed may have sent in vain.
 */
CREATE FUNCTION ownership.lost_update(OUT table_schema text, OUT table_name text, OUT system text, OUT origin text,
	OUT waiting bigint, OUT applied bigint, OUT since timestamptz)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_lost_update' LANGUAGE C VOLATILE ROWS 10;
COMMENT ON FUNCTION ownership.lost_update() IS 'Internal: one row for each table and feed that brings rows which it may not create. It counts the rows that wait, and those that the system has not written since a waiting value was applied.';

/* reads evidence as the caller; a function, so that the evidence does not count in what the view is expected to cost */
CREATE FUNCTION ownership.waiting_problem(table_schema text, table_name text, system text)
RETURNS text LANGUAGE SQL STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT c.problem FROM ownership.conflict c
	WHERE c.outcome IN ('parked', 'remembered') AND c.resolved_at IS NULL AND c.row_key IS NOT NULL AND c.problem IS NOT NULL
	  AND c.table_schema = waiting_problem.table_schema AND c.table_name = waiting_problem.table_name
	  AND (c.outcome = 'remembered' OR c.system IS NOT DISTINCT FROM waiting_problem.system)
	  AND NOT EXISTS (SELECT FROM ownership.mirrored_column m JOIN ownership.field f ON f.entity = m.entity AND f.name = m.field
		LEFT JOIN ownership.domain d ON d.name = f.domain
		WHERE m.table_schema = c.table_schema AND m.table_name = c.table_name AND m.column_name = ANY (c.columns::text[]) AND (f.sensitive OR d.sensitive))
	ORDER BY c.id DESC LIMIT 1;
END;
COMMENT ON FUNCTION ownership.waiting_problem(text, text, text) IS 'Internal: why the latest value that waits for rows of a table could not be written. NULL: nothing failed, or the field is sensitive.';

/* What went with tables that were dropped or replaced. */
CREATE TABLE ownership.replaced_table (
	table_schema	text NOT NULL,
	table_name		text NOT NULL,
	system			text NOT NULL,
	columns			text[] NOT NULL,
	replaced		boolean NOT NULL DEFAULT false,
	bounds			text NOT NULL DEFAULT '',
	part			oid NOT NULL DEFAULT 0,
	PRIMARY KEY (table_schema, table_name, system, bounds)
);
COMMENT ON TABLE ownership.replaced_table IS 'Internal: the systems whose values were in a table that was dropped or replaced, and do not make its rows.';
COMMENT ON COLUMN ownership.replaced_table.table_schema IS 'Schema that the map names.';
COMMENT ON COLUMN ownership.replaced_table.table_name IS 'Table that the map names.';
COMMENT ON COLUMN ownership.replaced_table.system IS 'The system.';
COMMENT ON COLUMN ownership.replaced_table.columns IS 'Columns of the system that had values.';
COMMENT ON COLUMN ownership.replaced_table.bounds IS 'Of a partition: OID of the table above it, and its bounds. Empty: it is about the whole table.';
COMMENT ON COLUMN ownership.replaced_table.part IS 'OID of the table or partition that had the values.';
COMMENT ON COLUMN ownership.replaced_table.replaced IS 'true: another table has the name. false: the table was dropped, and no other has the name yet.';

CREATE VIEW ownership.waiting_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
	/* PostgreSQL drops the changes of a row that is not there */
	SELECT 7, 'medium', 'updates_lost', NULL::text, NULL::text, ownership.relation_name(l.table_schema, l.table_name), NULL::text,
		array_remove(ARRAY[l.system], NULL),
		concat_ws(' ', format('%s brings rows of %s that %s may not create: PostgreSQL drops the UPDATEs and DELETEs of such a row until it is there.',
				coalesce((SELECT s.subname FROM pg_catalog.pg_subscription s WHERE l.origin ~ ('^pg_' || s.oid || '(_|$)')), l.origin), ownership.relation_name(l.table_schema, l.table_name), coalesce(l.system, 'it')),
			CASE l.waiting WHEN 0 THEN NULL WHEN 1 THEN '1 row is not there yet.' ELSE format('%s rows are not there yet.', l.waiting) END,
			CASE l.applied WHEN 0 THEN NULL WHEN 1 THEN '1 row has a value that had waited, and was not written since.'
				ELSE format('%s rows have values that had waited, and were not written since.', l.applied) END,
			format('The first was sent on %s.', to_char(l.since, 'YYYY-MM-DD'))),
		concat_ws(' ', CASE WHEN l.waiting > 0 THEN 'Ask the system that creates these records why the rows are missing.' END,
			CASE WHEN l.applied > 0 THEN format('Have %s send the rows again, or compare them with it; then dismiss what was applied: SELECT ownership.dismiss(array_agg(id)) FROM ownership.conflict WHERE outcome = ''parked'' AND resolution = ''applied'' AND origin = %L AND (table_schema, table_name) = (%L, %L)',
				coalesce(l.system, 'the sender'), l.origin, l.table_schema, l.table_name) END)
	FROM ownership.lost_update() l
	UNION ALL
	SELECT 8, 'medium', 'values_replaced', NULL, NULL, ownership.relation_name(r.table_schema, r.table_name), NULL, ARRAY[r.system],
		format('%s %s was replaced by another one: what %s had written into %s went with it, unless the load brought it.',
			CASE r.bounds WHEN '' THEN 'Table' ELSE 'A partition of' END, ownership.relation_name(r.table_schema, r.table_name), r.system, array_to_string(r.columns, ', ')),
		format('Have %s send its values again, or take them from a backup; then DELETE FROM ownership.replaced_table WHERE (table_schema, table_name, system) = (%L, %L, %L). Load into the table itself from now on: what TRUNCATE and DELETE take along is remembered.',
			r.system, r.table_schema, r.table_name, r.system)
	FROM ownership.replaced_table r
	JOIN ownership.mirrored_table t USING (table_schema, table_name)
	JOIN ownership.system s ON s.name = r.system
	WHERE r.replaced
	UNION ALL
	/* the problem of a value can contain the value: it is for those who may read evidence */
	SELECT CASE w.problems WHEN 0 THEN 14 ELSE 9 END, CASE w.problems WHEN 0 THEN 'low' ELSE 'medium' END, 'parked', NULL, NULL,
		ownership.relation_name(w.table_schema, w.table_name), NULL, array_remove(ARRAY[w.system], NULL),
		concat_ws(' ', format('%s %s for rows of %s since %s.', CASE w.waiting WHEN 1 THEN '1 value' ELSE w.waiting || ' values' END
				|| coalesce(' of ' || w.system, ''), CASE w.waiting WHEN 1 THEN 'waits' ELSE 'wait' END,
				ownership.relation_name(w.table_schema, w.table_name), to_char(w.since, 'YYYY-MM-DD')),
			CASE WHEN w.problems > 0 THEN format('%s could not be written%s.',
				CASE w.problems WHEN w.waiting THEN CASE w.problems WHEN 1 THEN 'It' ELSE 'They' END ELSE w.problems || ' of them' END,
				CASE WHEN has_table_privilege('ownership.conflict', 'SELECT')
					THEN coalesce(': ' || rtrim(ownership.waiting_problem(w.table_schema, w.table_name, w.system), '.'), '') ELSE '' END) END),
		concat_ws(' ', 'See ownership.waiting.', CASE WHEN w.problems > 0
			THEN format('Where the value is wrong, have %s correct it, and dismiss it: SELECT ownership.dismiss(conflict_id); where the table is, change the table; then SELECT ownership.apply_waiting(%L).',
				coalesce(w.system, 'the sender'), ownership.relation_name(w.table_schema, w.table_name)) END,
			CASE WHEN w.problems < w.waiting THEN format('The values go in when the rows are created. Where rows are missing, ask the system that creates them, or create them: SELECT ownership.accept(conflict_id). Where they are there, SELECT ownership.apply_waiting(%L).',
				ownership.relation_name(w.table_schema, w.table_name)) END)
	FROM (SELECT table_schema, table_name, system, sum(waiting)::bigint AS waiting, sum(problems)::bigint AS problems, min(since) AS since
		FROM ownership.waiting_count
		WHERE outcome = 'parked' OR problems > 0
		GROUP BY table_schema, table_name, system) w;
COMMENT ON VIEW ownership.waiting_risk IS 'Internal: the part of ownership.risks that is about values which wait for their rows.';
GRANT SELECT ON ownership.replaced_table, ownership.waiting_risk TO PUBLIC;

