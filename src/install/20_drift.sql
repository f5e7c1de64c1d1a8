/*
 * Copies that disagree.
 */

/*
 * One row for each copy of a field, beside the authoritative one.  The
 * authoritative one is the copy that is marked so; else the copy in the table whose
 * source owns the field; else the only copy in a shared table, which only the owner
 * may write.  Where none of these decides, the view lists all copies, and
 * authoritative_* are NULL.
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
			JOIN ownership.field_now f ON f.entity = m.entity AND f.name = m.field
			WHERE (m.entity, m.field) IN (SELECT entity, field FROM ownership.mirrored_column
				GROUP BY entity, field HAVING count(*) > 1)
		) c
	) k
	WINDOW first AS (PARTITION BY entity, field ORDER BY best DESC)
) l
WHERE NOT (decided AND best);
COMMENT ON VIEW ownership.linked_copy IS 'Internal: one row for each copy of a field, with the authoritative copy that it is compared with.';

CREATE FUNCTION ownership.value_text(value "any")
RETURNS text AS 'MODULE_PATHNAME', 'ownership_value_text' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION ownership.value_text("any") IS 'Internal: a value as text, in the form that evidence has, whatever the settings of the session are.';

/* not PARALLEL SAFE: it catches a failing cast in a subtransaction */
CREATE FUNCTION ownership.copy_differs(source_value "any", copy_value "any")
RETURNS boolean AS 'MODULE_PATHNAME', 'ownership_copy_differs' LANGUAGE C STABLE COST 10;
COMMENT ON FUNCTION ownership.copy_differs("any", "any") IS 'Internal: whether two values differ, as the guard compares them. A value that cannot be cast to the type of the other differs.';

CREATE FUNCTION ownership.copy_misread(source_value "any", copy_value "any")
RETURNS boolean AS 'MODULE_PATHNAME', 'ownership_copy_misread' LANGUAGE C STABLE COST 10;
COMMENT ON FUNCTION ownership.copy_misread("any", "any") IS 'Internal: whether two values differ because one of them cannot be cast to the type in which they are compared.';

CREATE FUNCTION ownership.value_as(value "any", type anyelement)
RETURNS anyelement AS 'MODULE_PATHNAME', 'ownership_value_as' LANGUAGE C STABLE COST 10;
COMMENT ON FUNCTION ownership.value_as("any", anyelement) IS 'Internal: a value as one of the type of the second argument, as copies are compared; NULL if it cannot be cast.';

CREATE FUNCTION ownership.drift(field text, OUT row_key jsonb, OUT source_value text, OUT relation text, OUT column_name text, OUT copy_value text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_drift' LANGUAGE C STABLE STRICT
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.drift(text) IS
'Lists the rows in which a copy of a field differs from the authoritative copy. It reads the tables with the privileges of the caller.
Arguments:
- field: The field, as entity.name. If it has one copy, the function returns no rows.
Returns one row for each difference:
- row_key: Fields of the entity by which rows are matched (its match keys, else its key fields), and their values in the row of the authoritative copy.
- source_value: Value in the authoritative copy, as text.
- relation: Table of the other copy.
- column_name: Column of the other copy.
- copy_value: Value in the other copy, as text.';

CREATE FUNCTION ownership.compare_copies(pattern text, thorough boolean, OUT entity text, OUT field text, OUT owner text, OUT authoritative text, OUT relation text, OUT column_name text, OUT source text, OUT rows_compared bigint, OUT rows_differing bigint, OUT state text, OUT problem text, OUT advice text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_compare_copies' LANGUAGE C STABLE STRICT
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.compare_copies(text, boolean) IS 'Internal: one row for each copy, compared with the authoritative copy. Unless thorough is true, it stops at the first row that differs.';

CREATE FUNCTION ownership.drift_summary(pattern text DEFAULT '*', OUT entity text, OUT field text, OUT authoritative text, OUT relation text, OUT column_name text, OUT source text, OUT rows_compared bigint, OUT rows_differing bigint, OUT problem text)
RETURNS SETOF record LANGUAGE SQL STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT c.entity, c.field, c.authoritative, c.relation, c.column_name, c.source,
		c.rows_compared, c.rows_differing, c.problem
	FROM ownership.compare_copies(drift_summary.pattern, true) c;
END;
COMMENT ON FUNCTION ownership.drift_summary(text) IS
'Counts the rows in which copies of fields differ from the authoritative copy.
Arguments:
- pattern: Pattern of field names as entity.name: * stands for any characters, ? for one. Default: * (every field).
Returns one row for each copy:
- entity: Entity of the field.
- field: Name of the field.
- authoritative: The authoritative copy, as schema.table.column. NULL: the map does not say which one it is.
- relation: Table of the other copy.
- column_name: Column of the other copy.
- source: System of which that table is a private copy. NULL: the table is shared.
- rows_compared: Number of compared rows. NULL: the copy was not compared.
- rows_differing: Number of rows that differ.
- problem: Why the copy, or some of its rows, was not compared, or how many values could not be read as values of the type in which they are compared. NULL: none of these.';

/*
 * Without "SET search_path": the tables' own triggers run, and may need the
 * caller's.  The functions name everything with its schema.
 */
CREATE FUNCTION ownership.reconcile(field text, dry_run boolean DEFAULT false, max_rows bigint DEFAULT NULL)
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_reconcile' LANGUAGE C;
COMMENT ON FUNCTION ownership.reconcile(text, boolean, bigint) IS
'Writes the authoritative value of a field into its shared copies that contain another value. It never writes the private copy of a source. The caller is the system of record, a steward or a superuser, and has the UPDATE privilege; for a field without a system of record the privilege is enough. Of a group (field.column_group) it writes all columns that a copy''s table has, or none.
Arguments:
- field: The field, as entity.name. If it has one copy, the function writes nothing.
- dry_run: true: the function writes nothing and only counts. Default: false.
- max_rows: Greatest number of rows that one call writes. NULL, the default: no limit.
Returns the number of rows that it wrote, or would write in a dry run.';

CREATE PROCEDURE ownership.reconcile_all(pattern text, batch_size integer DEFAULT 1000)
AS 'MODULE_PATHNAME', 'ownership_reconcile_all' LANGUAGE C;
COMMENT ON PROCEDURE ownership.reconcile_all(text, integer) IS
'Calls reconcile() for each matching field that has several copies, and commits after each batch. It cannot run in a transaction block.
Arguments:
- pattern: Pattern of field names as entity.name: * stands for any characters, ? for one.
- batch_size: Number of rows between two commits, greater than 0. Default: 1000.';

/* the functions run as their caller: privileges on the tables protect the data */
GRANT SELECT ON ownership.linked_copy TO PUBLIC;
