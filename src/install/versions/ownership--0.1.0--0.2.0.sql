/* ownership: from 0.1.0 to 0.2.0 */

\echo Use "ALTER EXTENSION ownership UPDATE" to load this file. \quit

COMMENT ON COLUMN ownership.conflict.row_key IS 'The row''s key columns and their values, but for those that a refused INSERT did not name; NULL where the table has no key';
/* finds the evidence for a row, the latest first, however much there is; the key itself could be too large */
DROP INDEX ownership.conflict_row_key_idx;
CREATE INDEX conflict_row_key_idx ON ownership.conflict (jsonb_hash_extended(row_key, 0), id);
/*
 * Finds the latest evidence of what one writer was refused in a row, for one
 * set of columns, however much there is; of whole rows the latest.  Where the
 * key does not tell the row, what was proposed does.  See repeat.c.
 */
CREATE INDEX conflict_latest_idx ON ownership.conflict
	(jsonb_hash_extended(row_key, hashtextextended(CASE outcome WHEN 'discarded' THEN operation ELSE '' END,
		hashtextextended(coalesce('s' || system, 'o' || origin, 'r' || role, ''),
		hashtextextended(table_name, hashtextextended(table_schema, 0))))),
	(CASE outcome WHEN 'discarded' THEN 0 ELSE hash_array_extended(columns, 0) END), id)
	WHERE outcome IN ('kept', 'discarded') AND row_key IS NOT NULL;
CREATE INDEX conflict_proposal_idx ON ownership.conflict
	(jsonb_hash_extended(proposed, hashtextextended(coalesce('s' || system, 'o' || origin, 'r' || role, ''),
		hashtextextended(table_name, hashtextextended(table_schema, 0)))), id)
	WHERE outcome = 'discarded' AND operation = 'INSERT' AND row_key IS NOT NULL;

/* What the extension itself lacks; part of ownership.risks. */
CREATE VIEW ownership.own_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
	SELECT 3, 'high', 'unrecorded', NULL::text, NULL::text, NULL::text, NULL::text, '{}'::text[],
		CASE
			WHEN s.fact = 'dropped' THEN format('%s rejected attempt%s found no room in shared memory since the server started, and left no evidence.',
				s.value, CASE s.value WHEN '1' THEN '' ELSE 's' END)
			WHEN s.value LIKE 'failed%' THEN format('Rejected attempts and activity do not come to the tables: the worker that writes them fails. %s', s.note)
			WHEN s.value LIKE 'cannot%' THEN 'Rejected attempts and activity do not come to the tables: there is no process for the worker that writes them.'
			ELSE 'Rejected attempts and activity have waited for more than a minute to be written to the tables.' END,
		CASE
			WHEN s.fact = 'dropped' THEN 'Raise ownership.queue_size, and restart the server. Its log has the errors that the clients were told.'
			WHEN s.value LIKE 'failed%' THEN 'Mend what the error names; SELECT ownership.flush() shows whether it works again. Until then all of it waits in shared memory, of which there is so much.'
			WHEN s.value LIKE 'cannot%' THEN 'Raise max_worker_processes, and restart the server.'
			ELSE 'See in pg_locks which session locks ownership.activity or ownership.conflict, and have it end its transaction; SELECT ownership.flush() starts the worker where there is none.' END
	FROM ownership.status() s
	WHERE (s.fact = 'worker' AND s.value ~ '^(failed|cannot|behind)') OR (s.fact = 'dropped' AND s.value <> '0')
	UNION ALL
	SELECT 11, 'medium', 'unrecorded', NULL, NULL, NULL, NULL, '{}',
		format('%s counts of reads and writes found no room in shared memory since the server started: activity tells less than there was.', s.value),
		'Raise ownership.activity_size, and restart the server.'
	FROM ownership.status() s
	WHERE s.fact = 'dropped_counts' AND s.value <> '0'
	UNION ALL
	/* it has no trigger, and the hook that sees it is not there before the library is */
	SELECT 3, 'high', 'unguarded', NULL, NULL, ownership.relation_name(g.table_schema, g.table_name), NULL, '{}',
		format('The guard of %s has a gap: TRUNCATE of foreign table %s is not refused, nor recorded, in sessions that have not written a guarded table.',
			ownership.relation_name(g.table_schema, g.table_name), g.relid::regclass),
		'Set shared_preload_libraries = ''ownership'' and restart the server; from PostgreSQL 16 on a trigger does it.'
	FROM ownership.guarded_relation g
	WHERE g.relkind = 'f' AND g.amends AND g.refuses_truncate IS NULL AND current_setting('server_version_num')::int < 160000
	  AND EXISTS (SELECT FROM ownership.status() s WHERE s.fact = 'preloaded' AND s.value = 'no');
