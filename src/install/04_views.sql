/*
 * Views.  Relations are named as in messages: schema.table, without public,
 * quoted where SQL needs it.
 */

CREATE FUNCTION ownership.relation_name(table_schema text, table_name text)
RETURNS text LANGUAGE SQL IMMUTABLE PARALLEL SAFE
RETURN CASE table_schema WHEN 'public' THEN pg_catalog.quote_ident(table_name)
	ELSE pg_catalog.quote_ident(table_schema) || '.' || pg_catalog.quote_ident(table_name) END;
COMMENT ON FUNCTION ownership.relation_name(text, text) IS 'Internal: the name of a table as the views show it.';

/*
 * Who owns what at a time, where fields pass from one system to another at a moment.
 * Nothing is asked row by row while no moment has come that is not written yet.
 */
CREATE FUNCTION ownership.owner_at(entity text, field text, part text, owner text, at timestamptz)
RETURNS text AS 'MODULE_PATHNAME', 'ownership_owner_at' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION ownership.owner_at(text, text, text, text, timestamptz) IS 'Internal: the owner that a field, or a row owner''s part of it, has for statements which begin at a time; owner is what the tables of the map say.';
CREATE VIEW ownership.field_now AS
SELECT f.entity, f.name, f.domain,
	CASE WHEN (SELECT EXISTS (SELECT FROM ownership.handover h WHERE h.done_at IS NULL AND h.at <= greatest(statement_timestamp(), now())))
		THEN ownership.owner_at(f.entity, f.name, '', f.owner, greatest(statement_timestamp(), now())) ELSE f.owner END AS owner,
	f.policy, f.key, f.local, f.rationale, f.decided_by, f.decided_on, f.label, f.on_blank, f.history, f.sensitive,
	f.column_group, f.match_key, f.fresh_within
FROM ownership.field f;
COMMENT ON VIEW ownership.field_now IS 'Internal: ownership.field with the owners that are in force now.';
CREATE VIEW ownership.row_owner_now AS
SELECT r.table_schema, r.table_name, r.column_name, r.position, r.row_filter,
	CASE WHEN (SELECT EXISTS (SELECT FROM ownership.handover h WHERE h.done_at IS NULL AND h.at <= greatest(statement_timestamp(), now())))
		THEN (SELECT ownership.owner_at(c.entity, c.field, format('%s.%s.%s.%s', r.table_schema, r.table_name, r.column_name, r.position), r.owner,
				greatest(statement_timestamp(), now()))
			FROM ownership.mirrored_column c
			WHERE c.table_schema = r.table_schema AND c.table_name = r.table_name AND c.column_name = r.column_name) ELSE r.owner END AS owner
FROM ownership.row_owner r;
COMMENT ON VIEW ownership.row_owner_now IS 'Internal: ownership.row_owner with the owners that are in force now.';
GRANT SELECT ON ownership.field_now, ownership.row_owner_now TO PUBLIC;

CREATE FUNCTION ownership.status(OUT fact text, OUT value text, OUT note text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_status' LANGUAGE C VOLATILE ROWS 12;
COMMENT ON FUNCTION ownership.status() IS 'Internal: the rows of the view status.';

/* The tables of the map that exist in the database, and everything below them. */
CREATE VIEW ownership.guarded_relation AS
WITH RECURSIVE member AS (
	SELECT t.table_schema, t.table_name, c.oid AS root, c.oid AS relid, c.relkind, c.relhastriggers
	FROM ownership.mirrored_table t
	JOIN pg_catalog.pg_namespace n ON n.nspname = t.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.table_name::name AND c.relkind IN ('r', 'p', 'f')
	UNION
	SELECT m.table_schema, m.table_name, m.root, c.oid, c.relkind, c.relhastriggers
	FROM member m
	JOIN pg_catalog.pg_inherits i ON i.inhparent = m.relid
	JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
)
SELECT m.table_schema, m.table_name, m.root, m.relid, m.relkind, g.amends, g.judges, g.refuses_truncate
FROM member m
/* as guard() makes them: a trigger with a condition, or for only some events or columns, does not guard */
LEFT JOIN LATERAL (SELECT
		bool_and(t.tgenabled = 'A') FILTER (WHERE t.tgfoid = 'ownership.guard_amend()'::regprocedure AND t.tgtype = 31) AS amends,
		bool_and(t.tgenabled = 'O') FILTER (WHERE t.tgfoid = 'ownership.guard_judge()'::regprocedure AND t.tgtype = 29 AND t.tgconstraint = 0) AS judges,
		bool_and(t.tgenabled = 'A') FILTER (WHERE t.tgfoid = 'ownership.guard_truncate()'::regprocedure AND t.tgtype = 34) AS refuses_truncate
	FROM pg_catalog.pg_trigger t
	WHERE t.tgrelid = m.relid AND t.tgqual IS NULL AND cardinality(t.tgattr) = 0) g ON true;
COMMENT ON VIEW ownership.guarded_relation IS 'Internal: the state of the guard on each mirrored table, its partitions and inheritance children.';

/*
 * Settings by which sessions that begin from now on are guarded less than the
 * map says: in the server's configuration, for a database, for a role.  A session
 * knows the value in the configuration only where no other setting overrides it.
 * A value that a session sets for itself is not listed.  A default policy for the
 * whole database is part of the map, and the views show it; one for a role differs
 * from what the views show.
 */
CREATE VIEW ownership.weakened AS
WITH entry AS MATERIALIZED (
	SELECT s.setdatabase, s.setrole, lower(split_part(c, '=', 1)) AS name, lower(substr(c, strpos(c, '=') + 1)) AS value
	FROM pg_catalog.pg_db_role_setting s
	CROSS JOIN LATERAL unnest(s.setconfig) c
	WHERE s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
	  AND lower(split_part(c, '=', 1)) IN ('ownership.enforcement', 'ownership.default_policy')
), found AS (
	SELECT s.name, s.value, 0 AS rank, 'in the server''s configuration' AS place,
		format('Correct it there, or ALTER SYSTEM RESET %s, and reload the configuration.', s.name) AS advice
	FROM (SELECT name, lower(CASE source WHEN 'session' THEN reset_val ELSE setting END) AS value, source
		FROM pg_catalog.pg_settings
		WHERE ownership.loaded() AND name IN ('ownership.enforcement', 'ownership.default_policy')
		  AND source NOT IN ('global', 'database', 'user', 'database user', 'client')) s
	WHERE NOT EXISTS (SELECT FROM entry e WHERE e.name = s.name AND (e.setrole = 0
		OR (s.source = 'session' AND e.setrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user))))
	UNION ALL
	SELECT e.name, e.value, CASE e.setrole WHEN 0 THEN 1 ELSE 2 END,
		CASE WHEN e.setrole <> 0 THEN format('for role %I', e.role) || CASE WHEN e.setdatabase <> 0 THEN ' in this database' ELSE '' END
			WHEN e.setdatabase <> 0 THEN 'for this database' ELSE 'for all roles' END,
		CASE WHEN e.setrole = 0 AND e.setdatabase <> 0 THEN format('ALTER DATABASE %I RESET %s', current_database(), e.name)
			ELSE format('ALTER ROLE %s%s RESET %s', CASE e.setrole WHEN 0 THEN 'ALL' ELSE quote_ident(e.role) END,
				CASE WHEN e.setdatabase <> 0 THEN format(' IN DATABASE %I', current_database()) END, e.name) END
	FROM (SELECT e.*, coalesce(r.rolname::text, e.setrole::text) AS role FROM entry e
		LEFT JOIN pg_catalog.pg_roles r ON r.oid = e.setrole) e
	/* a setting in this database overrides one for all databases */
	WHERE e.setdatabase <> 0
	   OR NOT EXISTS (SELECT FROM entry o WHERE o.name = e.name AND o.setrole = e.setrole AND o.setdatabase <> 0)
), strength (value, strong) AS (
	VALUES ('observe', 1), ('fill', 2), ('create_only', 3)
), usual AS (
	SELECT coalesce(min(coalesce(s.strong, 4)), 4) AS strong
	FROM found f
	LEFT JOIN strength s ON s.value = f.value
	WHERE f.name = 'ownership.default_policy' AND f.rank < 2
)
SELECT f.name AS setting, f.value, f.place, f.advice, f.rank < 2 AS everybody
FROM found f
LEFT JOIN strength s ON s.value = f.value
CROSS JOIN usual u
WHERE CASE f.name WHEN 'ownership.enforcement' THEN f.value IN ('observe', 'off', 'false', 'no', '0')
	ELSE f.rank = 2 AND coalesce(s.strong, 4) < u.strong END;
