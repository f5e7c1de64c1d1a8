/*
 * Copies that disagree.
 */

/*
 * One row a copy of a field, beside the authoritative one.  That is the one
 * which is marked so; else the one in the table whose source owns the field;
 * else the only shared one, which only the owner may write.  Where that leaves
 * it open, all copies are listed, and authoritative_* are NULL.
 */
CREATE VIEW ownership.linked_copy AS
SELECT entity, field, key, owner,
	CASE WHEN decided THEN first_schema END AS authoritative_schema,
	CASE WHEN decided THEN first_table END AS authoritative_table,
	CASE WHEN decided THEN first_column END AS authoritative_column,
	table_schema, table_name, column_name, source
FROM (
	SELECT k.*, bool_or(best) OVER (PARTITION BY entity, field) AS decided,
		first_value(table_schema) OVER first AS first_schema,
		first_value(table_name) OVER first AS first_table,
		first_value(column_name) OVER first AS first_column
	FROM (
		SELECT c.*, CASE WHEN marked THEN authoritative
			WHEN own > 0 THEN own = 1 AND source IS NOT DISTINCT FROM owner
			ELSE shared = 1 AND source IS NULL END AS best
		FROM (
			SELECT m.entity, m.field, f.key, f.owner, m.table_schema, m.table_name, m.column_name,
				m.authoritative, t.source,
				bool_or(m.authoritative) OVER (PARTITION BY m.entity, m.field) AS marked,
				count(*) FILTER (WHERE t.source = f.owner) OVER (PARTITION BY m.entity, m.field) AS own,
				count(*) FILTER (WHERE t.source IS NULL AND f.owner IS NOT NULL) OVER (PARTITION BY m.entity, m.field) AS shared
			FROM ownership.mirrored_column m
			JOIN ownership.mirrored_table t USING (table_schema, table_name)
			JOIN ownership.field f ON f.entity = m.entity AND f.name = m.field
			WHERE (m.entity, m.field) IN (SELECT entity, field FROM ownership.mirrored_column
				GROUP BY entity, field HAVING count(*) > 1)
		) c
	) k
	WINDOW first AS (PARTITION BY entity, field ORDER BY best DESC)
) l
WHERE NOT (decided AND best);
COMMENT ON VIEW ownership.linked_copy IS 'Internal: one row a copy of a field, and the authoritative copy that it is compared with';

CREATE FUNCTION ownership.value_text(value "any")
RETURNS text AS 'MODULE_PATHNAME', 'ownership_value_text' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION ownership.value_text("any") IS 'A value as text, as evidence has it, whatever the session''s settings';

/* not parallel: a cast that fails is caught in a subtransaction */
CREATE FUNCTION ownership.copy_differs(source_value "any", copy_value "any")
RETURNS boolean AS 'MODULE_PATHNAME', 'ownership_copy_differs' LANGUAGE C STABLE COST 10;
COMMENT ON FUNCTION ownership.copy_differs("any", "any") IS 'Whether two values differ, as the guard compares; one that cannot be cast to the other''s type does';

CREATE FUNCTION ownership.drift(field text, OUT row_key jsonb, OUT source_value text, OUT relation text, OUT column_name text, OUT copy_value text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_drift' LANGUAGE C STABLE STRICT
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.drift(text) IS 'The rows in which a copy of the field is another value than the authoritative one';

CREATE FUNCTION ownership.compare_copies(pattern text, thorough boolean, OUT entity text, OUT field text, OUT owner text, OUT authoritative text, OUT relation text, OUT column_name text, OUT source text, OUT rows_compared bigint, OUT rows_differing bigint, OUT state text, OUT problem text, OUT advice text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_compare_copies' LANGUAGE C STABLE STRICT
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.compare_copies(text, boolean) IS 'Internal: one row a copy, compared with the authoritative one; unless thorough, only whether any row differs';

CREATE FUNCTION ownership.drift_summary(pattern text DEFAULT '*', OUT entity text, OUT field text, OUT authoritative text, OUT relation text, OUT column_name text, OUT source text, OUT rows_compared bigint, OUT rows_differing bigint, OUT problem text)
RETURNS SETOF record LANGUAGE SQL STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT c.entity, c.field, c.authoritative, c.relation, c.column_name, c.source,
		c.rows_compared, c.rows_differing, c.problem
	FROM ownership.compare_copies(drift_summary.pattern, true) c;
END;
COMMENT ON FUNCTION ownership.drift_summary(text) IS 'One row a copy of a field: how many rows were compared with the authoritative copy, and how many differ';

/*
 * Without "SET search_path": the tables' own triggers run, and may need
 * theirs; what is run here is named with its schema.
 */
CREATE FUNCTION ownership.reconcile(field text, dry_run boolean DEFAULT false, max_rows bigint DEFAULT NULL)
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_reconcile' LANGUAGE C;
COMMENT ON FUNCTION ownership.reconcile(text, boolean, bigint) IS 'Writes the authoritative value into the shared copies that hold another one; returns how many rows';

CREATE PROCEDURE ownership.reconcile_all(pattern text, batch_size integer DEFAULT 1000)
AS 'MODULE_PATHNAME', 'ownership_reconcile_all' LANGUAGE C;
COMMENT ON PROCEDURE ownership.reconcile_all(text, integer) IS 'Reconciles the fields that match, and commits after each batch';

/* the data is protected by the privileges on its tables: these run as their caller */
GRANT SELECT ON ownership.linked_copy TO PUBLIC;