COMMENT ON VIEW ownership.own_risk IS 'Internal: the part of ownership.risks that is about the extension''s own work';
GRANT SELECT ON ownership.own_risk TO PUBLIC;
/* what the map missed, found in the catalogs, whatever event triggers saw */
CREATE FUNCTION ownership.map_behind(OUT relation text, OUT column_name text, OUT detail text, OUT advice text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_map_behind' LANGUAGE C STABLE ROWS 10
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.map_behind() IS 'Internal: what DDL did and the map did not follow; for the view risks';

/* tells what a dump that was restored in part left out, of guards that went unseen, and of patterns whose schema is gone */
CREATE OR REPLACE VIEW ownership.ddl_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
	/* the guard belongs there, and none of it is left */
	SELECT 3, 'high', 'unguarded', NULL::text, NULL::text, ownership.relation_name(b.table_schema, b.table_name), NULL::text, '{}'::text[],
		format('The guard of %s is gone: nothing enforces its map.', ownership.relation_name(b.table_schema, b.table_name)),
		format('SELECT ownership.guard(%L) guards it again; ownership.unguard() tells that it shall not be guarded.',
			ownership.relation_name(b.table_schema, b.table_name))
	FROM ownership.bound_table b
	JOIN ownership.mirrored_table m USING (table_schema, table_name)
	/* by its name: not all tables come by a command that event triggers see */
	JOIN pg_catalog.pg_namespace n ON n.nspname = b.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = b.table_name::name AND c.relkind IN ('r', 'p', 'f')
	WHERE b.guarded AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND t.tgfoid IN (
		'ownership.guard_amend()'::regprocedure, 'ownership.guard_judge()'::regprocedure, 'ownership.guard_truncate()'::regprocedure)
		AND t.tgqual IS NULL AND cardinality(t.tgattr) = 0)
	UNION ALL
	/* a trigger of it has another name, and so another place in the order */
	SELECT 3, 'high', 'unguarded', NULL, NULL, ownership.relation_name(n.nspname::text, c.relname::text), NULL, '{}',
		format('Trigger %I of %s is the guard''s %I under another name: others may fire after it.', t.tgname,
			ownership.relation_name(n.nspname::text, c.relname::text), 'zzzz_ownership_' || part.name),
		format('ALTER TRIGGER %I ON %s RENAME TO %I', t.tgname,
			ownership.relation_name(n.nspname::text, c.relname::text), 'zzzz_ownership_' || part.name)
	FROM (VALUES ('amend', 'ownership.guard_amend()'::regprocedure), ('judge', 'ownership.guard_judge()'::regprocedure),
		('truncate', 'ownership.guard_truncate()'::regprocedure)) AS part(name, function)
	JOIN pg_catalog.pg_trigger t ON t.tgfoid = part.function AND t.tgname <> 'zzzz_ownership_' || part.name
	JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
	JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE t.tgparentid = 0
	UNION ALL
	/* names do not follow */
	SELECT 3, 'high', 'unguarded', NULL, NULL, NULL, NULL, '{}',
		format('Event trigger %I is disabled: tables that are created or renamed can lose their map and their guard.', e.evtname),
		format('ALTER EVENT TRIGGER %I ENABLE ALWAYS', e.evtname)
	FROM pg_catalog.pg_event_trigger e
	WHERE e.evtfoid IN ('ownership.ddl_start()'::regprocedure, 'ownership.ddl_end()'::regprocedure, 'ownership.ddl_drop()'::regprocedure)
	  AND e.evtenabled <> 'A'
	UNION ALL
	SELECT 8, 'medium', 'broken_mirror', NULL, NULL, ownership.relation_name(f.former_schema, f.former_name), NULL, '{}',
		format('Table %1$s is not on the map: the map of that name followed its table, which is called %2$s now.',
			ownership.relation_name(f.former_schema, f.former_name), ownership.relation_name(f.table_schema, f.table_name)),
		format('If %1$s took its place, rename the row of %2$s in ownership.mirrored_table and guard it; else assign the columns of %1$s.',
			ownership.relation_name(f.former_schema, f.former_name), ownership.relation_name(f.table_schema, f.table_name))
	FROM ownership.former_table f
	JOIN ownership.mirrored_table m USING (table_schema, table_name)
	JOIN pg_catalog.pg_namespace n ON n.nspname = f.former_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = f.former_name::name AND c.relkind IN ('r', 'p', 'f')
	WHERE NOT EXISTS (SELECT FROM ownership.mirrored_table t
		WHERE t.table_schema = f.former_schema AND t.table_name = f.former_name)
	  AND EXISTS (SELECT FROM pg_catalog.pg_class o JOIN pg_catalog.pg_namespace s ON s.oid = o.relnamespace
		WHERE s.nspname = f.table_schema::name AND o.relname = f.table_name::name AND o.relkind IN ('r', 'p', 'f'))
	UNION ALL
	/* its schema was dropped, or another one took the name after it was renamed */
	SELECT 8, 'medium', 'broken_mirror', NULL, NULL, NULL, NULL, CASE WHEN p.source IS NULL THEN '{}' ELSE ARRAY[p.source] END,
		format('Pattern %s is of schema %s, which is not in the database: no table comes under it.', p.pattern, split_part(p.pattern, '.', 1)),
		'If another schema took its place, name that one in ownership.mirrored_pattern; if it is gone for good, delete the row.'
	FROM ownership.mirrored_pattern p
	WHERE p.pattern ~ '^[^*?.]+\.'
	  AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = split_part(p.pattern, '.', 1)::name)
	UNION ALL
	/* of a dump that was restored in part */
	SELECT 8, 'medium', 'broken_mirror', m.entity, m.field, ownership.relation_name(m.table_schema, m.table_name), m.column_name, '{}',
		format('Column %s of %s holds field %s.%s, which is not there.', m.column_name, ownership.relation_name(m.table_schema, m.table_name), m.entity, m.field),
		'Insert the field into ownership.field, or delete the column''s row from ownership.mirrored_column.'
	FROM ownership.mirrored_column m
	WHERE NOT EXISTS (SELECT FROM ownership.field f WHERE f.entity = m.entity AND f.name = m.field)
	UNION ALL
	SELECT 8, 'medium', 'broken_mirror', NULL, NULL, NULL, NULL, ARRAY[n.name],
		format('System %s is named in %s, but is not in ownership.system.', n.name, string_agg(DISTINCT 'ownership.' || n.place, ', ')),
		'Insert it into ownership.system, or correct what names it.'
	FROM (SELECT system, 'identity' FROM ownership.identity UNION ALL SELECT owner, 'field' FROM ownership.field
		UNION ALL SELECT system, 'declared_access' FROM ownership.declared_access
		UNION ALL SELECT source, 'mirrored_table' FROM ownership.mirrored_table
		UNION ALL SELECT owner, 'row_owner' FROM ownership.row_owner
		UNION ALL SELECT unnest(ARRAY[source, owner]), 'mirrored_pattern' FROM ownership.mirrored_pattern) AS n(name, place)
	WHERE n.name IS NOT NULL AND NOT EXISTS (SELECT FROM ownership.system s WHERE s.name = n.name)
	GROUP BY n.name
	UNION ALL
	SELECT 8, 'medium', 'broken_mirror', NULL, NULL, NULL, NULL, '{}',
		format('Domain %s has %s field%s, but is not in ownership.domain: its policy is not known.', f.domain, count(*), CASE count(*) WHEN 1 THEN '' ELSE 's' END),
		'Insert it into ownership.domain, or correct the fields.'
	FROM ownership.field f
	WHERE f.domain IS NOT NULL AND NOT EXISTS (SELECT FROM ownership.domain d WHERE d.name = f.domain)
	GROUP BY f.domain
	UNION ALL
	SELECT rank, severity, risk, entity, field, relation, column_name, systems, detail, advice
	FROM ownership.own_risk
	UNION ALL
	SELECT 3, 'high', 'map_behind', NULL, NULL, b.relation, b.column_name, '{}', b.detail, b.advice
	FROM ownership.map_behind() b;

/* they are for the extension's own triggers, and no others */
REVOKE ALL ON FUNCTION ownership.sheet_row(), ownership.domain_edit(), ownership.resolve() FROM PUBLIC;

/* a trigger of the guard with a condition, or for some events or columns, does not guard */
CREATE OR REPLACE VIEW ownership.guarded_relation AS
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
SELECT m.table_schema, m.table_name, m.root, m.relid, m.relkind,
	amend.tgenabled = 'A' AS amends,
	judge.tgenabled = 'O' AS judges,
	truncate.tgenabled = 'A' AS refuses_truncate
FROM member m
/* as guard() makes them: one with a condition, or for some events or columns, does not guard */
LEFT JOIN pg_catalog.pg_trigger amend ON amend.tgrelid = m.relid AND amend.tgfoid = 'ownership.guard_amend()'::regprocedure
	AND amend.tgtype = 31 AND amend.tgqual IS NULL AND cardinality(amend.tgattr) = 0
LEFT JOIN pg_catalog.pg_trigger judge ON judge.tgrelid = m.relid AND judge.tgfoid = 'ownership.guard_judge()'::regprocedure
	AND judge.tgtype = 29 AND judge.tgqual IS NULL AND cardinality(judge.tgattr) = 0 AND judge.tgconstraint = 0
LEFT JOIN pg_catalog.pg_trigger truncate ON truncate.tgrelid = m.relid AND truncate.tgfoid = 'ownership.guard_truncate()'::regprocedure
	AND truncate.tgtype = 34 AND truncate.tgqual IS NULL;

/* tells the row in a publication */
ALTER TABLE ownership.activity ADD id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;
COMMENT ON COLUMN ownership.activity.id IS 'Tells the row in a publication';

/* leaves out what a subscription brings of another hub's tables */
CREATE FUNCTION ownership.another_hub() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_another_hub' LANGUAGE C;
COMMENT ON FUNCTION ownership.another_hub() IS 'Trigger on the extension''s tables: leaves out what a subscription brings of another hub''s';
REVOKE ALL ON FUNCTION ownership.another_hub() FROM PUBLIC;