COMMENT ON VIEW ownership.weakened IS 'Internal: settings of the server, the database and roles by which sessions are guarded less than the map says.';
COMMENT ON COLUMN ownership.weakened.everybody IS 'true: the setting is not for one role only.';

CREATE VIEW ownership.guards AS
WITH member AS MATERIALIZED (
	SELECT * FROM ownership.guarded_relation
), feed AS (
	SELECT g.root, array_agg(DISTINCT s.subname::text ORDER BY s.subname::text) AS subscriptions,
		array_agg(DISTINCT p.publication ORDER BY p.publication) AS publications
	FROM member g
	JOIN pg_catalog.pg_subscription_rel r ON r.srrelid = g.relid
	JOIN pg_catalog.pg_subscription s ON s.oid = r.srsubid
	CROSS JOIN LATERAL unnest(s.subpublications) AS p(publication)
	GROUP BY g.root
), state AS (
	SELECT g.root,
		bool_and(g.amends IS TRUE AND g.judges IS TRUE
			AND (g.refuses_truncate IS TRUE OR (g.relkind = 'f' AND current_setting('server_version_num')::int < 160000))) AS guarded,
		bool_or(g.amends IS NOT NULL OR g.judges IS NOT NULL OR g.refuses_truncate IS NOT NULL) AS touched,
		count(*) FILTER (WHERE g.relid <> g.root) AS partitions,
		count(*) FILTER (WHERE g.relid <> g.root AND g.amends AND g.judges
			AND (g.refuses_truncate OR g.relkind = 'f')) AS partitions_guarded
	FROM member g
	GROUP BY g.root
), problem AS (
	SELECT g.root, 1 AS rank, format('%s is not guarded', g.relid::regclass) AS problem
	FROM member g
	WHERE g.amends IS NULL AND g.judges IS NULL AND g.refuses_truncate IS NULL
	UNION ALL
	SELECT g.root, 2, format('%s of %s is missing', part.name, g.relid::regclass)
	FROM member g
	CROSS JOIN LATERAL (VALUES ('zzzz_ownership_amend', g.amends), ('zzzz_ownership_judge', g.judges),
		('zzzz_ownership_truncate', g.refuses_truncate)) AS part(name, armed)
	WHERE part.armed IS NULL AND NOT (g.amends IS NULL AND g.judges IS NULL AND g.refuses_truncate IS NULL)
	  AND NOT (part.name = 'zzzz_ownership_truncate' AND g.relkind = 'f' AND current_setting('server_version_num')::int < 160000)
	UNION ALL
	SELECT g.root, 3, format('%s of %s is not armed', part.name, g.relid::regclass)
	FROM member g
	CROSS JOIN LATERAL (VALUES ('zzzz_ownership_amend', g.amends), ('zzzz_ownership_judge', g.judges),
		('zzzz_ownership_truncate', g.refuses_truncate)) AS part(name, armed)
	WHERE NOT part.armed
	UNION ALL
	/* a hook sees the TRUNCATE of a foreign table that has no trigger for it */
	SELECT g.root, 4, format('TRUNCATE of foreign table %s cannot be refused on this PostgreSQL version unless the library is preloaded', g.relid::regclass)
	FROM member g
	WHERE g.relkind = 'f' AND current_setting('server_version_num')::int < 160000
	  AND EXISTS (SELECT FROM ownership.status() s WHERE s.fact = 'preloaded' AND s.value = 'no')
	UNION ALL
	/* BEFORE ROW triggers for INSERT or UPDATE */
	SELECT g.root, 5, format('trigger %I of %s fires after the guard and may change what was kept', t.tgname, g.relid::regclass)
	FROM member g
	JOIN pg_catalog.pg_trigger t ON t.tgrelid = g.relid
	WHERE t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0 AND t.tgenabled <> 'D'
	  AND t.tgname > 'zzzz_ownership_amend'
	UNION ALL
	SELECT s.root, 6, w.problem
	FROM state s
	CROSS JOIN (SELECT format('%s is %s %s', setting, value, place) AS problem FROM ownership.weakened) w
	WHERE s.guarded
), told AS (
	SELECT p.root, array_agg(p.problem ORDER BY p.rank, p.problem COLLATE "C") AS problems
	FROM problem p
	GROUP BY p.root
)
SELECT ownership.relation_name(t.table_schema, t.table_name) AS relation,
	t.table_schema, t.table_name, t.source,
	coalesce(s.guarded, false) AS guarded,
	ARRAY(SELECT tg.tgname::text FROM pg_catalog.pg_trigger tg
		WHERE tg.tgrelid = c.oid AND tg.tgfoid IN ('ownership.guard_amend()'::regprocedure,
			'ownership.guard_judge()'::regprocedure, 'ownership.guard_truncate()'::regprocedure)
		ORDER BY tg.tgname) AS triggers,
	coalesce(s.partitions, 0) AS partitions,
	coalesce(s.partitions_guarded, 0) AS partitions_guarded,
	coalesce(f.subscriptions, '{}') AS subscriptions,
	CASE WHEN f.root IS NOT NULL THEN format('A published TRUNCATE would stop the stream; at the source, check "SELECT pubname, pubtruncate FROM pg_publication WHERE pubname IN (%s)"',
		(SELECT string_agg(quote_literal(p), ', ') FROM unnest(f.publications) p)) END AS truncate_note,
	CASE WHEN c.oid IS NULL THEN ARRAY['the table is not there']
		ELSE coalesce(told.problems, '{}') END AS problems,
	coalesce(s.touched, false) AS touched
