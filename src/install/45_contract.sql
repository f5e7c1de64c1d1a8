/*
 * export(): the map in the formats of other tools.  One row of this view is one mirrored
 * column with what they show of it; a column that the database does not have has no type.
 */
CREATE VIEW ownership.export_column AS
SELECT m.table_schema, m.table_name, m.column_name, m.entity, m.field, c.oid AS relid, a.attnum,
	c.relkind, obj_description(c.oid, 'pg_class') AS table_comment, col_description(c.oid, a.attnum) AS column_comment,
	format_type(a.atttypid, a.atttypmod) AS type, coalesce(a.attnotnull, false) AS not_null,
	CASE
		WHEN y.oid IS NULL THEN NULL
		WHEN coalesce(nullif(y.typbasetype, 0), y.oid) IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'integer'
		WHEN y.typcategory = 'N' THEN 'number'
		WHEN y.typcategory = 'B' THEN 'boolean'
		WHEN y.typcategory = 'A' THEN 'array'
		WHEN coalesce(nullif(y.typbasetype, 0), y.oid) = 'date'::regtype THEN 'date'
		WHEN coalesce(nullif(y.typbasetype, 0), y.oid) IN ('time'::regtype, 'timetz'::regtype) THEN 'time'
		WHEN y.typcategory = 'D' THEN 'timestamp'
		WHEN y.typcategory = 'C' OR coalesce(nullif(y.typbasetype, 0), y.oid) IN ('json'::regtype, 'jsonb'::regtype) THEN 'object'
		ELSE 'string'
	END AS logical_type,
	(SELECT k.ord FROM pg_catalog.pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(attnum, ord)
		WHERE i.indrelid = c.oid AND i.indisprimary AND k.attnum = a.attnum) AS key_position,
	EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
		AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum) AS is_unique,
	t.source, f.domain, f.owner, s.title AS owner_title, s.contact AS owner_contact, f.label, f.key, f.local, f.rationale, f.decided_by,
	f.decided_on::text AS decided_on, coalesce(f.policy, d.policy, current_setting('ownership.default_policy', true), 'reject') AS policy,
	coalesce(f.on_blank, d.on_blank, 'allow') AS on_blank, f.sensitive OR coalesce(d.sensitive, false) AS sensitive, f.column_group, f.history,
	f.fresh_within, extract(epoch FROM f.fresh_within) AS fresh_seconds, m.authoritative, fa.readers, fa.writers,
	(SELECT jsonb_agg(jsonb_build_object('owner', o.owner, 'where', o.row_filter) ORDER BY o.position) FROM ownership.row_owner_now o
		WHERE (o.table_schema, o.table_name, o.column_name) = (m.table_schema, m.table_name, m.column_name)) AS row_owners,
	(SELECT count(*) FROM ownership.mirrored_column o WHERE (o.entity, o.field) = (m.entity, m.field)) AS copies
FROM ownership.mirrored_column m
JOIN ownership.mirrored_table t ON t.table_schema = m.table_schema AND t.table_name = m.table_name
JOIN ownership.field_now f ON f.entity = m.entity AND f.name = m.field
JOIN ownership.field_access fa ON fa.entity = m.entity AND fa.field = m.field
LEFT JOIN ownership.domain d ON d.name = f.domain
LEFT JOIN ownership.system s ON s.name = f.owner
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = m.table_schema::name
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = m.table_name::name AND c.relkind IN ('r', 'p', 'f')
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = m.column_name::name AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_type y ON y.oid = a.atttypid;
COMMENT ON VIEW ownership.export_column IS 'Internal: what export() says of each mirrored column.';
GRANT SELECT ON ownership.export_column TO PUBLIC;

/* An array of custom properties: those that have a value. */
CREATE FUNCTION ownership.export_properties(properties jsonb)
RETURNS jsonb LANGUAGE sql IMMUTABLE STRICT
BEGIN ATOMIC
	SELECT jsonb_agg(jsonb_build_object('property', p.key, 'value', p.value) ORDER BY p.key COLLATE "C")
	FROM jsonb_each(properties) p
	WHERE p.value NOT IN ('null', '[]', '""');
END;
COMMENT ON FUNCTION ownership.export_properties(jsonb) IS 'Internal: the members of an object as customProperties of a data contract.';