/* a column that was generated can come under a pattern when it is no more; and what is off the map in a dump is known to be */
ALTER TABLE ownership.bound_table ADD generated text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN ownership.bound_table.generated IS 'Names of those columns that were generated, and so could not be on the map';
UPDATE ownership.bound_table b SET generated = ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
	WHERE a.attrelid = b.relid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> '' ORDER BY a.attnum);
CREATE TABLE ownership.left_off (
	relid			oid PRIMARY KEY,
	table_schema	text NOT NULL,
	table_name		text NOT NULL
);
COMMENT ON TABLE ownership.left_off IS 'Internal: tables that were taken off the map, or were off it in a dump: no pattern missed them';
COMMENT ON COLUMN ownership.left_off.table_schema IS 'The name that it had then';
GRANT SELECT ON ownership.left_off TO PUBLIC;
CREATE FUNCTION ownership.mirrored_pattern_bind() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_mirrored_pattern_bind' LANGUAGE C;
COMMENT ON FUNCTION ownership.mirrored_pattern_bind() IS 'Trigger on ownership.mirrored_pattern: binds the schema that it names, and, while a dump is restored, remembers which tables are off the map';
CREATE TRIGGER bind AFTER INSERT ON ownership.mirrored_pattern
	FOR EACH ROW EXECUTE FUNCTION ownership.mirrored_pattern_bind();
ALTER TABLE ownership.mirrored_pattern ENABLE ALWAYS TRIGGER bind;
REVOKE ALL ON FUNCTION ownership.mirrored_pattern_bind() FROM PUBLIC;

/* the guide: what it must not be sure of; see suggest.c for what is deleted, and for the raw forms of values */
UPDATE ownership.domain SET
	column_pattern = '^(?:_(?!(?:id|uuid|sku|key|token)$).*|(?:(?:.*_)?last_)?(?:created|updated|modified|changed|synced)(?:_(?:at|on|by(?:_.*)?|date|time|datetime|timestamp|ts|utc|gmt|user(?:_.*)?|from|via))*|(?:.*_)?date_(?:added|created|modified|updated)(?:_(?:utc|gmt))?|(?:.*_)?(?:created|updated|modified|added|uploaded|attached|inserted)_(?:at|on|by)|write_(?:date|uid)|sync.*|raw_(?:data|json|xml|html|payload|response|request|body|message|event|record|row|input|output|text|headers?)|metadata|sort_order|lft|rgt|lock_version|(?:.*_)?ip(?:_address)?|user_agent|accept_language)$|(?:{product}|{order}|categor(?:y|ies)|collections?|taxons?|attributes?|options?|media){part}\.position'
WHERE shipped AND name = 'technical';
UPDATE ownership.domain SET
	column_pattern = '(?:(?<!(?:vat|tax|gst|eori|duns|fiscal|national|passport)_)id|uuid|sku|key|token|item_code|default_code|increment_id|display_id)$|[^.]*\.(?:[^.]*_)?(?:(?<!(?:vat|tax|gst|eori|duns|fiscal|national|passport)_)id|uuid|sku|item_code|default_code|increment_id|display_id)$',
	note = 'The system that creates the record owns its key: it decides which rows exist. So what marks a row as deleted or archived is its, too.'
WHERE shipped AND name = 'key';
UPDATE ownership.domain SET
	column_pattern = 'tax(?:es|able)?|vat|gst|hs_code|harmoni[sz]ed_system|customs|fiscal_position|(?:tax(?:es)?|vat){part}\.(?:{document}|{copies})'
WHERE shipped AND name = 'tax';
UPDATE ownership.domain SET
	column_pattern = 'stock(?:ed)?|qty|quantity|on_hand|reserved|allocated|reorder|incoming|(?<!track_)inventory|warehouse|lot|(?:stocks?|inventor(?:y|ies)(?!_items?)|warehouses?){part}\.(?:{document}|(?:[^.]*_)?count(?:ed)?)',
	table_pattern = '{product}|(?:stocks?|inventor(?:y|ies)(?!_items?)|warehouses?){part}\..*'
WHERE shipped AND name = 'stock';
UPDATE ownership.domain SET
	column_pattern = '(?<!(?:sort|display)_)order|grand_total|subtotal|amount_(?:untaxed|tax|total)|total_(?:due|paid|refunded)|freight|checkout|cart|quote|{order}{part}\.(?:{document}|{copies})'
WHERE shipped AND name = 'order';
UPDATE ownership.domain SET
	column_pattern = 'segment|customer_(?:group|type)|(?<!meta_)tags?|tier|lifecycle_stage|target_list|(?:segments?|customer_(?:groups?|types?))(?:_descriptions?|_translations?)?\.(?:name|title|description)'
WHERE shipped AND name = 'segment';
UPDATE ownership.domain SET
	column_pattern = '(?:e?mail|[a-z]*phone|mobile|fax)(?!(?:_[^.]*)?_(?:rating|score|counts?|templates?|sent|opened|clicked|bounced?))|(?:first|last)_?name|birth_?da(?:te|y)|dob|gender|company|contact_(?:name|person)|street|(?<!ip_)address_?\d?|city|zip(?:_?code)?|post(?:al)?_?code|province|region|country|(?:customers?|clients?|contacts?|persons?|people|accounts?)\.(?:name|salutation|title)|leads?\.(?:name|salutation)'
WHERE shipped AND name = 'identity';
/* risks that were not told: settings that weaken the guard, roles that it cannot hold back, columns that were renamed by dropping */
ALTER TABLE ownership.bound_table ADD types oid[] NOT NULL DEFAULT '{}', ADD away_since timestamptz;
COMMENT ON COLUMN ownership.bound_table.types IS 'The OIDs of its columns'' types by attribute number';
COMMENT ON COLUMN ownership.bound_table.away_since IS 'When a trigger of its guard was dropped or switched off; NULL: it is in place';
UPDATE ownership.bound_table b SET types = ARRAY(SELECT a.atttypid FROM pg_catalog.pg_attribute a
	WHERE a.attrelid = b.relid AND a.attnum > 0 ORDER BY a.attnum)
WHERE b.relid <> 0;
ALTER TABLE ownership.ddl_queue ADD gone text[] NOT NULL DEFAULT '{}', ADD gone_types oid[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN ownership.ddl_queue.gone IS 'Mirrored columns that were dropped in this transaction';
COMMENT ON COLUMN ownership.ddl_queue.gone_types IS 'Their types';

CREATE FUNCTION ownership.loaded()
RETURNS boolean AS 'MODULE_PATHNAME', 'ownership_loaded' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION ownership.loaded() IS 'Internal: true, and the library is loaded, which defines the settings';

/*
 * Settings by which sessions that begin from now on are guarded less than the
 * map says: in the server's configuration, for a database, for a role.  What
 * the configuration says is known to sessions only where nothing else
 * overrides it; what a session sets for itself is not listed.  A default
 * policy for the whole database is the map's own, and the views show it; one
 * for a role is another than the map says.
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
	/* one in the database goes before one everywhere */
	WHERE e.setdatabase <> 0
	   OR NOT EXISTS (SELECT FROM entry o WHERE o.name = e.name AND o.setrole = e.setrole AND o.setdatabase <> 0)
), strength (value, strong) AS (
	VALUES ('observe', 1), ('fill', 2)
), usual AS (
	SELECT coalesce(min(coalesce(s.strong, 3)), 3) AS strong
	FROM found f
	LEFT JOIN strength s ON s.value = f.value
	WHERE f.name = 'ownership.default_policy' AND f.rank < 2
)
SELECT f.name AS setting, f.value, f.place, f.advice, f.rank < 2 AS everybody
FROM found f
LEFT JOIN strength s ON s.value = f.value
CROSS JOIN usual u
WHERE CASE f.name WHEN 'ownership.enforcement' THEN f.value IN ('observe', 'off', 'false', 'no', '0')
	ELSE f.rank = 2 AND coalesce(s.strong, 3) < u.strong END;
