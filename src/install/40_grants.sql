/*
 * The map as PostgreSQL's own privileges.  Where a privilege cannot express what the
 * map allows, it is not granted: a key without owner, a kept or filled column.
 */
CREATE VIEW ownership.grant_statements AS
WITH holder AS (
	SELECT i.system, i.name AS role, i.steward, i.carrier,
		EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = i.name::name) AS there
	FROM ownership.identity i
	WHERE i.kind = 'role'
), col AS MATERIALIZED (
	SELECT m.table_schema, m.table_name, m.column_name, c.oid AS relid, a.attnum, f.readers, k.key,
		k.key OR EXISTS (SELECT FROM pg_catalog.pg_index x
			WHERE x.indrelid = c.oid AND x.indisprimary AND a.attnum = ANY (x.indkey)) AS tells_row,
		CASE WHEN w.owners <> '{}' THEN w.owners ELSE f.writers END AS writers
	FROM ownership.mirrored_column m
	JOIN ownership.field_access f ON f.entity = m.entity AND f.field = m.field
	JOIN ownership.field_now k ON k.entity = m.entity AND k.name = m.field
	JOIN pg_catalog.pg_namespace n ON n.nspname = m.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = m.table_name::name AND c.relkind IN ('r', 'p', 'f')
	JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = m.column_name::name AND a.attnum > 0 AND NOT a.attisdropped
	/* also the systems that own the column in some rows: the guard checks in which ones */
	CROSS JOIN LATERAL (SELECT ARRAY(SELECT o.owner FROM ownership.row_owner_now o
		WHERE o.table_schema = m.table_schema AND o.table_name = m.table_name AND o.column_name = m.column_name AND o.owner IS NOT NULL
		UNION SELECT f.owner WHERE f.owner IS NOT NULL) AS owners) w
	UNION ALL
	/* no role can name a row without its primary key, so key columns that are not on the map count, too */
	SELECT t.table_schema, t.table_name, a.attname::text, c.oid, a.attnum, '{}', false, true, '{}'
	FROM ownership.mirrored_table t
	JOIN pg_catalog.pg_namespace n ON n.nspname = t.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.table_name::name AND c.relkind IN ('r', 'p', 'f')
	JOIN pg_catalog.pg_index x ON x.indrelid = c.oid AND x.indisprimary
	JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (x.indkey)
	WHERE NOT EXISTS (SELECT FROM ownership.mirrored_column m WHERE m.table_schema = t.table_schema AND m.table_name = t.table_name
		AND m.column_name = a.attname::text COLLATE "default")
), rel AS (
	SELECT t.table_schema, t.table_name, t.source, c.relid,
		array_agg(c.attnum) FILTER (WHERE c.tells_row) AS row_key
	FROM ownership.mirrored_table t
	JOIN col c USING (table_schema, table_name)
	GROUP BY t.table_schema, t.table_name, t.source, c.relid
), share AS (
	SELECT h.system, h.role, r.table_schema, r.table_name, r.relid,
		coalesce(h.steward OR r.source = h.system OR (h.carrier AND r.source IS NOT NULL), false) AS whole,
		s.reads, s.updates, s.creates
	FROM holder h
	CROSS JOIN rel r
	CROSS JOIN LATERAL (
		SELECT string_agg(quote_ident(c.column_name), ', ' ORDER BY c.attnum)
				FILTER (WHERE h.system = ANY (c.readers || c.writers) OR c.attnum = ANY (r.row_key)) AS reads,
			string_agg(quote_ident(c.column_name), ', ' ORDER BY c.attnum) FILTER (WHERE h.system = ANY (c.writers)) AS updates,
			bool_and(h.system = ANY (c.writers)) FILTER (WHERE c.key AND c.writers <> '{}') AS creates,
			bool_or(h.system = ANY (c.readers || c.writers)) AS any
		FROM col c
		WHERE c.relid = r.relid
	) s
	WHERE h.there AND (s.any OR h.steward OR r.source = h.system OR (h.carrier AND r.source IS NOT NULL))
)
SELECT system, role, rank, statement
FROM (
	SELECT s.system, s.role, 1 AS rank, format('GRANT USAGE ON SCHEMA %I TO %I;', s.table_schema, s.role) AS statement
	FROM share s
	GROUP BY s.system, s.role, s.table_schema
	UNION ALL
	SELECT s.system, s.role, 2, format('GRANT %s ON TABLE %I.%I TO %I;',
		CASE WHEN s.whole THEN 'SELECT, INSERT, UPDATE, DELETE'
			ELSE concat_ws(', ', 'SELECT (' || s.reads || ')', CASE WHEN s.creates THEN 'INSERT' END,
				'UPDATE (' || s.updates || ')', CASE WHEN s.creates THEN 'DELETE' END) END,
		s.table_schema, s.table_name, s.role)
	FROM share s
	UNION ALL
	/* the sequences of the defaults of new rows */
	SELECT DISTINCT s.system, s.role, 3, format('GRANT USAGE ON SEQUENCE %I.%I TO %I;', n.nspname, q.relname, s.role)
	FROM share s
	CROSS JOIN LATERAL (SELECT d.objid AS sequence
		FROM pg_catalog.pg_depend d
		WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = s.relid
		  AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'a'
		UNION ALL
		/* that belongs to no column, as in dumps of older versions */
		SELECT d.refobjid
		FROM pg_catalog.pg_attrdef a
		JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = a.oid
		WHERE a.adrelid = s.relid AND d.refclassid = 'pg_catalog.pg_class'::regclass) d
	JOIN pg_catalog.pg_class q ON q.oid = d.sequence AND q.relkind = 'S'
	JOIN pg_catalog.pg_namespace n ON n.oid = q.relnamespace
	WHERE s.whole OR s.creates
	UNION ALL
	/* a name can contain the end of a line; a JSON string does not, so the comment stays one line */
	SELECT h.system, h.role, 0, format('-- role %s is not there', to_json(h.role))
	FROM holder h
	WHERE NOT h.there
	UNION ALL
	SELECT s.name, NULL, 0, format('-- system %s has no role', to_json(s.name))
	FROM ownership.system s
	WHERE NOT EXISTS (SELECT FROM holder h WHERE h.system = s.name)
) g
ORDER BY system COLLATE "C", role COLLATE "C", rank, statement COLLATE "C";
COMMENT ON VIEW ownership.grant_statements IS 'Internal: what ownership.grants() returns, with the system and the role of each statement.';

CREATE FUNCTION ownership.grants(system text DEFAULT NULL)
RETURNS SETOF text AS 'MODULE_PATHNAME', 'ownership_grants' LANGUAGE C STABLE ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.grants(text) IS
'Returns the map as GRANT statements for the roles of systems. It grants nothing itself.
Arguments:
- system: The system. NULL, the default: all systems.
Returns one statement, or one comment line, in each row.';

GRANT SELECT ON ownership.grant_statements TO PUBLIC;
