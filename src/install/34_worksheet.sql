/* The sheet for a workshop, and fields that no column contains. */

/* What decides whether a field is on a worksheet, and where. */
CREATE VIEW ownership.crossing AS
WITH place AS (
	SELECT c.entity, c.field, count(*) > 1 AS linked, bool_or(t.source IS NULL) AS shared,
		array_agg(DISTINCT t.source) FILTER (WHERE t.source IS NOT NULL) AS sources
	FROM ownership.mirrored_column c
	JOIN ownership.mirrored_table t USING (table_schema, table_name)
	GROUP BY c.entity, c.field
), seen AS (
	SELECT c.entity, c.field, a.system, sum(a.reads) AS reads, sum(a.writes) AS writes
	FROM ownership.activity a
	JOIN ownership.mirrored_column c USING (table_schema, table_name, column_name)
	GROUP BY c.entity, c.field, a.system
), traffic AS (
	SELECT entity, field, sum(reads + writes) AS times,
		string_agg(format('%s (%s)', coalesce(system, '?'), reads), '; ' ORDER BY reads DESC, system COLLATE "C") FILTER (WHERE reads > 0) AS readers,
		string_agg(format('%s (%s)', coalesce(system, '?'), writes), '; ' ORDER BY writes DESC, system COLLATE "C") FILTER (WHERE writes > 0) AS writers
	FROM seen
	GROUP BY entity, field
), system AS (
	SELECT entity, field, system, bool_or(writes) AS writes
	FROM (SELECT entity, name AS field, owner AS system, true AS writes FROM ownership.field_now
		UNION ALL
		SELECT a.entity, a.field, a.system, a.mode = 'write'
			AND coalesce(f.policy, d.policy, current_setting('ownership.default_policy', true), 'reject') NOT IN ('fill', 'create_only')
		FROM ownership.declared_access a
		JOIN ownership.field_now f ON f.entity = a.entity AND f.name = a.field
		LEFT JOIN ownership.domain d ON d.name = f.domain
		UNION ALL
		SELECT entity, field, system, disputed > 0 FROM ownership.seen
		UNION ALL
		SELECT entity, field, unnest(sources), false FROM place) s
	WHERE system IS NOT NULL
	GROUP BY entity, field, system
), systems AS (
	SELECT s.entity, s.field, count(*) AS systems,
		count(*) FILTER (WHERE s.writes AND NOT EXISTS (SELECT FROM ownership.row_part r
			WHERE r.entity = s.entity AND r.field = s.field AND r.system = s.system)) AS writers
	FROM system s
	GROUP BY s.entity, s.field
)
SELECT f.entity, f.name AS field, coalesce(p.shared, false) AS shared, coalesce(p.linked, false) AS linked,
	b.field IS NOT NULL AS by_default, coalesce(s.systems, 0) AS systems,
	NOT f.local AND coalesce(s.writers > 1, false) AS contested,
	t.readers AS seen_readers, t.writers AS seen_writers, coalesce(t.times, 0) AS times
FROM ownership.field_now f
LEFT JOIN place p ON p.entity = f.entity AND p.field = f.name
LEFT JOIN ownership.by_default b ON b.entity = f.entity AND b.field = f.name
LEFT JOIN traffic t ON t.entity = f.entity AND t.field = f.name
LEFT JOIN systems s ON s.entity = f.entity AND s.field = f.name;
COMMENT ON VIEW ownership.crossing IS 'Internal: what decides whether a field is on a worksheet, and where.';
GRANT SELECT ON ownership.crossing TO PUBLIC;

CREATE FUNCTION ownership.worksheet(pattern text DEFAULT '*', "only" text DEFAULT 'undecided', OUT entity text, OUT field text, OUT domain text, OUT owner text,
	OUT readers text, OUT writers text, OUT columns text, OUT policy text, OUT key text, OUT local text, OUT rationale text, OUT decided_by text, OUT decided_on text, OUT label text,
	OUT suggestion text, OUT reason text, OUT seen_readers text, OUT seen_writers text, OUT samples text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_worksheet' LANGUAGE C VOLATILE ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.worksheet(text, text) IS
'Returns the spreadsheet for a workshop: the fields that people must decide on, those that matter most first, with what the database knows of them. import_sheet() imports what comes back.
Arguments:
- pattern: Pattern of table names, as in add_tables(), or of fields, such as product.*. Default: * (every field).
- only: undecided, the default: fields that have no system of record, and fields that the source of their table owns by default and that are linked, or seen or declared with another system. contested: fields that several systems write, as declared or as seen. crossing: fields that several systems have to do with, and fields of shared tables. all: all fields. Only all has local fields.
Returns one row for each field; the columns as far as label are those of ownership.sheet:
- entity: Entity of the field.
- field: Name of the field.
- domain: Domain of the field.
- owner: System of record. NULL: none.
- readers: Systems that are declared to read the field, separated by semicolons.
- writers: Systems that are declared to write the field, separated by semicolons.
- columns: Columns that contain the field, separated by semicolons.
- policy: Policy of the field. NULL: that of the domain, else the setting ownership.default_policy.
- key: t or f: whether the field is part of the key of its entity.
- local: t or f: whether the field does not cross a system boundary.
- rationale: Why the system of record owns the field.
- decided_by: Person or group that decided.
- decided_on: Day of the decision, as YYYY-MM-DD.
- label: Name that people use for the field.
- suggestion: System that the guide suggests as the system of record, or the kind of system if the map has no system of that kind, or several. local: the field should be local. NULL: the guide suggests none.
- reason: Why the guide suggests it. It begins with "sure" if at least two pieces of evidence agree. Where nobody decided on the owner, it ends with that.
- seen_readers: Systems that were seen reading the field, each with the number of statements. ? stands for an unidentified reader.
- seen_writers: Systems that were seen writing the field, each with the number of statements or replicated row changes. ? stands for an unidentified writer.
- samples: Up to three values from the first rows of a table. NULL: there are none, the caller may not read them, the field is sensitive, the column''s name says that it gives access (such as password or token), or the table has row security.';

CREATE FUNCTION ownership.near_columns(OUT entity text, OUT field text, OUT columns text[])
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_near_columns' LANGUAGE C STABLE ROWS 10
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.near_columns() IS 'Internal: the fields that no column contains, each with the columns of the database whose names are like it.';

CREATE VIEW ownership.no_column_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
	SELECT 16, 'low', 'no_column', n.entity, n.field, NULL::text, NULL::text, array_remove(ARRAY[f.owner], NULL),
		format('No column of a mirrored table contains %s.%s: no write is judged by it.%s', n.entity, n.field,
			' Columns with such a name: ' || nullif(array_to_string(n.columns, ', '), '') || '.'),
		CASE WHEN n.columns = '{}'
			THEN format('If a table of this database contains it, link its column: SELECT ownership.link(%L, ''{schema.table.column}''). If none does, correct the name, or list the field as local.', n.entity || '.' || n.field)
			ELSE format('If it is that column: SELECT ownership.link(%L, %L)', n.entity || '.' || n.field, n.columns[1:1]::text) END
	FROM ownership.near_columns() n
	JOIN ownership.field_now f ON f.entity = n.entity AND f.name = n.field;
COMMENT ON VIEW ownership.no_column_risk IS 'Internal: the part of ownership.risks that is about fields without a column.';
GRANT SELECT ON ownership.no_column_risk TO PUBLIC;