COMMENT ON VIEW ownership.weakened IS 'Internal: settings of the server, the database and roles by which sessions are guarded less than the map says';
COMMENT ON COLUMN ownership.weakened.everybody IS 'Not only one role';

GRANT SELECT ON ownership.weakened TO PUBLIC;

CREATE OR REPLACE VIEW ownership.guards AS
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
	/* without a trigger it is seen by a hook */
	SELECT g.root, 4, format('TRUNCATE of foreign table %s cannot be refused on this PostgreSQL version unless the library is preloaded', g.relid::regclass)
	FROM member g
	WHERE g.relkind = 'f' AND current_setting('server_version_num')::int < 160000
	  AND EXISTS (SELECT FROM ownership.status() s WHERE s.fact = 'preloaded' AND s.value = 'no')
	UNION ALL
	/* row, before, and not for DELETE or TRUNCATE only */
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
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = t.table_schema::name
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.table_name::name AND c.relkind IN ('r', 'p', 'f')
LEFT JOIN state s ON s.root = c.oid
LEFT JOIN feed f ON f.root = c.oid
LEFT JOIN told ON told.root = c.oid;

/* Fields that are mirrored in tables of one source only. */
CREATE VIEW ownership.only_copy AS
SELECT c.entity, c.field, min(t.source) AS source
FROM ownership.mirrored_column c
JOIN ownership.mirrored_table t USING (table_schema, table_name)
GROUP BY c.entity, c.field
HAVING count(t.source) = count(*) AND min(t.source) = max(t.source);
COMMENT ON VIEW ownership.only_copy IS 'Internal: fields that are mirrored in tables of one source only, and that source';

/*
 * Who was seen, field by field.  A source may write its own copy, and a
 * steward everything: neither is held against the field.  Nor is what a
 * system filled in where it was blank; but what a source writes over another
 * system's values, where they are mirrored nowhere else, is.
 */
CREATE OR REPLACE VIEW ownership.seen AS
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
LEFT JOIN ownership.field f ON f.entity = c.entity AND f.name = c.field
CROSS JOIN LATERAL (SELECT coalesce(t.source = a.system, false) AS own_copy,
	a.overridden > 0 AND a.observed + a.filled + a.kept + a.rejected = 0 AS steward,
	a.filled > 0 AND a.filled >= a.writes AND a.observed = 0 AS filled) h
CROSS JOIN LATERAL (SELECT h.own_copy OR h.steward AS excused,
	CASE WHEN h.own_copy THEN f.owner <> a.system
		AND (c.entity, c.field, a.system) IN (SELECT o.entity, o.field, o.source FROM ownership.only_copy o)
	ELSE NOT h.steward AND NOT h.filled END AS disputed) w
GROUP BY c.entity, c.field, a.system;
GRANT SELECT ON ownership.only_copy TO PUBLIC;
COMMENT ON COLUMN ownership.seen.disputed IS 'Of the writes, those that did not only fill in what was blank; and those of a source over values of another system that are mirrored nowhere else';
COMMENT ON COLUMN ownership.seen.as_owner IS 'Writes of the field''s system of record, in whatever table';

COMMENT ON COLUMN ownership.map_history.map_table IS 'The table of the map; guard: the guard of the table went away or came back';

CREATE OR REPLACE VIEW ownership.decisions WITH (security_invoker = true) AS
WITH told AS (
	SELECT h.id, h.changed_at, h.role, h.login, h.application_name, h.map_table,
		CASE WHEN h.entity IS NULL THEN h.item ELSE h.entity || '.' || h.field END AS item, t.decided, t.old, t.new
	FROM ownership.map_history h
	CROSS JOIN LATERAL (
		SELECT CASE
				WHEN h.map_table = 'declared_access' THEN CASE coalesce(h.new, h.old) ->> 'mode' WHEN 'read' THEN 'reader' ELSE 'writer' END
				WHEN h.map_table = 'row_owner' THEN 'row owner' || coalesce(' where ' || (coalesce(h.new, h.old) ->> 'row_filter'), '')
				WHEN h.map_table = 'system' AND k = 'kind' THEN 'system'
				WHEN h.map_table = 'identity' AND k = 'system' THEN 'writes as'
				WHEN k = 'owner' THEN 'owner'
				ELSE replace(h.map_table, '_', ' ') || ' ' || k END AS decided,
			/* a row owner that comes or goes may be nobody */
			h.old ->> CASE WHEN h.map_table = 'row_owner' AND h.new IS NULL THEN 'owner' ELSE k END AS old,
			h.new ->> CASE WHEN h.map_table = 'row_owner' AND h.old IS NULL THEN 'owner' ELSE k END AS new
		/* an array, because few keys are expected of one */
		FROM unnest(ARRAY(SELECT jsonb_object_keys(coalesce(h.new, h.old)))) k
		WHERE CASE h.map_table
			WHEN 'declared_access' THEN k = 'system'
			WHEN 'row_owner' THEN k = 'owner' OR (k = 'row_filter' AND NOT coalesce(h.new, h.old) ? 'owner')
			WHEN 'mirrored_column' THEN k = 'authoritative'
			WHEN 'guard' THEN k = 'state'
			WHEN 'system' THEN k = 'kind' OR (h.old IS NOT NULL AND h.new IS NOT NULL)
			ELSE k NOT IN ('decided_by', 'decided_on', 'key', 'shipped') END
		  /* a row that comes or goes tells of no lists that are empty */
		  AND NOT ((h.old IS NULL OR h.new IS NULL) AND coalesce(h.new, h.old) ->> k = '{}')
		UNION ALL
		SELECT 'off the map', h.item, NULL
		WHERE h.map_table IN ('field', 'system', 'domain') AND h.new IS NULL AND h.old - '{key,decided_by,decided_on}'::text[] = '{}'
	) t
)
SELECT changed_at, role, login, application_name, decided, old, new,
	count(*) AS items,
	(array_agg(item ORDER BY item COLLATE "C"))[:5] AS sample,
	min(id) AS first_id
FROM told
GROUP BY changed_at, role, login, application_name, map_table, decided, old, new
ORDER BY changed_at, min(id);

/*
 * A column that was dropped, and one of its type that was added in the same
 * transaction: schema tools rename so.  Which of a table's columns came is
 * told by number, so that renames of table and column need not be followed.
 */
