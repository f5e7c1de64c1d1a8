/*
 * Roles that the guard does not hold back: the owner of a table may switch its
 * triggers off, or put another table in its place.
 */

/*
 * The columns of mirrored tables and the systems that own them.  A source may write
 * all of its own copy; there, only fields that no other table contains are in danger.
 */
CREATE VIEW ownership.foreign_in AS
WITH owned AS (
	SELECT c.table_schema, c.table_name, c.column_name, c.entity, c.field, o.owner
	FROM ownership.mirrored_column c
	JOIN (SELECT f.entity, f.name AS field, f.owner, NULL::text AS table_schema, NULL::text AS table_name, NULL::text AS column_name
		FROM ownership.field_now f WHERE f.owner IS NOT NULL
		UNION
		SELECT m.entity, m.field, r.owner, r.table_schema, r.table_name, r.column_name
		FROM ownership.row_owner_now r
		JOIN ownership.mirrored_column m USING (table_schema, table_name, column_name)
		WHERE r.owner IS NOT NULL) o
		ON o.entity = c.entity AND o.field = c.field
		AND (o.column_name IS NULL OR (o.table_schema, o.table_name, o.column_name) = (c.table_schema, c.table_name, c.column_name))
)
SELECT o.table_schema, o.table_name, o.column_name, o.owner, t.source,
	t.source IS NOT NULL AND (o.entity, o.field, t.source) IN (SELECT s.entity, s.field, s.source FROM ownership.only_copy s) AS only_here
FROM owned o
JOIN ownership.mirrored_table t USING (table_schema, table_name);
COMMENT ON VIEW ownership.foreign_in IS 'Internal: which system owns which column of which mirrored table.';
COMMENT ON COLUMN ownership.foreign_in.only_here IS 'true: no table but those of this source contains the field.';

/* Part of ownership.risks. */
CREATE VIEW ownership.loader_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
WITH loader AS MATERIALIZED (
	/* a steward may write every field */
	SELECT i.name AS role, r.oid, i.system, i.carrier, r.rolsuper, p.settable,
		r.rolsuper OR p.settable IS NOT NULL AS switches_off
	FROM ownership.identity i
	JOIN ownership.bound_role b ON b.name = i.name
	JOIN pg_catalog.pg_roles r ON r.oid = b.role AND r.rolname = i.name::name
	CROSS JOIN LATERAL (SELECT string_agg(name, ', ') AS settable
		FROM unnest('{ownership.enforcement,ownership.default_policy}'::text[]) AS name
		WHERE has_parameter_privilege(r.oid, name, 'SET')) p
	WHERE i.kind = 'role' AND NOT i.steward
), holder AS (
	/* the owners of the table and of everything below it */
	SELECT DISTINCT g.table_schema, g.table_name, c.relowner, o.rolname, o.rolsuper
	FROM ownership.guarded_relation g
	JOIN pg_catalog.pg_class c ON c.oid = g.relid
	JOIN pg_catalog.pg_roles o ON o.oid = c.relowner
	WHERE EXISTS (SELECT FROM loader)
), holding AS (
	SELECT h.table_schema, h.table_name, w.system, CASE WHEN k.acts THEN l.role ELSE h.rolname::text END AS role,
		CASE WHEN l.oid = h.relowner THEN format('Role %I', l.role)
			WHEN k.acts THEN format('Role %I, as a member of %I', l.role, h.rolname)
			ELSE format('Role %I, a member of %I', h.rolname, l.role) END AS holder
	FROM holder h
	JOIN ownership.mirrored_table t USING (table_schema, table_name)
	CROSS JOIN loader l
	/* the system's role may become the owner, or the owner writes as the system */
	CROSS JOIN LATERAL (SELECT pg_has_role(l.oid, h.relowner, 'MEMBER') AS acts) k
	CROSS JOIN LATERAL (SELECT coalesce(l.system, CASE WHEN l.carrier THEN t.source END) AS system) w
	WHERE NOT l.switches_off AND (k.acts OR (NOT h.rolsuper AND pg_has_role(h.relowner, l.oid, 'USAGE')))
)
SELECT 13, 'medium', 'foreign_loader', NULL::text, NULL::text, ownership.relation_name(h.table_schema, h.table_name), NULL::text,
	array_remove(ARRAY[h.system], NULL),
	format('%s, %s, owns %s or a part of it, in which %s own%s fields: it may switch the guard off, or put another table in its place.',
		string_agg(DISTINCT h.holder, '; ' ORDER BY h.holder), coalesce('which writes as ' || h.system, 'which loads the tables of several systems'),
		ownership.relation_name(h.table_schema, h.table_name), array_to_string(f.owners, ', '), CASE cardinality(f.owners) WHEN 1 THEN 's' ELSE '' END),
	format('Make a role that belongs to no system its owner: ALTER TABLE %s OWNER TO ...; then GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s',
		ownership.relation_name(h.table_schema, h.table_name), ownership.relation_name(h.table_schema, h.table_name),
		string_agg(DISTINCT quote_ident(h.role), ', '))
FROM holding h
CROSS JOIN LATERAL (SELECT array_agg(DISTINCT f.owner ORDER BY f.owner) AS owners FROM ownership.foreign_in f
	WHERE f.table_schema = h.table_schema AND f.table_name = h.table_name AND f.owner IS DISTINCT FROM h.system
	  AND (h.system IS NULL OR f.source IS DISTINCT FROM h.system OR f.only_here)) f
WHERE f.owners IS NOT NULL
GROUP BY h.table_schema, h.table_name, h.system, f.owners
UNION ALL
/* roles that the guard holds back in no table */
SELECT 13, 'medium', 'foreign_loader', NULL, NULL, NULL, NULL, array_remove(ARRAY[l.system], NULL),
	format('Role %I, which %s, %s: no guard holds it back.', l.role,
		coalesce('writes as ' || l.system, 'loads the tables of several systems'),
		CASE WHEN l.rolsuper THEN 'is a superuser' ELSE 'may set ' || l.settable END),
	CASE WHEN l.rolsuper THEN format('Have the system use a role that is no superuser, or ALTER ROLE %I NOSUPERUSER', l.role)
		ELSE format('REVOKE SET ON PARAMETER %s FROM %I, or from the role that gives it this privilege.', l.settable, l.role) END
FROM loader l
WHERE l.switches_off AND EXISTS (SELECT FROM ownership.foreign_in f WHERE f.owner IS DISTINCT FROM l.system);
COMMENT ON VIEW ownership.loader_risk IS 'Internal: the part of ownership.risks that is about roles of systems that the guard does not hold back.';

GRANT SELECT ON ownership.foreign_in, ownership.loader_risk TO PUBLIC;