/* A CHECK that is about this column alone, or, for attnum 0, about several or none. */
CREATE FUNCTION ownership.export_quality(relid oid, attnum integer)
RETURNS jsonb LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT jsonb_agg(jsonb_build_object('name', c.conname, 'type', 'custom', 'engine', 'postgresql', 'dimension', 'conformity',
		'implementation', pg_get_constraintdef(c.oid)) ORDER BY c.conname COLLATE "C")
	FROM pg_catalog.pg_constraint c
	WHERE c.conrelid = export_quality.relid AND c.contype = 'c'
	  AND export_quality.attnum = CASE cardinality(c.conkey) WHEN 1 THEN c.conkey[1] ELSE 0 END;
END;
COMMENT ON FUNCTION ownership.export_quality(oid, integer) IS 'Internal: the CHECK constraints of a column, or, for 0, the others of the table, as quality of a data contract.';

CREATE FUNCTION ownership.export_odcs(entities text[])
RETURNS jsonb LANGUAGE sql STABLE
BEGIN ATOMIC
	WITH property AS (
		SELECT e.table_schema, e.table_name, e.relid, e.relkind, e.table_comment, e.source, e.entity, e.attnum, e.column_name,
			jsonb_strip_nulls(jsonb_build_object('name', e.column_name, 'physicalName', e.column_name, 'businessName', e.label,
				'description', coalesce(e.column_comment, e.rationale), 'logicalType', e.logical_type, 'physicalType', e.type, 'required', nullif(e.not_null, false), 'unique', nullif(e.is_unique, false),
				'primaryKey', nullif(e.key_position IS NOT NULL, false), 'primaryKeyPosition', e.key_position,
				'classification', CASE WHEN e.sensitive THEN 'sensitive' END,
				'tags', CASE WHEN e.domain IS NOT NULL THEN jsonb_build_array(e.domain) END,
				'customProperties', ownership.export_properties(jsonb_build_object('systemOfRecord', e.owner, 'owner', coalesce(e.owner_contact, e.owner),
					'systemOfRecordTitle', e.owner_title, 'field', e.entity || '.' || e.field, 'policy', e.policy, 'onBlank', nullif(e.on_blank, 'allow'), 'readers', e.readers, 'writers', e.writers,
					'key', nullif(e.key, false), 'local', nullif(e.local, false), 'columnGroup', e.column_group, 'history', nullif(e.history, false), 'authoritativeCopy', nullif(e.authoritative, false),
					'rowOwners', e.row_owners, 'freshWithin', e.fresh_within::text, 'rationale', e.rationale, 'decidedBy', e.decided_by, 'decidedOn', e.decided_on)),
				'quality', nullif(coalesce(ownership.export_quality(e.relid, e.attnum), '[]')
					|| CASE WHEN e.on_blank IN ('keep', 'reject') THEN jsonb_build_array(jsonb_build_object('type', 'text', 'dimension', 'completeness',
						'description', 'A stored value does not become blank.')) ELSE '[]' END
					|| CASE WHEN e.copies > 1 THEN jsonb_build_array(jsonb_build_object('type', 'custom', 'engine', 'ownership', 'dimension', 'consistency',
						'implementation', format('SELECT * FROM ownership.drift(%L)', e.entity || '.' || e.field))) ELSE '[]' END, '[]'))) AS property
		FROM ownership.export_column e
		WHERE e.entity = ANY (entities)
	), object AS (
		SELECT jsonb_agg(o.object ORDER BY o.table_schema COLLATE "C", o.table_name COLLATE "C") AS objects
		FROM (SELECT p.table_schema, p.table_name,
				jsonb_strip_nulls(jsonb_build_object('name', ownership.relation_name(p.table_schema, p.table_name), 'physicalName', format('%I.%I', p.table_schema, p.table_name),
					'logicalType', 'object', 'physicalType', CASE min(p.relkind::text) WHEN 'f' THEN 'foreign table' ELSE 'table' END, 'description', min(p.table_comment),
					'tags', jsonb_agg(DISTINCT p.entity), 'quality', ownership.export_quality(p.relid, 0),
					'customProperties', ownership.export_properties(jsonb_build_object('privateCopyOf', min(p.source))),
					'properties', jsonb_agg(p.property ORDER BY p.attnum, p.column_name COLLATE "C"))) AS object
			FROM property p
			GROUP BY p.table_schema, p.table_name, p.relid) o
	), sla AS (
		SELECT jsonb_agg(jsonb_build_object('property', 'latency', 'value', trim_scale(round(e.fresh_seconds / 3600, 4)), 'unit', 'h', 'driver', 'operational',
			'element', ownership.relation_name(e.table_schema, e.table_name) || '.' || e.column_name)
			ORDER BY e.table_schema COLLATE "C", e.table_name COLLATE "C", e.column_name COLLATE "C") AS properties
		FROM ownership.export_column e
		WHERE e.entity = ANY (entities) AND e.fresh_within IS NOT NULL
	), team AS (
		SELECT jsonb_build_object('name', 'Systems of record', 'members', jsonb_agg(jsonb_strip_nulls(jsonb_build_object('username', s.contact,
			'name', s.contact, 'role', format('contact of %s', coalesce(s.title, s.name)))) ORDER BY s.name COLLATE "C")) AS team
		FROM ownership.system s
		WHERE s.contact <> '' AND s.name IN (SELECT e.owner FROM ownership.export_column e WHERE e.entity = ANY (entities))
		HAVING count(*) > 0
	), missing AS (
		SELECT jsonb_agg(jsonb_build_object('field', f.entity || '.' || f.name, 'systemOfRecord', f.owner) ORDER BY f.entity COLLATE "C", f.name COLLATE "C") AS fields
		FROM ownership.field_now f
		WHERE f.entity = ANY (entities)
		  AND NOT EXISTS (SELECT FROM ownership.mirrored_column m WHERE (m.entity, m.field) = (f.entity, f.name))
	)
	SELECT jsonb_strip_nulls(jsonb_build_object('kind', 'DataContract', 'apiVersion', 'v3.1.0', 'status', 'active', 'name', current_database(),
		'id', md5(current_database() || '/' || array_to_string(entities, '/'))::uuid,
		'version', '1.0.0+' || left(md5(concat(o.objects, s.properties, t.team, m.fields)), 12),
		'description', jsonb_build_object('purpose', 'Which system is the system of record of each column, as the ownership map of the database has it.'),
		'schema', coalesce(o.objects, '[]'), 'slaProperties', s.properties, 'team', t.team,
		'customProperties', ownership.export_properties(jsonb_build_object('database', current_database(), 'fieldsWithoutColumn', m.fields))))
	FROM object o CROSS JOIN sla s CROSS JOIN missing m LEFT JOIN team t ON true;
