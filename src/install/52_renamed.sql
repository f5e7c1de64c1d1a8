/*
 * A column that was dropped, and one of its type that was added in the same
 * transaction: schema tools rename columns in this way.  OID and attribute number
 * identify the new column, so that renames of the table and of the column change
 * nothing here.
 */
CREATE TABLE ownership.replaced_column (
	relid		oid NOT NULL,
	former_name	text NOT NULL,
	attnum		int2 NOT NULL,
	PRIMARY KEY (relid, former_name)
);
COMMENT ON TABLE ownership.replaced_column IS 'Internal: the mirrored columns that were dropped, and the columns that may have taken their place.';
COMMENT ON COLUMN ownership.replaced_column.relid IS 'OID of the table.';
COMMENT ON COLUMN ownership.replaced_column.former_name IS 'Name of the dropped column.';
COMMENT ON COLUMN ownership.replaced_column.attnum IS 'Attribute number of the column that may have taken its place.';

/* Part of ownership.risks. */
CREATE VIEW ownership.renamed_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
SELECT 3, 'medium', 'renamed', m.entity, m.field, ownership.relation_name(m.table_schema, m.table_name), m.column_name,
	CASE WHEN f.owner IS NULL THEN '{}' ELSE ARRAY[f.owner] END,
	format('Column %I of %s was dropped, and %I, of its type, was added in the same transaction: its map waits for a column that may be called %I now.',
		m.column_name, ownership.relation_name(m.table_schema, m.table_name), a.attname, a.attname),
	'If it is the same, carry the map over: ' || concat_ws('; ',
		CASE WHEN n.field IS NOT NULL THEN format('DELETE FROM ownership.field WHERE (entity, name) = (%L, %L)', n.entity, n.field) END,
		format('UPDATE ownership.mirrored_column SET column_name = %L WHERE (table_schema, table_name, column_name) = (%L, %L, %L)',
				a.attname, m.table_schema, m.table_name, m.column_name))
FROM ownership.replaced_column r
JOIN ownership.bound_table b ON b.relid = r.relid
JOIN ownership.mirrored_column m ON m.table_schema = b.table_schema AND m.table_name = b.table_name AND m.column_name = r.former_name
LEFT JOIN ownership.field f ON f.entity = m.entity AND f.name = m.field
JOIN pg_catalog.pg_attribute a ON a.attrelid = r.relid AND a.attnum = r.attnum AND NOT a.attisdropped
LEFT JOIN ownership.mirrored_column n ON n.table_schema = b.table_schema AND n.table_name = b.table_name
	AND n.column_name = a.attname::text COLLATE "default"
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute o
	WHERE o.attrelid = r.relid AND o.attname = r.former_name::name AND NOT o.attisdropped)
  /* there is no decision on the new column yet */
  AND (n.field IS NULL OR EXISTS (SELECT FROM ownership.field u
	WHERE u.entity = n.entity AND u.name = n.field AND num_nonnulls(u.domain, u.policy, u.rationale, u.decided_by, u.decided_on) = 0
	  AND NOT u.local AND NOT EXISTS (SELECT FROM ownership.mirrored_column c WHERE c.entity = n.entity AND c.field = n.field
		AND (c.table_schema, c.table_name, c.column_name) <> (n.table_schema, n.table_name, n.column_name))));
COMMENT ON VIEW ownership.renamed_risk IS 'Internal: the part of ownership.risks that is about columns which may have been renamed.';

GRANT SELECT ON ownership.replaced_column, ownership.renamed_risk TO PUBLIC;