CREATE TABLE ownership.replaced_column (
	relid		oid NOT NULL,
	former_name	text NOT NULL,
	attnum		int2 NOT NULL,
	PRIMARY KEY (relid, former_name)
);
COMMENT ON TABLE ownership.replaced_column IS 'Internal: mirrored columns that were dropped, and the columns that may have taken their place';

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
  /* nobody decided about the new one */
  AND (n.field IS NULL OR EXISTS (SELECT FROM ownership.field u
	WHERE u.entity = n.entity AND u.name = n.field AND num_nonnulls(u.domain, u.policy, u.rationale, u.decided_by, u.decided_on) = 0
	  AND NOT u.local AND NOT EXISTS (SELECT FROM ownership.mirrored_column c WHERE c.entity = n.entity AND c.field = n.field
		AND (c.table_schema, c.table_name, c.column_name) <> (n.table_schema, n.table_name, n.column_name))));
COMMENT ON VIEW ownership.renamed_risk IS 'Internal: the part of ownership.risks that is about columns which may have been renamed';

GRANT SELECT ON ownership.replaced_column, ownership.renamed_risk TO PUBLIC;

/*
 * Whom the guard cannot hold back: whoever owns a table may switch its
 * triggers off, or put another table in its place.
 */

/*
 * What other systems own in a mirrored table.  A source may write all of its
 * own copy; there, only what is mirrored nowhere else is in danger.
 */
CREATE VIEW ownership.foreign_in AS
WITH owned AS (
	SELECT c.table_schema, c.table_name, c.column_name, c.entity, c.field, o.owner
	FROM ownership.mirrored_column c
	JOIN (SELECT f.entity, f.name AS field, f.owner, NULL::text AS table_schema, NULL::text AS table_name, NULL::text AS column_name
		FROM ownership.field f WHERE f.owner IS NOT NULL
		UNION
		SELECT m.entity, m.field, r.owner, r.table_schema, r.table_name, r.column_name
		FROM ownership.row_owner r
		JOIN ownership.mirrored_column m USING (table_schema, table_name, column_name)
		WHERE r.owner IS NOT NULL) o
		ON o.entity = c.entity AND o.field = c.field
		AND (o.column_name IS NULL OR (o.table_schema, o.table_name, o.column_name) = (c.table_schema, c.table_name, c.column_name))
)
SELECT o.table_schema, o.table_name, o.column_name, o.owner, t.source,
	t.source IS NOT NULL AND (o.entity, o.field, t.source) IN (SELECT s.entity, s.field, s.source FROM ownership.only_copy s) AS only_here
FROM owned o
JOIN ownership.mirrored_table t USING (table_schema, table_name);
COMMENT ON VIEW ownership.foreign_in IS 'Internal: who owns what in which mirrored table';
COMMENT ON COLUMN ownership.foreign_in.only_here IS 'No table but those of this source holds the field';

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
	/* the table itself, or anything below it */
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
	/* the system's role may act as the owner, or the owner writes as the system */
	CROSS JOIN LATERAL (SELECT pg_has_role(l.oid, h.relowner, 'MEMBER') AS acts) k
	CROSS JOIN LATERAL (SELECT coalesce(l.system, CASE WHEN l.carrier THEN t.source END) AS system) w
	WHERE NOT l.switches_off AND (k.acts OR (NOT h.rolsuper AND pg_has_role(h.relowner, l.oid, 'USAGE')))
)
SELECT 13, 'medium', 'foreign_loader', NULL::text, NULL::text, ownership.relation_name(h.table_schema, h.table_name), NULL::text,
	array_remove(ARRAY[h.system], NULL),
	format('%s, %s, owns %s or a part of it, in which %s own%s fields: it may switch the guard off, or put another table in its place.',
		string_agg(DISTINCT h.holder, '; ' ORDER BY h.holder), coalesce('which writes as ' || h.system, 'which loads the tables of several systems'),
		ownership.relation_name(h.table_schema, h.table_name), array_to_string(f.owners, ', '), CASE cardinality(f.owners) WHEN 1 THEN 's' ELSE '' END),
	format('Have a role own it that is no system''s: ALTER TABLE %s OWNER TO ...; then GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s',
		ownership.relation_name(h.table_schema, h.table_name), ownership.relation_name(h.table_schema, h.table_name),
		string_agg(DISTINCT quote_ident(h.role), ', '))
FROM holding h
CROSS JOIN LATERAL (SELECT array_agg(DISTINCT f.owner ORDER BY f.owner) AS owners FROM ownership.foreign_in f
	WHERE f.table_schema = h.table_schema AND f.table_name = h.table_name AND f.owner IS DISTINCT FROM h.system
	  AND (h.system IS NULL OR f.source IS DISTINCT FROM h.system OR f.only_here)) f
WHERE f.owners IS NOT NULL
GROUP BY h.table_schema, h.table_name, h.system, f.owners
UNION ALL
/* everywhere */
SELECT 13, 'medium', 'foreign_loader', NULL, NULL, NULL, NULL, array_remove(ARRAY[l.system], NULL),
	format('Role %I, which %s, %s: no guard holds it back.', l.role,
		coalesce('writes as ' || l.system, 'loads the tables of several systems'),
		CASE WHEN l.rolsuper THEN 'is a superuser' ELSE 'may set ' || l.settable END),
	CASE WHEN l.rolsuper THEN format('Have the system use a role that is no superuser, or ALTER ROLE %I NOSUPERUSER', l.role)
		ELSE format('REVOKE SET ON PARAMETER %s FROM %I, or from the role by which it has that.', l.settable, l.role) END
FROM loader l
WHERE l.switches_off AND EXISTS (SELECT FROM ownership.foreign_in f WHERE f.owner IS DISTINCT FROM l.system);
COMMENT ON VIEW ownership.loader_risk IS 'Internal: the part of ownership.risks that is about roles of systems which the guard cannot hold back';

GRANT SELECT ON ownership.foreign_in, ownership.loader_risk TO PUBLIC;