END;
COMMENT ON FUNCTION ownership.export_odcs(text[]) IS 'Internal: the fields of some entities as a data contract of the Open Data Contract Standard 3.1.';

CREATE FUNCTION ownership.export_dbt(entities text[])
RETURNS jsonb LANGUAGE sql STABLE
BEGIN ATOMIC
	WITH relation AS (
		SELECT e.table_schema, e.table_name,
			jsonb_strip_nulls(jsonb_build_object('name', e.table_name, 'description', min(e.table_comment),
				'meta', jsonb_build_object('private_copy_of', min(e.source)),
				'columns', jsonb_agg(jsonb_strip_nulls(jsonb_build_object('name', e.column_name, 'data_type', e.type,
					'description', coalesce(e.column_comment, e.label, e.rationale), 'tags', CASE WHEN e.domain IS NOT NULL THEN jsonb_build_array(e.domain) END,
					'meta', jsonb_build_object('owner', coalesce(e.owner_contact, e.owner), 'system_of_record', e.owner, 'field', e.entity || '.' || e.field, 'label', e.label,
						'policy', e.policy, 'on_blank', nullif(e.on_blank, 'allow'), 'readers', nullif(e.readers, '{}'), 'writers', nullif(e.writers, '{}'), 'row_owners', e.row_owners,
						'fresh_within', e.fresh_within::text, 'sensitive', nullif(e.sensitive, false), 'rationale', e.rationale, 'decided_by', e.decided_by, 'decided_on', e.decided_on)))
					ORDER BY e.attnum, e.column_name COLLATE "C"))) AS relation
		FROM ownership.export_column e
		WHERE e.entity = ANY (entities)
		GROUP BY e.table_schema, e.table_name
	), source AS (
		SELECT r.table_schema, jsonb_build_object('name', r.table_schema, 'schema', r.table_schema, 'database', current_database(),
			'tables', jsonb_agg(r.relation ORDER BY r.table_name COLLATE "C")) AS source
		FROM relation r
		GROUP BY r.table_schema
	)
	SELECT jsonb_build_object('version', 2, 'sources', coalesce(jsonb_agg(s.source ORDER BY s.table_schema COLLATE "C"), '[]'))
	FROM source s;
END;
COMMENT ON FUNCTION ownership.export_dbt(text[]) IS 'Internal: the fields of some entities as sources of dbt.';
