/*
 * Part of ownership.risks: groups that the guard does not see as one value.  The map
 * refuses fields of several owners or policies, but not what splits a group in a
 * table, and not what replication or a dump brings.
 */
/* A function, so that what PostgreSQL expects it to cost does not count in the view: expensive plans are compiled. */
CREATE FUNCTION ownership.is_partition_key(table_schema text, table_name text, column_name text)
RETURNS boolean LANGUAGE SQL STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT EXISTS (SELECT FROM pg_namespace n
		JOIN pg_class t ON t.relnamespace = n.oid AND t.relname = is_partition_key.table_name::name AND t.relkind = 'p'
		CROSS JOIN LATERAL pg_partition_tree(t.oid) p
		JOIN pg_partitioned_table k ON k.partrelid = p.relid
		JOIN pg_attribute a ON a.attrelid = k.partrelid AND a.attnum = ANY (k.partattrs)
		WHERE n.nspname = is_partition_key.table_schema::name AND a.attname = is_partition_key.column_name::name);
END;
COMMENT ON FUNCTION ownership.is_partition_key(text, text, text) IS 'Internal: is a table, or a partition of it, partitioned by the column?';

CREATE VIEW ownership.group_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
WITH member AS (
	SELECT f.entity, f.column_group, f.name AS field, f.owner, coalesce(f.policy, d.policy) AS policy,
		ownership.relation_name(c.table_schema, c.table_name) AS relation, c.column_name, r.owners,
		coalesce(r.rules, '') AS rules,
		ownership.is_partition_key(c.table_schema, c.table_name, c.column_name) AS partition_key
	FROM ownership.field_now f
	LEFT JOIN ownership.domain d ON d.name = f.domain
	JOIN ownership.mirrored_column c ON c.entity = f.entity AND c.field = f.name
	LEFT JOIN LATERAL (SELECT string_agg(format('%L by %L', o.row_filter, o.owner), ', ' ORDER BY o.position) AS rules,
			array_agg(o.owner) AS owners
		FROM ownership.row_owner_now o
		WHERE o.table_schema = c.table_schema AND o.table_name = c.table_name AND o.column_name = c.column_name) r ON true
	WHERE f.column_group IS NOT NULL AND NOT f.key
), part AS (
	/* one row for each group and table */
	SELECT entity, column_group, relation, count(DISTINCT field) AS fields,
		concat_ws('; ',
			CASE WHEN count(DISTINCT rules) > 1 THEN 'the row owners of its columns differ' END,
			CASE WHEN count(DISTINCT (owner, policy)) > 1 THEN 'its fields have several systems of record or policies' END,
			'the table is partitioned by ' || string_agg(quote_ident(column_name), ', ' ORDER BY column_name COLLATE "C") FILTER (WHERE partition_key)) AS split
	FROM member
	GROUP BY entity, column_group, relation
	HAVING count(*) > 1
)
SELECT 10, 'medium', 'split_group', p.entity, NULL::text, p.relation, NULL::text,
	(SELECT coalesce(array_agg(DISTINCT s COLLATE "C") FILTER (WHERE s IS NOT NULL), '{}') FROM member m CROSS JOIN LATERAL unnest(m.owners || m.owner) s
		WHERE m.entity = p.entity AND m.column_group = p.column_group AND m.relation = p.relation),
	format('Group %s of %s is split in %s: %s. What is split is judged apart, so the values of two systems can end up as one.',
		p.column_group, p.entity, p.relation, p.split),
	'Give its fields one system of record and one policy, and its columns the same row owners; or take those that differ out of the group: set their field.column_group to NULL.'
FROM part p
WHERE p.split <> ''
UNION ALL
SELECT 10, 'medium', 'split_group', m.entity, NULL, NULL, NULL,
	coalesce(array_agg(DISTINCT m.owner COLLATE "C") FILTER (WHERE m.owner IS NOT NULL), '{}'),
	format('No table has all fields of group %s of %s: %s. The guard keeps together only what is in one table.', m.column_group, m.entity,
		string_agg(DISTINCT format('%s is in %s', quote_ident(m.field), m.relation), ', ')),
	'Link the columns that are missing in one of the tables to their fields; or make groups of those fields only that are in one table (field.column_group).'
FROM member m
GROUP BY m.entity, m.column_group
HAVING count(DISTINCT m.field) > coalesce((SELECT max(p.fields) FROM part p WHERE p.entity = m.entity AND p.column_group = m.column_group), 1);
COMMENT ON VIEW ownership.group_risk IS 'Internal: the part of ownership.risks that is about groups which are split.';

GRANT SELECT ON ownership.group_risk TO PUBLIC;