FROM ownership.mirrored_table t
LEFT JOIN (SELECT table_schema, table_name, root AS oid FROM member WHERE relid = root) c USING (table_schema, table_name)
LEFT JOIN state s ON s.root = c.oid
LEFT JOIN feed f ON f.root = c.oid
LEFT JOIN told ON told.root = c.oid;
COMMENT ON VIEW ownership.guards IS 'The guard of each mirrored table. One row is one table: whether and how it is guarded, which subscriptions feed it, and what is wrong.';
COMMENT ON COLUMN ownership.guards.relation IS 'Name of the table, with its schema unless that is public.';
COMMENT ON COLUMN ownership.guards.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.guards.table_name IS 'Name of the table.';
COMMENT ON COLUMN ownership.guards.source IS 'System of which the table is a private copy. NULL: the table is shared.';
COMMENT ON COLUMN ownership.guards.guarded IS 'true: every trigger of the guard is in place on the table and on everything below it.';
COMMENT ON COLUMN ownership.guards.triggers IS 'Names of the guard''s triggers on the table itself.';
COMMENT ON COLUMN ownership.guards.partitions IS 'Number of partitions or inheritance children, at every depth.';
COMMENT ON COLUMN ownership.guards.partitions_guarded IS 'Number of those that are guarded.';
COMMENT ON COLUMN ownership.guards.subscriptions IS 'Subscriptions that feed the table or a partition of it.';
COMMENT ON COLUMN ownership.guards.truncate_note IS 'What to check at the source of the feeds, because this database does not know whether they publish TRUNCATE. NULL: no subscription feeds the table.';
COMMENT ON COLUMN ownership.guards.problems IS 'What is wrong with the guard, one text for each problem. Empty: nothing is wrong.';
COMMENT ON COLUMN ownership.guards.touched IS 'true: at least one trigger of the guard exists.';

/*
 * The systems that subscribe to this database's publications, as far as it can
 * know: what connected subscribers asked for, by the role as which they connect.
 * The function runs with the privileges of its owner, because most roles may not
 * see the queries of others; it returns only which system reads which publication.
 */
