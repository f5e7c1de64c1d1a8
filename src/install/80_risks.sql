/*
 * Risks, the worst first; doc/reference/risks.md has the order.  High: values can be
 * lost at any time, because a field has no owner, several systems write it, or a
 * guard on which people rely has a gap.  Medium: a rule is not enforced, or is
 * probably wrong.  Low: the map does not say something that it should.
 */
CREATE VIEW ownership.risks AS
WITH guard AS MATERIALIZED (
	SELECT relation, table_schema, table_name, guarded, subscriptions, problems, touched FROM ownership.guards
), seen AS MATERIALIZED (
	SELECT * FROM ownership.seen
), declared_writer AS MATERIALIZED (
	SELECT entity, field, system FROM ownership.declared_access WHERE mode = 'write'
), spoken AS (
	/*
	 * The known writers of each field, one row for each writer and reason.  Local
	 * fields do not count, nor do systems that own the field in some rows.  A field that
	 * nobody but its owner is known to write is no quarrel.
	 */
	SELECT f.entity, f.name AS field, f.owner, f.owner AS system, f.owner IS NOT NULL AS writes,
		0::bigint AS disputed, 0::bigint AS refused, NULL::timestamptz AS last_disputed, false AS undeclared, false AS owner_writes
	FROM ownership.field_now f
	WHERE NOT f.local AND (f.entity, f.name) IN (SELECT entity, field FROM declared_writer UNION ALL SELECT entity, field FROM seen)
	UNION ALL
	/* a declared writer that may only fill blanks, or only create rows, takes nothing from the owner */
	SELECT f.entity, f.name, f.owner, a.system, true, 0, 0, NULL, false, false
	FROM declared_writer a
	JOIN ownership.field_now f ON f.entity = a.entity AND f.name = a.field
	LEFT JOIN ownership.domain d ON d.name = f.domain
	WHERE NOT f.local
	  AND (f.owner IS NULL OR (coalesce(f.policy, d.policy, current_setting('ownership.default_policy', true), 'reject') NOT IN ('fill', 'create_only')
		AND (a.entity, a.field, a.system) NOT IN (SELECT r.entity, r.field, r.system FROM ownership.row_part r)))
	UNION ALL
	SELECT s.entity, s.field, f.owner, s.system, s.disputed > 0 AND s.system IS NOT NULL, s.disputed, s.refused, s.last_disputed,
		f.owner IS DISTINCT FROM s.system AND (s.system IS NULL
			OR (s.entity, s.field, s.system) IN (SELECT u.entity, u.field, u.system FROM ownership.undeclared u WHERE u.mode = 'write')),
		s.as_owner > 0
	FROM seen s
	JOIN ownership.field_now f ON f.entity = s.entity AND f.name = s.field
	WHERE (s.disputed > 0 OR s.refused > 0 OR s.as_owner > 0) AND NOT f.local
	  AND (s.system IS NULL OR (s.entity, s.field, s.system) NOT IN (SELECT r.entity, r.field, r.system FROM ownership.row_part r))
), quarrel AS (
	SELECT entity, field, owner, array_agg(DISTINCT system COLLATE "C") FILTER (WHERE writes) AS writers,
		count(DISTINCT system) FILTER (WHERE writes) > 1 AS contested,
		string_agg(format('%s %s time%s, last on %s', coalesce(system, 'an unidentified writer'), disputed,
			CASE disputed WHEN 1 THEN '' ELSE 's' END, to_char(last_disputed, 'YYYY-MM-DD')), '; ' ORDER BY system COLLATE "C")
			FILTER (WHERE disputed > 0) AS seen,
		owner IS NOT NULL AND bool_or(disputed > 0) AND NOT bool_or(owner_writes) AS silent,
		bool_or(system IS DISTINCT FROM owner AND (disputed > 0 OR refused > 0)) AS others_seen,
		/* statements of the advice; of several other systems the reader names one */
		format('UPDATE ownership.field SET owner = %L WHERE (entity, name) = (%L, %L)',
			CASE count(DISTINCT system) FILTER (WHERE system IS DISTINCT FROM owner)
				WHEN 1 THEN min(system) FILTER (WHERE system IS DISTINCT FROM owner) ELSE '...' END, entity, field) AS make_owner,
		format('SELECT * FROM ownership.readiness WHERE (entity, field) = (%L, %L)', entity, field) AS readiness,
		array_agg(system ORDER BY system COLLATE "C") FILTER (WHERE undeclared AND system IS NOT NULL) AS undeclared,
		CASE WHEN bool_or(undeclared AND system IS NULL) THEN
			format('Find out which system the unidentified writer is%s record its role or feed with ownership.identify().', CASE WHEN owner IS NULL THEN ', and'
				ELSE format(': SELECT roles, origins FROM ownership.readiness WHERE (entity, field) = (%L, %L) AND system IS NULL; then', entity, field) END) END AS identify,
		/* the undeclared writers as a part of a sentence, and as sentences */
		string_agg(concat(coalesce(system, 'an unidentified writer'), ', was refused ' || nullif(refused, 0) || ' time' || CASE refused WHEN 1 THEN '' ELSE 's' END),
			'; ' ORDER BY system COLLATE "C") FILTER (WHERE undeclared) AS listed,
		string_agg(format('%s %s, and is not declared to write it%s.', coalesce(system, 'An unidentified writer'),
			concat(CASE WHEN disputed > 0
				THEN format('wrote %s.%s %s time%s', entity, field, disputed, CASE disputed WHEN 1 THEN '' ELSE 's' END)
				ELSE format('tried to write %s.%s', entity, field) END,
				', was refused ' || nullif(refused, 0) || ' time' || CASE refused WHEN 1 THEN '' ELSE 's' END),
			'; its system of record is ' || owner), ' ' ORDER BY system COLLATE "C") FILTER (WHERE undeclared) AS undeclared_told
	FROM spoken
	GROUP BY entity, field, owner
	/* what is no quarrel needs no words */
	HAVING count(DISTINCT system) FILTER (WHERE writes) > 1 OR bool_or(disputed > 0 OR undeclared)
), copies AS MATERIALIZED (
	SELECT * FROM ownership.compare_copies('*', false)
), guide AS MATERIALIZED (
	/* words for the middle of a sentence */
	SELECT d.name, d.excluded_owner, lower(left(coalesce(d.title, d.name), 1)) || substr(coalesce(d.title, d.name), 2) AS subject,
		(SELECT string_agg(ownership.kind_label(k), ' or ' ORDER BY i) FROM unnest(d.natural_owner) WITH ORDINALITY u(k, i)) AS kinds
	FROM ownership.domain d
), amiss AS MATERIALIZED (
	/* the columns that are not both on the map and, as ones that can be guarded, in their table: one join of all */
	SELECT m.entity, m.field, table_schema, table_name, column_name, m.entity IS NOT NULL AS mapped, a.generated
	FROM (SELECT t.table_schema, t.table_name, k.attname::text AS column_name, k.attgenerated <> '' AS generated
		FROM ownership.mirrored_table t
		JOIN pg_catalog.pg_namespace n ON n.nspname = t.table_schema::name
		JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.table_name::name AND c.relkind IN ('r', 'p', 'f')
		JOIN pg_catalog.pg_attribute k ON k.attrelid = c.oid AND k.attnum > 0 AND NOT k.attisdropped) a
	FULL JOIN ownership.mirrored_column m USING (table_schema, table_name, column_name)
	WHERE m.entity IS NULL OR a.generated IS DISTINCT FROM false
), found (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS (
	/* a setting switches the guard off, or makes it weaker than the map says */
	SELECT 0, 'high', 'enforcement_off', NULL::text, NULL::text, NULL::text, NULL::text, '{}'::text[],
		format('%s is %s %s: %s.', w.setting, w.value, w.place, CASE
			WHEN w.setting = 'ownership.default_policy' THEN 'what the map says of fields without a policy does not hold there'
			WHEN w.value = 'observe' THEN 'every write goes through, and is only recorded'
			ELSE 'every write goes through, and nothing is recorded' END),
		format('Ask who set it and why. If it is not meant to stay: %s', regexp_replace(w.advice, '^Correct it', 'correct it'))
	FROM ownership.weakened w
	WHERE EXISTS (SELECT FROM ownership.mirrored_table)
	UNION ALL
	/* no system of record */
	SELECT 1, 'high', 'unowned', f.entity, f.field, NULL::text, NULL::text, f.writers,
		format('%s.%s has no system of record%s.', f.entity, f.field,
			CASE WHEN f.writers = '{}' THEN '' ELSE '; declared to write it: ' || array_to_string(f.writers, ', ') END),
		concat_ws(' ', 'Decide with the people who work with it which system has the right value, and make that one the owner. Until then any system may overwrite it.',
			'By the guide, ' || g.subject || ' belongs in ' || g.kinds || '.')
	FROM (SELECT f.entity, f.name AS field, f.domain, coalesce(a.writers, '{}') AS writers
		FROM ownership.field_now f
		LEFT JOIN (SELECT entity, field, array_agg(system ORDER BY system COLLATE "C") AS writers
			FROM declared_writer
			GROUP BY entity, field) a ON a.entity = f.entity AND a.field = f.name
		WHERE f.owner IS NULL AND NOT f.local) f
	LEFT JOIN guide g ON g.name = f.domain
	UNION ALL
	/* several writers, declared or seen, with or without the owner */
	SELECT 2, 'high', 'contested', q.entity, q.field, NULL, NULL, q.writers,
		concat_ws(' ', format('%s systems write %s.%s: %s%s.', cardinality(q.writers), q.entity, q.field, array_to_string(q.writers, ', '),
				'; its system of record is ' || q.owner),
			'Seen: ' || q.seen || '.', 'Not declared to write it: ' || q.listed || '.',
			CASE WHEN q.silent THEN q.owner || ' was never seen writing it.' END),
		concat_ws(' ', q.identify, CASE
			WHEN q.owner IS NULL THEN 'The last write counts. Decide which of them owns it; the others only read it: ' || q.make_owner
			WHEN q.silent THEN format('Ask the teams which of them maintains it. If it is %s, have the others make their changes there; else make that system the owner: %s',
				q.owner, q.make_owner)
			ELSE format('Ask the others why they write it: only %s owns it. Their changes must be made there, before they stop writing. %s', q.owner, CASE
				WHEN q.others_seen THEN 'Their roles and applications: ' || q.readiness
				ELSE format('When they have stopped: DELETE FROM ownership.declared_access WHERE (entity, field, mode) = (%L, %L, ''write'') AND system = ANY (%L)',
					q.entity, q.field, array_remove(q.writers, q.owner)) END) END)
	FROM quarrel q
	WHERE q.contested
	UNION ALL
	/* a guard of which a trigger is missing or switched off */
	SELECT 3, 'high', 'unguarded', NULL, NULL, g.relation, NULL, '{}',
		format('The guard of %s has a gap: %s.', g.relation, array_to_string(g.problems, '; ')),
		format('Ask the database administrator by whom and why it was switched off, then switch it on again: SELECT ownership.guard(%L)', g.relation)
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
		JOIN ownership.field_now f ON f.entity = c.entity AND f.name = c.field
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
		FROM ownership.field_now f
		UNION ALL
		SELECT c.entity, c.field, f.domain, r.owner, ownership.relation_name(r.table_schema, r.table_name), r.column_name, r.row_filter
		FROM ownership.row_owner_now r
		JOIN ownership.mirrored_column c USING (table_schema, table_name, column_name)
		JOIN ownership.field_now f ON f.entity = c.entity AND f.name = c.field) o
	JOIN guide g ON g.name = o.domain
	JOIN ownership.system s ON s.name = o.owner
	WHERE s.kind = ANY (g.excluded_owner)
	UNION ALL
	/* others write, the owner never does */
	SELECT 11, 'medium', 'silent_owner', q.entity, q.field, NULL, NULL, ARRAY[q.owner],
		format('%s is the system of record of %s.%s and was never seen writing it. Seen: %s.', q.owner, q.entity, q.field, q.seen),
		format('Ask the team of %s whether it still maintains this. If not, make the system that maintains it the owner: %s', q.owner, q.make_owner)
	FROM quarrel q
	WHERE q.silent AND NOT q.contested AND q.undeclared_told IS NULL
	UNION ALL
	SELECT 11, 'medium', 'stale', s.entity, s.field, NULL, NULL, ARRAY[s.owner],
		format('%s is the system of record of %s.%s, and no row of its tables came from there %s; it must be fresh within %s.', s.owner, s.entity, s.field,
			coalesce('since ' || to_char(s.last_row, 'YYYY-MM-DD HH24:MI'), 'so far'), s.fresh_within),
		format('See whether the feed or job of %s runs: ownership.guards has the subscriptions of each table. If it may be silent for so long, set a longer time: UPDATE ownership.field SET fresh_within = ''...'' WHERE (entity, name) = (%L, %L)',
			s.owner, s.entity, s.field)
	FROM ownership.freshness s
	WHERE s.stale
	UNION ALL
	SELECT 12, CASE WHEN q.undeclared IS NULL AND NOT q.silent THEN 'low' ELSE 'medium' END, 'undeclared_writer', q.entity, q.field, NULL, NULL,
		coalesce(q.undeclared, '{}'),
		concat_ws(' ', q.undeclared_told, CASE WHEN q.silent THEN q.owner || ' was never seen writing it.' END),
		concat_ws(' ', q.identify, CASE WHEN q.undeclared IS NOT NULL THEN
			format('Ask the team of %s why. If it should, make it the owner: %s; or declare it as a writer: SELECT ownership.declare_seen(%L, ''write'')%s',
				array_to_string(q.undeclared, ' and that of '), q.make_owner, q.entity || '.' || q.field,
				'; if not, its changes must be made in ' || q.owner || ', before it stops writing.') END)
	FROM quarrel q
	WHERE q.undeclared_told IS NOT NULL AND NOT q.contested
	UNION ALL
	/* one row a system: a report reads whole tables */
	SELECT 14, 'low', 'undeclared_reader', r.entity, r.field, NULL, NULL, ARRAY[r.system],
		format('%s read %s %s time%s, and is not declared to read %s.', r.system,
			coalesce(r.entity || '.' || r.field, r.fields || ' fields'), r.times, CASE r.times WHEN 1 THEN '' ELSE 's' END,
			CASE r.fields WHEN 1 THEN 'it' ELSE 'them; most often: ' || array_to_string(r.most[:3], ', ') END),
		format('Declare it as a reader: then its team is asked before %s changes: SELECT ownership.declare_seen(%s)',
			CASE r.fields WHEN 1 THEN 'the field' ELSE 'a field' END, quote_literal(r.entity || '.' || r.field))
	FROM (SELECT u.system, count(*) AS fields, sum(u.times) AS times,
			CASE count(*) WHEN 1 THEN min(u.entity) END AS entity, CASE count(*) WHEN 1 THEN min(u.field) END AS field,
			array_agg(u.entity || '.' || u.field ORDER BY u.times DESC, u.entity COLLATE "C", u.field COLLATE "C") AS most
		FROM ownership.undeclared u
		WHERE u.mode = 'read'
		GROUP BY u.system) r
	UNION ALL
	SELECT 6, 'medium', 'unidentified_feed', NULL, NULL, g.relation, NULL, '{}',
		format('Subscription %s feeds %s, but belongs to no system: what it writes to owned fields is kept out.', s, g.relation),
		format('Find out which system sends it, and record that: SELECT ownership.identify(''...'', subscription => %L)', s)
	FROM guard g
	CROSS JOIN LATERAL unnest(g.subscriptions) s
	WHERE g.touched AND NOT EXISTS (SELECT FROM ownership.identity i WHERE i.kind = 'subscription' AND i.name = s)
	UNION ALL
	SELECT 7, 'medium', 'unknown_identity', NULL, NULL, NULL, NULL,
		CASE WHEN i.system IS NULL THEN '{}' ELSE ARRAY[i.system] END,
		CASE WHEN i.kind = 'role' AND r.oid IS NOT NULL
			THEN format('Role %s is not the role that was identified; it writes as no system.', i.name)
			ELSE format('%s %s is not there.', initcap(i.kind), i.name) END,
		CASE WHEN i.kind = 'role' AND r.oid IS NOT NULL
			THEN 'The role was dropped, and another role of that name was created. Check by whom and why; if it is the same system, call ownership.identify() for it again.'
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
		CASE WHEN m.generated IS NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = m.column_name::name)
			THEN format('Column %s of %s is on the map, but not in the database.', m.column_name, ownership.relation_name(m.table_schema, m.table_name))
			ELSE format('Column %s of %s cannot be guarded: it is a system or generated column.', m.column_name, ownership.relation_name(m.table_schema, m.table_name)) END,
		'If it was renamed, rename it on the map, too; if it is gone for good, delete its row from ownership.mirrored_column.'
	FROM amiss m
	JOIN pg_catalog.pg_namespace n ON n.nspname = m.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = m.table_name::name AND c.relkind IN ('r', 'p', 'f')
	WHERE m.mapped
	UNION ALL
	SELECT 8, 'medium', 'broken_mirror', m.entity, m.field, ownership.relation_name(o.table_schema, o.table_name), o.column_name,
		CASE WHEN o.owner IS NULL THEN '{}' ELSE ARRAY[o.owner] END,
		format('Row filter "%s" does not work: %s. Writes to the table fail.', o.row_filter, ownership.row_filter_problem(c.oid, o.row_filter)),
		'Ask the person who changed the table, and correct the filter in ownership.row_owner.'
	FROM ownership.row_owner_now o
	JOIN ownership.mirrored_column m USING (table_schema, table_name, column_name)
	JOIN pg_catalog.pg_namespace n ON n.nspname = o.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = o.table_name::name AND c.relkind IN ('r', 'p', 'f')
	WHERE ownership.row_filter_problem(c.oid, o.row_filter) IS NOT NULL
	UNION ALL
	/* a domain by which people mean different things */
	SELECT 13, 'low', 'blurred', f.entity, f.name, NULL, NULL, CASE WHEN f.owner IS NULL THEN '{}' ELSE ARRAY[f.owner] END,
		format('%s.%s is of the domain %s, by which people mean different things, and no rationale says what it means here.', f.entity, f.name, d.name),
		concat_ws(' ', 'Write down, as the field''s rationale, what exactly it holds and why its owner owns it.', d.note)
	FROM ownership.field_now f
	JOIN ownership.domain d ON d.name = f.domain AND d.blurred
	WHERE NOT f.local AND coalesce(btrim(f.rationale), '') = ''
	UNION ALL
	/* copies that contain different values, as far as the caller may read them */
	SELECT 10, 'medium', 'drifting', c.entity, c.field, c.relation, c.column_name,
		array_remove(ARRAY[c.owner, nullif(c.source, c.owner)], NULL),
		format('Copies of %s.%s disagree: %s.%s differs from %s in some rows.',
			c.entity, c.field, c.relation, quote_ident(c.column_name), c.authoritative),
		format('See which rows differ, and which value is right: SELECT * FROM ownership.drift(%L); ', c.entity || '.' || c.field)
			|| CASE WHEN c.source IS NULL THEN format('where this copy is right, correct %s first; then SELECT ownership.reconcile(%L) makes this copy agree.',
					c.authoritative, c.entity || '.' || c.field)
				ELSE format('where this copy is right, have %s corrected; in all other rows, %s must take over that value.', c.authoritative, c.source) END
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
	SELECT rank, severity, risk, entity, field, relation, column_name, systems, detail, advice
	FROM ownership.group_risk
	UNION ALL
	SELECT rank, severity, risk, entity, field, relation, column_name, systems, detail, advice
	FROM ownership.waiting_risk
	UNION ALL
	SELECT rank, severity, risk, entity, field, relation, column_name, systems, detail, advice
	FROM ownership.pinned_risk
	UNION ALL
	SELECT rank, severity, risk, entity, field, relation, column_name, systems, detail, advice
	FROM ownership.no_column_risk
	UNION ALL
	/* where a system deletes rows, what nobody owns goes with them */
	SELECT CASE WHEN d.systems IS NULL THEN 16 ELSE 11 END, CASE WHEN d.systems IS NULL THEN 'low' ELSE 'medium' END,
		'unmapped', NULL, NULL, u.relation, u.column_name, coalesce(d.systems, '{}'),
		concat_ws(' ', format('Column %s of %s is not on the map.', u.column_name, u.relation),
			array_to_string(d.systems, ' and ') || CASE cardinality(d.systems) WHEN 1 THEN ' deletes' ELSE ' delete' END
				|| ' rows of the table, and the values of this column go with them.'),
		'Decide which system owns it; if no other system ever needs it, list it as local.'
	FROM (SELECT *, ownership.relation_name(table_schema, table_name) AS relation FROM amiss WHERE NOT mapped AND NOT generated) u
	LEFT JOIN ownership.deleter() d USING (table_schema, table_name)
)
SELECT severity, risk, entity, field, relation, column_name, systems COLLATE "C" AS systems, detail, advice
FROM found
ORDER BY array_position('{high,medium,low}', severity), rank, entity COLLATE "C", field COLLATE "C", relation COLLATE "C", column_name COLLATE "C", detail COLLATE "C";
COMMENT ON VIEW ownership.risks IS 'The places where the map or the traffic is unsafe, the worst first. One row is one finding.';
COMMENT ON COLUMN ownership.risks.severity IS 'high, medium or low.';
COMMENT ON COLUMN ownership.risks.risk IS
'Name of the risk.
- enforcement_off (high): A setting of the server, of the database or of a role switches the guard off, or to a weaker policy.
- unowned (high): The field has no system of record. Every system may write it.
- contested (high): Several systems write the field, as declared or as seen.
- unguarded (high, medium): high: the guard of the table was complete, and a part of it is missing or switched off. medium: the table is on the map and was never guarded.
- unrecorded (high, medium): high: rejected attempts or activity do not reach the tables. medium: counts of reads and writes found no room in shared memory.
- map_behind (high): A table or column was renamed, replaced or added, and the map did not follow. Or what another hub decides does not arrive: its map comes by a subscription that is not current.
- renamed (medium): A mirrored column was dropped, and one column of its type was added in the same transaction.
- unowned_key (medium): The key of a shared table has no system of record, or no column of the table is a key. Every system may create and delete its rows.
- unidentified_feed (medium): A subscription that feeds a guarded table writes as no system.
- unknown_identity (medium): The role or subscription that the map names does not exist, or is another role of the same name.
- broken_mirror (medium): The map names a table, column, schema, system or domain that does not exist, or a row filter fails.
- out_of_bounds (medium): The domain of the field excludes the kind of its system of record.
- drifting (medium, low): medium: copies of the field contain different values. low: the map does not say how to compare the copies.
- split_group (medium): Fields of one group are judged apart, because row owners, a partition key or several systems of record split it, or because no table has all of them.
- silent_owner (medium): Other systems write the field, and its system of record was never seen writing it.
- stale (medium): No row of the field''s tables came from its system of record within field.fresh_within, changed or not.
- undeclared_writer (medium, low): medium: a system that is not declared as a writer writes the field, or tries to. low: the writer is unidentified.
- foreign_loader (medium): The role of a system owns a table, is a superuser or may set ownership.enforcement or ownership.default_policy, and other systems own fields there. The guard does not stop this role.
- blurred (low): The domain of the field is blurred, and the field has no rationale.
- undeclared_reader (low): A system reads a field, or several fields, and is not declared as a reader. It is one row for each system.
- updates_lost (medium): A subscription brings rows that it may not create. PostgreSQL drops their UPDATEs and DELETEs until the rows are there.
- values_replaced (medium): Another table took the name of a table, and values of a system that does not own the key were in that one. Nothing remembers them.
- parked (medium, low): low: values of a system wait for rows that it may not create. medium: a value that waits could not be written into its row.
- pinned (low): A value has been pinned for more than 90 days.
- no_column (low): No column of a mirrored table contains the field.
- unmapped (medium, low): A column of a mirrored table is not on the map. medium: a system deletes rows of that table.';
COMMENT ON COLUMN ownership.risks.entity IS 'Entity of the field. NULL: the risk is not about a field.';
COMMENT ON COLUMN ownership.risks.field IS 'Name of the field. NULL: the risk is not about a field.';
COMMENT ON COLUMN ownership.risks.relation IS 'Name of the table, with its schema unless that is public. NULL: the risk is not about one table.';
COMMENT ON COLUMN ownership.risks.column_name IS 'Name of the column. NULL: the risk is not about one column.';
COMMENT ON COLUMN ownership.risks.systems IS 'Systems that the risk is about.';
COMMENT ON COLUMN ownership.risks.detail IS 'What is unsafe, in one or more sentences.';
COMMENT ON COLUMN ownership.risks.advice IS 'What to do about it.';