CREATE OR REPLACE VIEW ownership.risks AS
WITH guard AS MATERIALIZED (
	SELECT * FROM ownership.guards
), seen AS MATERIALIZED (
	SELECT * FROM ownership.seen
), spoken AS (
	/*
	 * All that is known of the writers of a field, a row each; together they
	 * tell of its quarrels.  What is local is nobody's quarrel, and whoever
	 * owns some of the rows may write them.
	 */
	SELECT f.entity, f.name AS field, f.owner, f.owner AS system, f.owner IS NOT NULL AS writes,
		0::bigint AS disputed, 0::bigint AS refused, NULL::timestamptz AS last_disputed, false AS undeclared, false AS owner_writes
	FROM ownership.field f
	WHERE NOT f.local
	UNION ALL
	/* who may only fill what is blank takes nothing from the owner */
	SELECT f.entity, f.name, f.owner, a.system, true, 0, 0, NULL, false, false
	FROM ownership.declared_access a
	JOIN ownership.field f ON f.entity = a.entity AND f.name = a.field
	LEFT JOIN ownership.domain d ON d.name = f.domain
	WHERE a.mode = 'write' AND NOT f.local
	  AND (f.owner IS NULL OR (coalesce(f.policy, d.policy, current_setting('ownership.default_policy', true), 'reject') <> 'fill'
		AND (a.entity, a.field, a.system) NOT IN (SELECT r.entity, r.field, r.system FROM ownership.row_part r)))
	UNION ALL
	SELECT s.entity, s.field, f.owner, s.system, s.disputed > 0 AND s.system IS NOT NULL, s.disputed, s.refused, s.last_disputed,
		f.owner IS DISTINCT FROM s.system AND (s.system IS NULL
			OR (s.entity, s.field, s.system) NOT IN (SELECT a.entity, a.field, a.system FROM ownership.declared_access a WHERE a.mode = 'write')),
		s.as_owner > 0
	FROM seen s
	JOIN ownership.field f ON f.entity = s.entity AND f.name = s.field
	WHERE (s.disputed > 0 OR s.refused > 0 OR s.as_owner > 0) AND NOT f.local
	  AND (s.system IS NULL OR (s.entity, s.field, s.system) NOT IN (SELECT r.entity, r.field, r.system FROM ownership.row_part r))
), quarrel AS (
	SELECT entity, field, owner, array_agg(DISTINCT system COLLATE "C") FILTER (WHERE writes) AS writers,
		count(DISTINCT system) FILTER (WHERE writes) > 1 AS contested,
		string_agg(format('%s %s time%s, last on %s', coalesce(system, 'somebody unidentified'), disputed,
			CASE disputed WHEN 1 THEN '' ELSE 's' END, to_char(last_disputed, 'YYYY-MM-DD')), '; ' ORDER BY system COLLATE "C")
			FILTER (WHERE disputed > 0) AS seen,
		owner IS NOT NULL AND bool_or(disputed > 0) AND NOT bool_or(owner_writes) AS silent,
		array_agg(system ORDER BY system COLLATE "C") FILTER (WHERE undeclared AND system IS NOT NULL) AS undeclared,
		coalesce(bool_or(undeclared AND system IS NULL), false) AS unidentified,
		/* the undeclared ones as a part of a sentence, and as sentences */
		string_agg(concat(coalesce(system, 'somebody unidentified'), ', was refused ' || nullif(refused, 0) || ' time' || CASE refused WHEN 1 THEN '' ELSE 's' END),
			'; ' ORDER BY system COLLATE "C") FILTER (WHERE undeclared) AS listed,
		string_agg(format('%s %s, and is not declared to write it%s.', coalesce(system, 'Somebody unidentified'),
			concat(CASE WHEN disputed > 0
				THEN format('wrote %s.%s %s time%s', entity, field, disputed, CASE disputed WHEN 1 THEN '' ELSE 's' END)
				ELSE format('tried to write %s.%s', entity, field) END,
				', was refused ' || nullif(refused, 0) || ' time' || CASE refused WHEN 1 THEN '' ELSE 's' END),
			'; its system of record is ' || owner), ' ' ORDER BY system COLLATE "C") FILTER (WHERE undeclared) AS undeclared_told
	FROM spoken
	GROUP BY entity, field, owner
), copies AS MATERIALIZED (
	SELECT * FROM ownership.compare_copies('*', false)
), guide AS MATERIALIZED (
	/* to be said in the middle of a sentence */
	SELECT d.name, d.excluded_owner, lower(left(coalesce(d.title, d.name), 1)) || substr(coalesce(d.title, d.name), 2) AS subject,
		(SELECT string_agg(ownership.kind_label(k), ' or ' ORDER BY i) FROM unnest(d.natural_owner) WITH ORDINALITY u(k, i)) AS kinds
	FROM ownership.domain d
), found (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS (
	/* everything is written down, and nothing of it holds */
	SELECT 0, 'high', 'enforcement_off', NULL::text, NULL::text, NULL::text, NULL::text, '{}'::text[],
		format('%s is %s %s: %s.', w.setting, w.value, w.place, CASE
			WHEN w.setting = 'ownership.default_policy' THEN 'what the map says of fields without a policy does not hold there'
			WHEN w.value = 'observe' THEN 'every write goes through, and is only recorded'
			ELSE 'every write goes through, and nothing is recorded' END),
		format('Ask who set it and why. If it is not meant to stay: %s', w.advice)
	FROM ownership.weakened w
	WHERE EXISTS (SELECT FROM ownership.mirrored_table)
	UNION ALL
	/* no system of record */
	SELECT 1, 'high', 'unowned', f.entity, f.field, NULL::text, NULL::text, f.writers,
		format('Nobody is the system of record of %s.%s%s.', f.entity, f.field,
			CASE WHEN f.writers = '{}' THEN '' ELSE '; declared to write it: ' || array_to_string(f.writers, ', ') END),
		concat_ws(' ', 'Decide with the people who work with it which system has the right value, and make that one the owner. Until then any system may overwrite it.',
			'By the guide, ' || g.subject || ' belongs in ' || g.kinds || '.')
	FROM ownership.field_access f
	LEFT JOIN guide g ON g.name = f.domain
	WHERE f.owner IS NULL AND NOT f.local
	UNION ALL
	/* several writers, declared or seen, the owner among them or not */
	SELECT 2, 'high', 'contested', q.entity, q.field, NULL, NULL, q.writers,
		concat_ws(' ', format('%s systems write %s.%s: %s%s.', cardinality(q.writers), q.entity, q.field, array_to_string(q.writers, ', '),
				'; its system of record is ' || q.owner),
			'Seen: ' || q.seen || '.', 'Not declared to write it: ' || q.listed || '.',
			CASE WHEN q.silent THEN q.owner || ' was never seen writing it.' END),
		CASE WHEN q.owner IS NULL THEN 'Whoever writes last wins. Decide which of them owns it; the others only read it.'
			WHEN q.silent THEN format('Ask the teams which of them maintains it, and make that system the owner. If it is %s, have the others make their changes there.', q.owner)
			ELSE format('Ask the others why they write it: only %s owns it. Have what they must change be changed there, before they stop.', q.owner) END
	FROM quarrel q
	WHERE q.contested
	UNION ALL
	/* a guard that lost a trigger, or whose trigger is switched off */
	SELECT 3, 'high', 'unguarded', NULL, NULL, g.relation, NULL, '{}',
		format('The guard of %s has a gap: %s.', g.relation, array_to_string(g.problems, '; ')),
		format('Ask the database administrator who switched it off and why, then switch it on again: SELECT ownership.guard(%L)', g.relation)
	FROM guard g
	WHERE NOT g.guarded AND g.touched
	UNION ALL
	SELECT 4, 'medium', 'unguarded', NULL, NULL, g.relation, NULL, '{}',
		format('%s is on the map, but nothing enforces it.', g.relation),
		format('Have it guarded when the owners are decided: SELECT ownership.guard(%L), or CALL ownership.guard_all() for all tables.', g.relation)
	FROM guard g
	WHERE NOT g.guarded AND NOT g.touched AND g.problems <> ARRAY['the table is not there']
	  AND NOT EXISTS (SELECT FROM ownership.bound_table b WHERE b.table_schema = g.table_schema AND b.table_name = g.table_name AND b.guarded)
	UNION ALL
	/* rows that anyone may create and delete */
	SELECT 5, 'medium', 'unowned_key', k.entity, k.field, ownership.relation_name(t.table_schema, t.table_name), k.column_name, '{}',
		CASE WHEN k.field IS NULL
			THEN format('No mirrored column of %s is a key: every system may create and delete its rows.', ownership.relation_name(t.table_schema, t.table_name))
			ELSE format('Key %s.%s has no system of record: every system may create and delete rows of %s.', k.entity, k.field, ownership.relation_name(t.table_schema, t.table_name)) END,
		'Decide which system creates and deletes these records, and make it the owner of the key.'
	FROM ownership.mirrored_table t
	LEFT JOIN LATERAL (SELECT c.entity, c.field, c.column_name, f.owner FROM ownership.mirrored_column c
		JOIN ownership.field f ON f.entity = c.entity AND f.name = c.field
		WHERE c.table_schema = t.table_schema AND c.table_name = t.table_name AND f.key) k ON true
	WHERE k.owner IS NULL AND t.source IS NULL
	UNION ALL
	/* a kind of system that must not own such data, everywhere or in some rows */
	SELECT 9, 'medium', 'out_of_bounds', o.entity, o.field, o.relation, o.column_name, ARRAY[s.name],
		format('%s owns %s.%s%s; %s %s.', ownership.system_label(s.name, s.kind), o.entity, o.field, ' where ' || o.row_filter,
			g.subject, coalesce('belongs in ' || g.kinds, 'does not belong there')),
		format('Ask whether %s should own it instead, and %s only read it. If this is meant, take %s out of the domain''s excluded_owner.',
			coalesce(g.kinds, 'another system'), s.name, s.kind)
	FROM (SELECT f.entity, f.name AS field, f.domain, f.owner, NULL::text AS relation, NULL::text AS column_name, NULL::text AS row_filter
		FROM ownership.field f
		UNION ALL
		SELECT c.entity, c.field, f.domain, r.owner, ownership.relation_name(r.table_schema, r.table_name), r.column_name, r.row_filter
		FROM ownership.row_owner r
		JOIN ownership.mirrored_column c USING (table_schema, table_name, column_name)
		JOIN ownership.field f ON f.entity = c.entity AND f.name = c.field) o
	JOIN guide g ON g.name = o.domain
	JOIN ownership.system s ON s.name = o.owner
	WHERE s.kind = ANY (g.excluded_owner)
	UNION ALL
	/* others write, the owner never does */
	SELECT 11, 'medium', 'silent_owner', q.entity, q.field, NULL, NULL, ARRAY[q.owner],
		format('%s is the system of record of %s.%s and was never seen writing it. Seen: %s.', q.owner, q.entity, q.field, q.seen),
		format('Ask the team of %s whether it still maintains this. If not, the owner should be who does.', q.owner)
	FROM quarrel q
	WHERE q.silent AND NOT q.contested AND q.undeclared_told IS NULL
	UNION ALL
	SELECT 12, CASE WHEN q.undeclared IS NULL AND NOT q.silent THEN 'low' ELSE 'medium' END, 'undeclared_writer', q.entity, q.field, NULL, NULL,
		coalesce(q.undeclared, '{}'),
		concat_ws(' ', q.undeclared_told, CASE WHEN q.silent THEN q.owner || ' was never seen writing it.' END),
		concat_ws(' ', CASE WHEN q.undeclared IS NULL THEN NULL
			WHEN q.owner IS NULL THEN format('Ask the team of %s why. If it should, make it the owner, or declare it as a writer.', array_to_string(q.undeclared, ' and that of '))
			ELSE format('Ask the team of %s why. If it should, declare it as a writer or make it the owner; if not, have what it must change be changed in %s, before it stops.',
				array_to_string(q.undeclared, ' and that of '), q.owner) END,
			CASE WHEN q.unidentified THEN 'Find out which system the unidentified one is, and tell the database: ownership.identify() says which role or feed is which system.' END)
	FROM quarrel q
	WHERE q.undeclared_told IS NOT NULL AND NOT q.contested
	UNION ALL
	SELECT 14, 'low', 'undeclared_reader', s.entity, s.field, NULL, NULL, ARRAY[s.system],
		format('%s read %s.%s %s time%s, and is not declared to read it.', s.system, s.entity, s.field, s.reads,
			CASE s.reads WHEN 1 THEN '' ELSE 's' END),
		format('Add %s to the readers of the field: then its team is asked before the field changes.', s.system)
	FROM seen s
	JOIN ownership.field f ON f.entity = s.entity AND f.name = s.field
	WHERE s.reads > 0 AND s.system IS NOT NULL AND f.owner IS DISTINCT FROM s.system
	  AND NOT EXISTS (SELECT FROM ownership.declared d
		WHERE d.entity = s.entity AND d.field = s.field AND d.system = s.system)
	UNION ALL
	SELECT 6, 'medium', 'unidentified_feed', NULL, NULL, g.relation, NULL, '{}',
		format('Subscription %s feeds %s, but is no system''s: what it writes to owned fields is kept out.', s, g.relation),
		format('Find out which system sends it, and tell the database: SELECT ownership.identify(''...'', subscription => %L)', s)
	FROM guard g
	CROSS JOIN LATERAL unnest(g.subscriptions) s
	WHERE g.touched AND NOT EXISTS (SELECT FROM ownership.identity i WHERE i.kind = 'subscription' AND i.name = s)
	UNION ALL
	SELECT 7, 'medium', 'unknown_identity', NULL, NULL, NULL, NULL,
		CASE WHEN i.system IS NULL THEN '{}' ELSE ARRAY[i.system] END,
		CASE WHEN i.kind = 'role' AND r.oid IS NOT NULL
			THEN format('Role %s is another one than was identified; it writes as nobody.', i.name)
			ELSE format('%s %s is not there.', initcap(i.kind), i.name) END,
		CASE WHEN i.kind = 'role' AND r.oid IS NOT NULL
			THEN 'Somebody dropped the role and made another of that name. Check who and why; if it is the same system, call ownership.identify() for it again.'
			ELSE 'Correct the name, if it is misspelt; else create it, or delete its row from ownership.identity.' END
	FROM ownership.identity i
	LEFT JOIN pg_catalog.pg_roles r ON i.kind = 'role' AND r.rolname = i.name::name
	LEFT JOIN ownership.bound_role b ON i.kind = 'role' AND b.name = i.name
	LEFT JOIN pg_catalog.pg_subscription s ON i.kind = 'subscription' AND s.subname = i.name::name
		AND s.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
	WHERE (i.kind = 'role' AND (r.oid IS NULL OR b.role <> r.oid))
	   OR (i.kind = 'subscription' AND s.oid IS NULL)
	UNION ALL
	/* what the map names and the database does not have */
	SELECT 8, 'medium', 'broken_mirror', NULL, NULL, ownership.relation_name(t.table_schema, t.table_name), NULL, '{}',
		format('Table %s is on the map, but not in the database.', ownership.relation_name(t.table_schema, t.table_name)),
		'If it was renamed, rename it on the map, too; if it is gone for good, delete its row from ownership.mirrored_table.'
	FROM ownership.mirrored_table t
	JOIN guard g USING (table_schema, table_name)
	WHERE g.problems = ARRAY['the table is not there']
	UNION ALL
	SELECT 8, 'medium', 'broken_mirror', m.entity, m.field, ownership.relation_name(m.table_schema, m.table_name), m.column_name, '{}',
		CASE WHEN a.attnum IS NULL
			THEN format('Column %s of %s is on the map, but not in the database.', m.column_name, ownership.relation_name(m.table_schema, m.table_name))
			ELSE format('Column %s of %s cannot be guarded: it is a system or generated column.', m.column_name, ownership.relation_name(m.table_schema, m.table_name)) END,
		'If it was renamed, rename it on the map, too; if it is gone for good, delete its row from ownership.mirrored_column.'
	FROM ownership.mirrored_column m
	JOIN pg_catalog.pg_namespace n ON n.nspname = m.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = m.table_name::name AND c.relkind IN ('r', 'p', 'f')
	LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = m.column_name::name AND NOT a.attisdropped
	WHERE a.attnum IS NULL OR a.attnum < 0 OR a.attgenerated <> ''
	UNION ALL
	SELECT 8, 'medium', 'broken_mirror', m.entity, m.field, ownership.relation_name(o.table_schema, o.table_name), o.column_name,
		CASE WHEN o.owner IS NULL THEN '{}' ELSE ARRAY[o.owner] END,
		format('Row filter "%s" does not work: %s. Writes to the table fail.', o.row_filter, ownership.row_filter_problem(c.oid, o.row_filter)),
		'Ask whoever changed the table, and correct the filter in ownership.row_owner.'
	FROM ownership.row_owner o
	JOIN ownership.mirrored_column m USING (table_schema, table_name, column_name)
	JOIN pg_catalog.pg_namespace n ON n.nspname = o.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = o.table_name::name AND c.relkind IN ('r', 'p', 'f')
	WHERE ownership.row_filter_problem(c.oid, o.row_filter) IS NOT NULL
	UNION ALL
	/* what means different things to different people */
	SELECT 13, 'low', 'blurred', f.entity, f.name, NULL, NULL, CASE WHEN f.owner IS NULL THEN '{}' ELSE ARRAY[f.owner] END,
		format('%s.%s is of the domain %s, by which people mean different things, and nobody wrote down what it is here.', f.entity, f.name, d.name),
		concat_ws(' ', 'Write down, as the field''s rationale, what exactly it holds and why its owner owns it.', d.note)
	FROM ownership.field f
	JOIN ownership.domain d ON d.name = f.domain AND d.blurred
	WHERE NOT f.local AND coalesce(btrim(f.rationale), '') = ''
	UNION ALL
	/* copies that hold different values, as far as the reader may look at them */
	SELECT 10, 'medium', 'drifting', c.entity, c.field, c.relation, c.column_name,
		array_remove(ARRAY[c.owner, nullif(c.source, c.owner)], NULL),
		format('Copies of %s.%s disagree: %s.%s is not everywhere what %s says.',
			c.entity, c.field, c.relation, quote_ident(c.column_name), c.authoritative),
		format('See which rows differ, and which value is right: SELECT * FROM ownership.drift(%L); ', c.entity || '.' || c.field)
			|| CASE WHEN c.source IS NULL THEN format('where this copy is right, correct %s first; then SELECT ownership.reconcile(%L) makes this copy agree.',
					c.authoritative, c.entity || '.' || c.field)
				ELSE format('where this copy is right, have %s corrected; the rest %s is to take over.', c.authoritative, c.source) END
	FROM copies c
	WHERE c.state = 'differ'
	UNION ALL
	SELECT DISTINCT 15, 'low', 'drifting', c.entity, c.field,
		CASE WHEN c.authoritative IS NOT NULL THEN c.relation END, CASE WHEN c.authoritative IS NOT NULL THEN c.column_name END,
		array_remove(ARRAY[c.owner, CASE WHEN c.authoritative IS NOT NULL THEN nullif(c.source, c.owner) END], NULL),
		format('Whether the copies of %s.%s agree is not known: %s.', c.entity, c.field, c.problem), c.advice
	FROM copies c
	WHERE c.state = 'unlinked'
	UNION ALL
	SELECT rank, severity, risk, entity, field, relation, column_name, systems, detail, advice
	FROM ownership.ddl_risk
	UNION ALL
	SELECT rank, severity, risk, entity, field, relation, column_name, systems, detail, advice
	FROM ownership.loader_risk
	UNION ALL
	SELECT rank, severity, risk, entity, field, relation, column_name, systems, detail, advice
	FROM ownership.renamed_risk
	UNION ALL
	SELECT 16, 'low', 'unmapped', NULL, NULL, u.relation, u.column_name, '{}',
		format('Column %s of %s is not on the map.', u.column_name, u.relation),
		'Decide which system owns it; if no other system ever needs it, list it as local.'
	FROM ownership.unmapped u
)
SELECT severity, risk, entity, field, relation, column_name, systems COLLATE "C" AS systems, detail, advice
FROM found
ORDER BY array_position('{high,medium,low}', severity), rank, entity COLLATE "C", field COLLATE "C", relation COLLATE "C", column_name COLLATE "C", detail COLLATE "C";

/* with DROP TRIGGER */
DROP EVENT TRIGGER ownership_drop;
CREATE EVENT TRIGGER ownership_drop ON sql_drop
	WHEN TAG IN ('DROP COLLATION', 'DROP DOMAIN', 'DROP EXTENSION', 'DROP FOREIGN DATA WRAPPER', 'DROP FOREIGN TABLE',
		'DROP FUNCTION', 'DROP OWNED', 'DROP ROUTINE', 'DROP SCHEMA', 'DROP SERVER', 'DROP TABLE', 'DROP TRIGGER', 'DROP TYPE')
	EXECUTE FUNCTION ownership.ddl_drop();
ALTER EVENT TRIGGER ownership_drop ENABLE ALWAYS;

/* their queries are many and short: compiling them would take longer than they do */
ALTER FUNCTION ownership.assert_clean(text) SET jit = off;
ALTER FUNCTION ownership.suggest(text) SET jit = off;
ALTER FUNCTION ownership.adopt(text) SET jit = off;
ALTER FUNCTION ownership.grants(text) SET jit = off;
ALTER FUNCTION ownership.diagram(text) SET jit = off;
ALTER FUNCTION ownership.page() SET jit = off;

/* a schema that somebody makes while the one that the map means is gone takes no map along */
CREATE TABLE ownership.bound_schema (
	name	text PRIMARY KEY,
	schema	oid NOT NULL,
	role	oid NOT NULL
);
COMMENT ON TABLE ownership.bound_schema IS 'Internal: the schema that a name on the map was bound to, and its owner then';
GRANT SELECT ON ownership.bound_schema TO PUBLIC;
INSERT INTO ownership.bound_schema
SELECT n.nspname, n.oid, n.nspowner
FROM pg_catalog.pg_namespace n
WHERE EXISTS (SELECT FROM ownership.mirrored_table t WHERE t.table_schema = n.nspname::text)
   OR EXISTS (SELECT FROM ownership.mirrored_pattern p WHERE split_part(p.pattern, '.', 1) = n.nspname::text AND strpos(p.pattern, '.') > 0);

/* also on the tables that are new: these leave out what a subscription brings */
DO $$
DECLARE
	own regclass;
BEGIN
	FOR own IN SELECT c.oid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid
		WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'e'
		  AND d.refobjid = (SELECT oid FROM pg_catalog.pg_extension WHERE extname = 'ownership')
		  AND c.relkind = 'r' AND c.relpersistence = 'p'
	LOOP
		EXECUTE pg_catalog.format('CREATE TRIGGER another_hub BEFORE INSERT OR UPDATE OR DELETE ON %s
			FOR EACH ROW EXECUTE FUNCTION ownership.another_hub()', own);
		EXECUTE pg_catalog.format('CREATE TRIGGER another_hub_truncate BEFORE TRUNCATE ON %s
			FOR EACH STATEMENT EXECUTE FUNCTION ownership.another_hub()', own);
		EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE ALWAYS TRIGGER another_hub', own);
		EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE ALWAYS TRIGGER another_hub_truncate', own);
	END LOOP;
END $$;