CREATE FUNCTION ownership.subscriber(OUT system text, OUT publication text)
RETURNS SETOF record LANGUAGE SQL STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT DISTINCT i.system, p.pubname::text
	FROM pg_catalog.pg_stat_activity a
	JOIN ownership.identity i ON i.kind = 'role' AND i.name = a.usename::text AND i.system IS NOT NULL
	CROSS JOIN LATERAL regexp_match(a.query, 'publication_names ''(([^'']|'''')*)''') AS asked(names)
	JOIN pg_catalog.pg_publication p
		ON strpos(',' || replace(asked.names[1], '''''', '''') || ',', ',"' || replace(p.pubname::text, '"', '""') || '",') > 0
		OR strpos(',' || replace(asked.names[1], '''''', '''') || ',', ',' || p.pubname::text || ',') > 0
	WHERE a.backend_type = 'walsender' AND a.datname = current_database();
END;
COMMENT ON FUNCTION ownership.subscriber() IS 'Internal: the systems whose roles subscribe to publications of this database at this moment.';

/* Readers and writers of a field, as declared on the map or by a publication that lists columns. */
CREATE VIEW ownership.declared AS
SELECT a.entity, a.field, a.system, a.mode
FROM ownership.declared_access a
UNION ALL
SELECT DISTINCT c.entity, c.field, s.system, 'read'
FROM ownership.subscriber() s
JOIN pg_catalog.pg_publication p ON p.pubname = s.publication::name
JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid AND r.prattrs IS NOT NULL
JOIN pg_catalog.pg_class t ON t.oid = r.prrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
JOIN pg_catalog.pg_attribute k ON k.attrelid = t.oid AND k.attnum = ANY (r.prattrs::int2[])
JOIN ownership.mirrored_column c ON c.table_schema = n.nspname::text AND c.table_name = t.relname::text
	AND c.column_name = k.attname::text
WHERE NOT EXISTS (SELECT FROM ownership.declared_access a
	WHERE a.entity = c.entity AND a.field = c.field AND a.system = s.system AND a.mode = 'read');
COMMENT ON VIEW ownership.declared IS 'Internal: the declared readers and writers of fields. A system whose role subscribes to a publication with a column list is a declared reader, too.';

/* Fields with their declared readers and writers. */
CREATE VIEW ownership.field_access AS
SELECT f.entity, f.name AS field, f.domain, f.owner, f.policy, f.local,
	coalesce(a.readers, '{}') AS readers, coalesce(a.writers, '{}') AS writers
FROM ownership.field_now f
LEFT JOIN (
	SELECT entity, field,
		array_agg(system ORDER BY system COLLATE "C") FILTER (WHERE mode = 'read') AS readers,
		array_agg(system ORDER BY system COLLATE "C") FILTER (WHERE mode = 'write') AS writers
	FROM ownership.declared
	GROUP BY entity, field
) a ON a.entity = f.entity AND a.field = f.name;
COMMENT ON VIEW ownership.field_access IS 'Internal: one row for each field, with its declared readers and writers.';

/* The systems that own a field in some rows only. */
CREATE VIEW ownership.row_part AS
SELECT DISTINCT c.entity, c.field, o.owner AS system
FROM ownership.row_owner_now o
JOIN ownership.mirrored_column c USING (table_schema, table_name, column_name)
JOIN ownership.field_now f ON f.entity = c.entity AND f.name = c.field
WHERE o.owner IS NOT NULL AND f.owner IS DISTINCT FROM o.owner;
COMMENT ON VIEW ownership.row_part IS 'Internal: the systems that own a field in some of its rows only.';

/* Fields that are mirrored in tables of one source only. */
CREATE VIEW ownership.only_copy AS
SELECT c.entity, c.field, min(t.source) AS source
FROM ownership.mirrored_column c
JOIN ownership.mirrored_table t USING (table_schema, table_name)
GROUP BY c.entity, c.field
HAVING count(t.source) = count(*) AND min(t.source) = max(t.source);
COMMENT ON VIEW ownership.only_copy IS 'Internal: the fields that are mirrored in tables of one source only, and that source.';

/*
 * The systems that were seen reading and writing each field.  A source may write
 * its own copy, and a steward every field: these writes do not count.  Nor does
 * "disputed" count what a system filled in where the field was blank.  But it
 * counts what a source writes over values of another system that no other table
 * contains.
 */
CREATE VIEW ownership.seen AS
SELECT c.entity, c.field, a.system,
	sum(a.reads)::bigint AS reads,
	coalesce(sum(a.writes) FILTER (WHERE NOT w.excused), 0)::bigint AS writes,
	coalesce(sum(a.kept + a.rejected) FILTER (WHERE NOT w.excused), 0)::bigint AS refused,
	coalesce(sum(a.observed + a.filled) FILTER (WHERE NOT w.excused), 0)::bigint AS tolerated,
	max(a.last_read) AS last_read,
	max(a.last_write) FILTER (WHERE NOT w.excused) AS last_write,
	coalesce(sum(a.writes) FILTER (WHERE w.disputed), 0)::bigint AS disputed,
	max(a.last_write) FILTER (WHERE w.disputed) AS last_disputed,
	coalesce(sum(a.writes) FILTER (WHERE a.system = f.owner), 0)::bigint AS as_owner
FROM ownership.activity a
JOIN ownership.mirrored_column c USING (table_schema, table_name, column_name)
JOIN ownership.mirrored_table t USING (table_schema, table_name)
LEFT JOIN ownership.field_now f ON f.entity = c.entity AND f.name = c.field
CROSS JOIN LATERAL (SELECT coalesce(t.source = a.system, false) AS own_copy,
	a.overridden > 0 AND a.observed + a.filled + a.kept + a.rejected = 0 AS steward,
	a.filled > 0 AND a.filled >= a.writes AND a.observed = 0 AS filled) h
CROSS JOIN LATERAL (SELECT h.own_copy OR h.steward AS excused,
	CASE WHEN h.own_copy THEN f.owner <> a.system
		AND (c.entity, c.field, a.system) IN (SELECT o.entity, o.field, o.source FROM ownership.only_copy o)
	ELSE NOT h.steward AND NOT h.filled END AS disputed) w
GROUP BY c.entity, c.field, a.system;
COMMENT ON VIEW ownership.seen IS 'Internal: how often each system was seen reading and writing each field, and how often the guard refused it.';
COMMENT ON COLUMN ownership.seen.writes IS 'Number of statements or replicated row changes that wrote the field. Those of a source in its own copy, and those of a steward, do not count.';
COMMENT ON COLUMN ownership.seen.disputed IS 'Number of those writes that did more than fill in a blank, and of the writes of a source over values of another system that no other table contains.';
COMMENT ON COLUMN ownership.seen.as_owner IS 'Number of writes of the system of record of the field, in every table.';

CREATE VIEW ownership.map AS
SELECT ownership.relation_name(c.table_schema, c.table_name) AS relation,
	c.column_name, c.entity, c.field, f.domain, f.owner, t.source,
	f.readers, f.writers,
	coalesce(s.readers, '{}') AS seen_readers, coalesce(s.writers, '{}') AS seen_writers,
	coalesce(f.policy, d.policy, current_setting('ownership.default_policy', true), 'reject') AS policy,
	g.guarded,
	ARRAY(SELECT format('%s where %s', coalesce(o.owner, 'nobody'), o.row_filter) FROM ownership.row_owner_now o
		WHERE o.table_schema = c.table_schema AND o.table_name = c.table_name AND o.column_name = c.column_name
		ORDER BY o.position) AS row_owners,
	c.authoritative, c.table_schema, c.table_name
FROM ownership.mirrored_column c
JOIN ownership.mirrored_table t USING (table_schema, table_name)
JOIN ownership.field_access f ON f.entity = c.entity AND f.field = c.field
JOIN ownership.guards g ON g.table_schema = c.table_schema AND g.table_name = c.table_name
LEFT JOIN ownership.domain d ON d.name = f.domain
LEFT JOIN (SELECT table_schema, table_name, column_name,
		array_agg(coalesce(system, '?') ORDER BY system COLLATE "C") FILTER (WHERE reads > 0) AS readers,
		array_agg(coalesce(system, '?') ORDER BY system COLLATE "C") FILTER (WHERE writes > 0) AS writers
	FROM ownership.activity
	GROUP BY table_schema, table_name, column_name) s
	ON s.table_schema = c.table_schema AND s.table_name = c.table_name AND s.column_name = c.column_name
ORDER BY c.table_schema COLLATE "C", c.table_name COLLATE "C", c.column_name COLLATE "C";
COMMENT ON VIEW ownership.map IS 'The map, one row for each mirrored column: which field it contains, which systems own, read and write it, and which policy applies.';
COMMENT ON COLUMN ownership.map.relation IS 'Name of the table, with its schema unless that is public.';
COMMENT ON COLUMN ownership.map.column_name IS 'Name of the column.';
COMMENT ON COLUMN ownership.map.entity IS 'Entity of the field that the column contains.';
COMMENT ON COLUMN ownership.map.field IS 'Name of the field that the column contains.';
COMMENT ON COLUMN ownership.map.domain IS 'Domain of the field.';
COMMENT ON COLUMN ownership.map.owner IS 'System of record of the field. NULL: none.';
COMMENT ON COLUMN ownership.map.source IS 'System of which the table is a private copy. NULL: the table is shared.';
COMMENT ON COLUMN ownership.map.readers IS 'Systems that are declared to read the field.';
COMMENT ON COLUMN ownership.map.writers IS 'Systems that are declared to write the field.';
COMMENT ON COLUMN ownership.map.seen_readers IS 'Systems that were seen reading the column. ? stands for an unidentified reader.';
COMMENT ON COLUMN ownership.map.seen_writers IS 'Systems that were seen writing the column. ? stands for an unidentified writer.';
COMMENT ON COLUMN ownership.map.policy IS 'Policy that applies: that of the field, else that of its domain, else the setting ownership.default_policy.';
COMMENT ON COLUMN ownership.map.guarded IS 'true: the guard of the table is complete.';
COMMENT ON COLUMN ownership.map.row_owners IS 'Systems of record of single rows, each with its filter, in the order in which the guard tries them.';
COMMENT ON COLUMN ownership.map.authoritative IS 'true: the column is marked as the authoritative copy of its field.';
COMMENT ON COLUMN ownership.map.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.map.table_name IS 'Name of the table.';

/*
 * A source owns its own copy of the data.  That is no decision about a field: such an
 * owner is one by default.
 */
CREATE VIEW ownership.by_default AS
SELECT f.entity, f.name AS field
FROM ownership.field_now f
JOIN ownership.mirrored_column c ON c.entity = f.entity AND c.field = f.name
JOIN ownership.mirrored_table t USING (table_schema, table_name)
WHERE f.owner IS NOT NULL AND concat(f.rationale, f.decided_by, f.decided_on) = ''
GROUP BY f.entity, f.name
HAVING bool_and(t.source IS NOT DISTINCT FROM f.owner);
COMMENT ON VIEW ownership.by_default IS 'Internal: the fields whose owner nobody decided on: it is the source of all tables that contain the field.';
GRANT SELECT ON ownership.by_default TO PUBLIC;

/* What systems are to fields besides the owner of all rows, one row for each reason. */
CREATE VIEW ownership.known_part AS
SELECT r.entity, r.field, r.system, 1 AS rank, 'owner' AS part, 'some rows' AS how
FROM ownership.row_part r
UNION ALL
SELECT d.entity, d.field, d.system, 4, 'reader', 'declared'
FROM ownership.declared d
WHERE d.mode = 'read'
UNION ALL
SELECT a.entity, a.field, a.system, 2, 'writer', 'declared'
FROM ownership.declared_access a
JOIN ownership.field_now f ON f.entity = a.entity AND f.name = a.field
LEFT JOIN ownership.row_part r ON r.entity = a.entity AND r.field = a.field AND r.system = a.system
WHERE a.mode = 'write' AND a.system IS DISTINCT FROM f.owner AND r.system IS NULL
UNION ALL
/* in a field without owner no system intrudes */
SELECT s.entity, s.field, coalesce(s.system, '?'), w.rank, (ARRAY['owner', 'writer', 'intruder'])[w.rank],
	CASE WHEN s.writes > 0 AND NOT w.refused THEN 'seen' ELSE 'refused' END
FROM ownership.seen s
JOIN ownership.field_now f ON f.entity = s.entity AND f.name = s.field
LEFT JOIN ownership.row_part r ON r.entity = s.entity AND r.field = s.field AND r.system = s.system
LEFT JOIN ownership.declared_access a ON a.entity = s.entity AND a.field = s.field AND a.system = s.system AND a.mode = 'write'
CROSS JOIN LATERAL (
	SELECT CASE WHEN f.owner = s.system OR r.system IS NOT NULL THEN 1 WHEN a.system IS NOT NULL OR f.owner IS NULL THEN 2 ELSE 3 END, false
	WHERE s.writes > 0 OR (s.refused > 0 AND r.system IS NULL)
	UNION ALL
	SELECT 3, true
	WHERE s.refused > 0 AND r.system IS NOT NULL
) w(rank, refused)
UNION ALL
SELECT s.entity, s.field, coalesce(s.system, '?'), 4, 'reader', 'seen'
FROM ownership.seen s
WHERE s.reads > 0;
COMMENT ON VIEW ownership.known_part IS 'Internal: what each system is to each field, without the owners of whole fields.';

/*
 * What each system is to each field, one row for each reason.  A system that owns
 * a field in some rows only is an owner, too; by what it was refused in the other
 * rows it is an intruder.
 */
CREATE VIEW ownership.part AS
SELECT f.entity, f.name AS field, f.owner AS system, 1 AS rank, 'owner' AS part, CASE WHEN d.field IS NOT NULL THEN 'by default' END AS how
FROM ownership.field_now f
LEFT JOIN ownership.by_default d ON d.entity = f.entity AND d.field = f.name
WHERE f.owner IS NOT NULL
UNION ALL
SELECT entity, field, system, rank, part, how
FROM ownership.known_part;
COMMENT ON VIEW ownership.part IS 'Internal: what each system is to each field, one row for each reason.';

/*
 * What waits for rows: how many values of each column and system.  It contains no
 * values and no keys, and so everybody may read it.
 */
CREATE FUNCTION ownership.count_waiting(OUT table_schema text, OUT table_name text, OUT column_name text, OUT system text, OUT outcome text,
	OUT waiting bigint, OUT problems bigint, OUT since timestamptz)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_count_waiting' LANGUAGE C STABLE ROWS 10;
COMMENT ON FUNCTION ownership.count_waiting() IS 'Internal: the rows of the view waiting_count.';

CREATE FUNCTION ownership.deleter(OUT table_schema text, OUT table_name text, OUT systems text[])
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_deleter' LANGUAGE C STABLE ROWS 10;
COMMENT ON FUNCTION ownership.deleter() IS 'Internal: the systems that were seen to delete rows with values of other systems, by table.';

CREATE VIEW ownership.waiting_count AS
SELECT table_schema, table_name, column_name, system, outcome, waiting, problems, since
FROM ownership.count_waiting();
COMMENT ON VIEW ownership.waiting_count IS 'Internal: how many values wait for their rows, by column, system and outcome.';
GRANT SELECT ON ownership.waiting_count TO PUBLIC;

CREATE VIEW ownership.matrix AS
WITH role AS (
	SELECT entity, field, system, rank, part,
		concat_ws(' ', part, nullif('(' || string_agg(how, ', ' ORDER BY how) || ')', '')) AS role
	FROM ownership.part
	GROUP BY entity, field, system, rank, part
), cell AS (
	SELECT entity, field, system, string_agg(role, ', ' ORDER BY rank) AS roles
	FROM role
	GROUP BY entity, field, system
), waits AS MATERIALIZED (
	SELECT m.entity, m.field, w.waiting
	FROM ownership.waiting_count w
	JOIN ownership.mirrored_column m USING (table_schema, table_name, column_name)
)
SELECT f.entity, f.name AS field, f.owner,
	coalesce(jsonb_object_agg(c.system, c.roles ORDER BY c.system) FILTER (WHERE c.system IS NOT NULL), '{}') AS systems,
	coalesce((SELECT sum(w.waiting)::bigint FROM waits w WHERE w.entity = f.entity AND w.field = f.name), 0) AS waiting
FROM ownership.field_now f
LEFT JOIN cell c ON c.entity = f.entity AND c.field = f.name
GROUP BY f.entity, f.name, f.owner
ORDER BY f.entity COLLATE "C", f.name COLLATE "C";
COMMENT ON VIEW ownership.matrix IS 'What each system is to each field. One row is one field.';
COMMENT ON COLUMN ownership.matrix.entity IS 'Entity of the field.';
COMMENT ON COLUMN ownership.matrix.field IS 'Name of the field.';
COMMENT ON COLUMN ownership.matrix.owner IS 'System of record of the field. NULL: none.';
COMMENT ON COLUMN ownership.matrix.systems IS 'Object with one entry for each system that has to do with the field: owner, writer, reader or intruder. An intruder writes a field of another system and is not declared to write it. In parentheses: declared, seen, refused, some rows, or by default: the system owns the field only as the source of its tables, and nobody decided. ? stands for an unidentified system.';
COMMENT ON COLUMN ownership.matrix.waiting IS 'Number of values of the field that wait for their rows; see ownership.waiting.';

/*
 * Evidence contains rows, roles and applications; where it was deleted, or where
 * the owner was decided on later, activity still contains the writer.
 */
/* What is defined on the columns of a field, counted; cheap, so directly and by pg_depend alone. */
CREATE VIEW ownership.definition AS
SELECT m.entity, m.field, concat_ws(', ',
	CASE c.views WHEN 0 THEN NULL WHEN 1 THEN '1 view' ELSE c.views || ' views' END,
	CASE c.functions WHEN 0 THEN NULL WHEN 1 THEN '1 function' ELSE c.functions || ' functions' END,
	CASE c.constraints WHEN 0 THEN NULL WHEN 1 THEN '1 constraint' ELSE c.constraints || ' constraints' END,
	CASE c.indexes WHEN 0 THEN NULL WHEN 1 THEN '1 index' ELSE c.indexes || ' indexes' END,
	CASE c.others WHEN 0 THEN NULL WHEN 1 THEN '1 other' ELSE c.others || ' others' END) AS impact
FROM (SELECT DISTINCT entity, field FROM ownership.mirrored_column) m
JOIN (
	SELECT m.entity, m.field,
		count(DISTINCT r.ev_class) FILTER (WHERE r.ev_type = '1') AS views,
		count(DISTINCT d.objid) FILTER (WHERE d.classid = 'pg_catalog.pg_proc'::regclass) AS functions,
		count(DISTINCT d.objid) FILTER (WHERE k.contype <> 'n') AS constraints,
		count(DISTINCT d.objid) FILTER (WHERE x.indexrelid IS NOT NULL) AS indexes,
		count(DISTINCT (d.classid, d.objid)) FILTER (WHERE r.ev_type <> '1' OR f.adnum <> a.attnum
			OR d.classid IN ('pg_catalog.pg_policy'::regclass, 'pg_catalog.pg_trigger'::regclass,
				'pg_catalog.pg_publication_rel'::regclass, 'pg_catalog.pg_statistic_ext'::regclass)) AS others
	FROM ownership.mirrored_column m
	JOIN pg_catalog.pg_namespace n ON n.nspname = m.table_schema::name
	JOIN pg_catalog.pg_class t ON t.relnamespace = n.oid AND t.relname = m.table_name::name
	JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attname = m.column_name::name
	JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = t.oid AND d.refobjsubid = a.attnum
	LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
	LEFT JOIN pg_catalog.pg_attrdef f ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND f.oid = d.objid
	LEFT JOIN pg_catalog.pg_index x ON d.classid = 'pg_catalog.pg_class'::regclass AND x.indexrelid = d.objid
	/* from PostgreSQL 18 on NOT NULL is a constraint */
	LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid
	GROUP BY m.entity, m.field) c ON c.entity = m.entity AND c.field = m.field
WHERE c.views + c.functions + c.constraints + c.indexes + c.others > 0;
COMMENT ON VIEW ownership.definition IS 'Internal: how many objects name the columns of each field in their definitions, directly and by pg_depend. impact() finds all of them.';
GRANT SELECT ON ownership.definition TO PUBLIC;

CREATE VIEW ownership.readiness AS
WITH evidence AS (
	SELECT m.entity, m.field, c.system,
		sum(CASE WHEN jsonb_typeof(c.proposed) = 'number' THEN c.proposed::bigint ELSE 1 END)::bigint AS rows,
		array_agg(DISTINCT c.role ORDER BY c.role) FILTER (WHERE c.role IS NOT NULL) AS roles,
		array_agg(DISTINCT c.origin ORDER BY c.origin) FILTER (WHERE c.origin IS NOT NULL) AS origins,
		array_agg(DISTINCT c.application_name ORDER BY c.application_name)
			FILTER (WHERE c.application_name IS NOT NULL) AS application_names,
		max(c.recorded_at) AS last_seen
	FROM ownership.conflict c
	CROSS JOIN LATERAL unnest(c.columns) AS u(column_name)
	JOIN ownership.mirrored_column m ON m.table_schema = c.table_schema AND m.table_name = c.table_name
		AND m.column_name = u.column_name::text
	JOIN ownership.field_now f ON f.entity = m.entity AND f.name = m.field
	/* reject does not refuse a steward's writes, nor those of the system that owns the field by now */
	/* what waits was written by its owner, or was taken along by the owner of the key */
	WHERE c.outcome NOT IN ('overridden', 'parked', 'remembered') AND f.owner IS DISTINCT FROM c.system AND f.owner IS NOT NULL
	GROUP BY m.entity, m.field, c.system
), traffic AS (
	SELECT s.entity, s.field, s.system, s.writes, s.last_write
	FROM ownership.seen s
	JOIN ownership.field_now f ON f.entity = s.entity AND f.name = s.field
	WHERE s.writes > 0 AND f.owner IS DISTINCT FROM s.system AND f.owner IS NOT NULL
	  AND NOT EXISTS (SELECT FROM ownership.row_part r WHERE r.entity = s.entity AND r.field = s.field AND r.system = s.system)
)
SELECT f.entity, f.name AS field, f.owner,
	coalesce(f.policy, d.policy, current_setting('ownership.default_policy', true), 'reject') AS policy,
	w.system, coalesce(w.rows, 0) AS rows, coalesce(w.writes, 0) AS writes,
	coalesce(w.roles, '{}') AS roles, coalesce(w.origins, '{}') AS origins,
	coalesce(w.application_names, '{}') AS application_names, w.last_seen, i.impact
FROM (SELECT coalesce(e.entity, t.entity) AS entity, coalesce(e.field, t.field) AS field,
		coalesce(e.system, t.system) AS system, e.rows, t.writes, e.roles, e.origins, e.application_names,
		greatest(e.last_seen, t.last_write) AS last_seen
	FROM evidence e
	FULL JOIN traffic t ON t.entity = e.entity AND t.field = e.field AND coalesce(t.system, '?') = coalesce(e.system, '?')) w
JOIN ownership.field_now f ON f.entity = w.entity AND f.name = w.field
LEFT JOIN ownership.domain d ON d.name = f.domain
LEFT JOIN ownership.definition i ON i.entity = f.entity AND i.field = f.name
ORDER BY f.entity COLLATE "C", f.name COLLATE "C", w.system COLLATE "C";
COMMENT ON VIEW ownership.readiness IS 'The writes that the guard would refuse if the policy of the field were reject. One row is one field and one writer.';
COMMENT ON COLUMN ownership.readiness.entity IS 'Entity of the field.';
COMMENT ON COLUMN ownership.readiness.field IS 'Name of the field.';
COMMENT ON COLUMN ownership.readiness.owner IS 'System of record of the field.';
COMMENT ON COLUMN ownership.readiness.policy IS 'Policy that applies today.';
COMMENT ON COLUMN ownership.readiness.system IS 'System that wrote. NULL: an unidentified writer.';
COMMENT ON COLUMN ownership.readiness.rows IS 'Number of rows in conflict that ownership.conflict contains.';
COMMENT ON COLUMN ownership.readiness.writes IS 'Number of statements or replicated row changes that ownership.activity has counted.';
COMMENT ON COLUMN ownership.readiness.roles IS 'Roles that wrote.';
COMMENT ON COLUMN ownership.readiness.origins IS 'Replication origins from which the writes came.';
COMMENT ON COLUMN ownership.readiness.application_names IS 'Settings application_name of the sessions that wrote.';
COMMENT ON COLUMN ownership.readiness.last_seen IS 'Time of the last such write.';
COMMENT ON COLUMN ownership.readiness.impact IS 'How many views, functions and other objects name the field''s columns in their definitions, by PostgreSQL''s own dependencies. NULL: none. impact() lists them, and what these do not know.';

CREATE VIEW ownership.status AS
SELECT fact, value, note FROM ownership.status();
COMMENT ON VIEW ownership.status IS 'The state of what the library remembers, one row for each fact: whether it is preloaded, its worker, its shared memory and what it dropped.';
COMMENT ON COLUMN ownership.status.fact IS 'Name of the fact: preloaded, enforcement, track_reads, standby, worker, flush_interval, activity_size, folded, queue_size, waiting, dropped, dropped_counts, oldest_unflushed. The facts from standby on exist only when the library is preloaded and ownership.activity_size is not 0.';
COMMENT ON COLUMN ownership.status.value IS 'Value of the fact. Sizes and intervals contain their unit.';
COMMENT ON COLUMN ownership.status.note IS 'What the value means, or what to do. NULL: nothing.';

/* Part of ownership.risks: what the extension itself cannot do at present. */
CREATE VIEW ownership.own_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
	SELECT 3, 'high', 'unrecorded', NULL::text, NULL::text, NULL::text, NULL::text, '{}'::text[],
		CASE
			WHEN s.fact = 'dropped' THEN format('%s rejected attempt%s found no room in shared memory since the server started, and left no evidence.',
				s.value, CASE s.value WHEN '1' THEN '' ELSE 's' END)
			WHEN s.value LIKE 'failed%' THEN format('Rejected attempts and activity do not come to the tables: the worker that writes them fails. %s', s.note)
			WHEN s.value LIKE 'cannot%' THEN 'Rejected attempts and activity do not come to the tables: there is no process for the worker that writes them.'
			ELSE 'Rejected attempts and activity have waited for more than a minute to be written to the tables.' END,
		CASE
			WHEN s.fact = 'dropped' THEN 'Raise ownership.queue_size, and restart the server. The server log contains the errors that the clients received.'
			WHEN s.value LIKE 'failed%' THEN 'Correct what the error names; SELECT ownership.flush() shows whether the worker works again. Until then all of it waits in shared memory, whose size is limited.'
			WHEN s.value LIKE 'cannot%' THEN 'Raise max_worker_processes, and restart the server.'
			ELSE 'See in pg_locks which session locks ownership.activity or ownership.conflict, and have it end its transaction; SELECT ownership.flush() starts the worker where there is none.' END
	FROM ownership.status() s
	WHERE (s.fact = 'worker' AND s.value ~ '^(failed|cannot|behind)') OR (s.fact = 'dropped' AND s.value <> '0')
	UNION ALL
	SELECT 11, 'medium', 'unrecorded', NULL, NULL, NULL, NULL, '{}',
		format('%s counts of reads and writes found no room in shared memory since the server started: ownership.activity contains fewer than there were.', s.value),
		'Raise ownership.activity_size, and restart the server.'
	FROM ownership.status() s
	WHERE s.fact = 'dropped_counts' AND s.value <> '0'
	UNION ALL
	/* the table has no trigger for it, and without preloading the hook is missing until a session loads the library */
	SELECT 3, 'high', 'unguarded', NULL, NULL, ownership.relation_name(g.table_schema, g.table_name), NULL, '{}',
		format('The guard of %s has a gap: TRUNCATE of foreign table %s is not refused, nor recorded, in sessions that have not written a guarded table.',
			ownership.relation_name(g.table_schema, g.table_name), g.relid::regclass),
		'Set shared_preload_libraries = ''ownership'' and restart the server; from PostgreSQL 16 on a trigger does it.'
	FROM ownership.guarded_relation g
	WHERE g.relkind = 'f' AND g.amends AND g.refuses_truncate IS NULL AND current_setting('server_version_num')::int < 160000
	  AND EXISTS (SELECT FROM ownership.status() s WHERE s.fact = 'preloaded' AND s.value = 'no');
COMMENT ON VIEW ownership.own_risk IS 'Internal: the part of ownership.risks that is about the work of the extension itself.';
GRANT SELECT ON ownership.own_risk TO PUBLIC;

/*
 * Cells are text, so that sheet_row() reports a wrong value together with the field
 * of its row.  Dates are in ISO format, whatever the session's DateStyle.
 */
CREATE VIEW ownership.sheet AS
SELECT f.entity, f.name AS field, f.domain, f.owner,
	(SELECT string_agg(a.system, '; ' ORDER BY a.system COLLATE "C") FROM ownership.declared_access a
		WHERE a.entity = f.entity AND a.field = f.name AND a.mode = 'read') AS readers,
	(SELECT string_agg(a.system, '; ' ORDER BY a.system COLLATE "C") FROM ownership.declared_access a
		WHERE a.entity = f.entity AND a.field = f.name AND a.mode = 'write') AS writers,
	(SELECT string_agg(ownership.relation_name(c.table_schema, c.table_name) || '.' || quote_ident(c.column_name), '; '
		ORDER BY c.authoritative DESC, c.table_schema COLLATE "C", c.table_name COLLATE "C", c.column_name COLLATE "C")
		FROM ownership.mirrored_column c WHERE c.entity = f.entity AND c.field = f.name) AS columns,
	f.policy, left(f.key::text, 1) AS key, left(f.local::text, 1) AS local,
	f.rationale, f.decided_by, to_jsonb(f.decided_on) #>> '{}' AS decided_on, f.label
FROM ownership.field_now f
ORDER BY f.entity COLLATE "C", f.name COLLATE "C";
COMMENT ON VIEW ownership.sheet IS 'The map as a spreadsheet, one row for each field. All cells are text. A row that a role inserts or copies into the view replaces the field of that name on the map.';
COMMENT ON COLUMN ownership.sheet.entity IS 'Entity of the field.';
COMMENT ON COLUMN ownership.sheet.field IS 'Name of the field.';
COMMENT ON COLUMN ownership.sheet.domain IS 'Domain of the field.';
COMMENT ON COLUMN ownership.sheet.owner IS 'System of record. On import, a blank cell, ?, TBD, both, or a list of systems means that the field has no system of record; the systems in the list become declared writers.';
COMMENT ON COLUMN ownership.sheet.readers IS 'Systems that are declared to read the field, separated by semicolons.';
COMMENT ON COLUMN ownership.sheet.writers IS 'Systems that are declared to write the field, separated by semicolons.';
COMMENT ON COLUMN ownership.sheet.columns IS 'Columns that contain the field, separated by semicolons: table.column or schema.table.column. The authoritative copy comes first.';
COMMENT ON COLUMN ownership.sheet.policy IS 'Policy of the field: observe, fill, create_only, keep or reject. Blank: that of the domain, else the setting ownership.default_policy.';
COMMENT ON COLUMN ownership.sheet.key IS 't or f: whether the field is part of the key of its entity.';
COMMENT ON COLUMN ownership.sheet.local IS 't or f: whether the field does not cross a system boundary.';
COMMENT ON COLUMN ownership.sheet.rationale IS 'Why the system of record owns the field.';
COMMENT ON COLUMN ownership.sheet.decided_by IS 'Person or group that decided.';
COMMENT ON COLUMN ownership.sheet.decided_on IS 'Day of the decision, as YYYY-MM-DD.';
COMMENT ON COLUMN ownership.sheet.label IS 'Name that people use for the field.';

CREATE FUNCTION ownership.sheet_row() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_sheet_row' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.sheet_row() IS 'Trigger on ownership.sheet: puts the rows of the spreadsheet on the map.';
/* for the following trigger only */
REVOKE ALL ON FUNCTION ownership.sheet_row() FROM PUBLIC;
CREATE TRIGGER sheet_row INSTEAD OF INSERT ON ownership.sheet
	FOR EACH ROW EXECUTE FUNCTION ownership.sheet_row();
/* the rows of a statement are stored together, at its end */
CREATE TRIGGER sheet_begin BEFORE INSERT ON ownership.sheet
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.sheet_row();
CREATE TRIGGER sheet_end AFTER INSERT ON ownership.sheet
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.sheet_row();

CREATE VIEW ownership.unmapped AS
SELECT ownership.relation_name(t.table_schema, t.table_name) AS relation, a.attname::text AS column_name,
	format_type(a.atttypid, a.atttypmod) AS data_type, t.source, t.table_schema, t.table_name
FROM ownership.mirrored_table t
JOIN pg_catalog.pg_namespace n ON n.nspname = t.table_schema::name
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.table_name::name AND c.relkind IN ('r', 'p', 'f')
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE NOT EXISTS (SELECT FROM ownership.mirrored_column m
	WHERE m.table_schema = t.table_schema AND m.table_name = t.table_name
	  /* type name has a collation of its own, with which the index cannot be used */
	  AND m.column_name = a.attname::text COLLATE "default")
ORDER BY t.table_schema COLLATE "C", t.table_name COLLATE "C", a.attnum;
COMMENT ON VIEW ownership.unmapped IS 'The columns of mirrored tables that are not on the map. One row is one column.';
COMMENT ON COLUMN ownership.unmapped.relation IS 'Name of the table, with its schema unless that is public.';
COMMENT ON COLUMN ownership.unmapped.column_name IS 'Name of the column.';
COMMENT ON COLUMN ownership.unmapped.data_type IS 'Type of the column.';
COMMENT ON COLUMN ownership.unmapped.source IS 'System of which the table is a private copy. NULL: the table is shared.';
COMMENT ON COLUMN ownership.unmapped.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN ownership.unmapped.table_name IS 'Name of the table.';
