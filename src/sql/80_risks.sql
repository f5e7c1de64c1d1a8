/*
 * Risks, by what would hurt most; doc/risks.md tells the order.  High: values
 * can be lost at any time, because nobody owns a field, several systems write
 * it, or a guard that people rely on has a gap.  Medium: a rule is not
 * enforced, or is likely to be the wrong one.  Low: something is not written
 * down.
 */
CREATE VIEW ownership.risks AS
WITH guard AS MATERIALIZED (
	SELECT * FROM ownership.guards
), seen AS MATERIALIZED (
	SELECT * FROM ownership.seen
), seen_writers AS (
	SELECT entity, field, array_agg(system) FILTER (WHERE system IS NOT NULL) AS systems,
		string_agg(format('%s %s time%s, last on %s', coalesce(system, 'somebody unidentified'), writes,
			CASE writes WHEN 1 THEN '' ELSE 's' END, to_char(last_write, 'YYYY-MM-DD')), '; ' ORDER BY system COLLATE "C") AS told
	FROM seen s
	/* who owns some of the rows may write them */
	WHERE writes > 0 AND NOT EXISTS (SELECT FROM ownership.row_part r
		WHERE r.entity = s.entity AND r.field = s.field AND r.system = s.system)
	GROUP BY entity, field
), copies AS MATERIALIZED (
	SELECT * FROM ownership.compare_copies('*', false)
), guide AS MATERIALIZED (
	/* to be said in the middle of a sentence */
	SELECT d.name, d.excluded_owner, lower(left(coalesce(d.title, d.name), 1)) || substr(coalesce(d.title, d.name), 2) AS subject,
		(SELECT string_agg(ownership.kind_label(k), ' or ' ORDER BY i) FROM unnest(d.natural_owner) WITH ORDINALITY u(k, i)) AS kinds
	FROM ownership.domain d
), found (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS (
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
	SELECT 2, 'high', 'contested', f.entity, f.field, NULL, NULL, w.systems,
		format('%s systems write %s.%s: %s%s.%s', cardinality(w.systems), f.entity, f.field, array_to_string(w.systems, ', '),
			'; its system of record is ' || f.owner, ' Seen: ' || s.told || '.'),
		CASE WHEN f.owner IS NULL THEN 'Whoever writes last wins. Decide which of them owns it; the others only read it.'
			ELSE format('Ask the others why they write it, and have them stop: only %s owns it. What they must change, they change there.', f.owner) END
	FROM ownership.field_access f
	LEFT JOIN seen_writers s ON s.entity = f.entity AND s.field = f.field
	CROSS JOIN LATERAL (SELECT ARRAY(SELECT DISTINCT x COLLATE "C" FROM unnest(f.writers || f.owner || s.systems) x
		WHERE x IS NOT NULL AND (f.owner IS NULL OR NOT EXISTS (SELECT FROM ownership.row_part r
			WHERE r.entity = f.entity AND r.field = f.field AND r.system = x))
		ORDER BY 1) AS systems) w
	WHERE (f.writers <> '{}' OR s.systems IS NOT NULL) AND cardinality(w.systems) > 1
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
	SELECT 11, 'medium', 'silent_owner', f.entity, f.name, NULL, NULL, ARRAY[f.owner],
		format('%s is the system of record of %s.%s and was never seen writing it. Seen: %s.', f.owner, f.entity, f.name, w.told),
		format('Ask the team of %s whether it still maintains this. If not, the owner should be who does.', f.owner)
	FROM ownership.field f
	JOIN seen_writers w ON w.entity = f.entity AND w.field = f.name
	WHERE f.owner IS NOT NULL
	  AND NOT EXISTS (SELECT FROM ownership.activity a
		JOIN ownership.mirrored_column c USING (table_schema, table_name, column_name)
		WHERE c.entity = f.entity AND c.field = f.name AND a.system = f.owner AND a.writes > 0)
	UNION ALL
	/* who writes, or tries to, and nobody said so */
	SELECT 12, CASE WHEN s.system IS NULL THEN 'low' ELSE 'medium' END, 'undeclared_writer', s.entity, s.field, NULL, NULL,
		CASE WHEN s.system IS NULL THEN '{}' ELSE ARRAY[s.system] END,
		format('%s %s, and is not declared to write it%s.',
			coalesce(s.system, 'Somebody unidentified'),
			concat_ws(', was refused ', CASE WHEN s.writes > 0
				THEN format('wrote %s.%s %s time%s', s.entity, s.field, s.writes, CASE s.writes WHEN 1 THEN '' ELSE 's' END)
				ELSE format('tried to write %s.%s', s.entity, s.field) END,
				CASE WHEN s.refused > 0 THEN format('%s time%s', s.refused, CASE s.refused WHEN 1 THEN '' ELSE 's' END) END),
			'; its system of record is ' || f.owner),
		CASE WHEN s.system IS NULL THEN 'Find out which system that is, and tell the database: ownership.identify() says which role or feed is which system.'
			ELSE format('Ask the team of %s why. If it should, declare it as a writer or make it the owner; if not, have it stopped.', s.system) END
	FROM seen s
	JOIN ownership.field f ON f.entity = s.entity AND f.name = s.field
	WHERE (s.writes > 0 OR s.refused > 0) AND f.owner IS DISTINCT FROM s.system
	  AND NOT EXISTS (SELECT FROM ownership.row_part r WHERE r.entity = s.entity AND r.field = s.field AND r.system = s.system)
	  AND NOT EXISTS (SELECT FROM ownership.declared_access a
		WHERE a.entity = s.entity AND a.field = s.field AND a.system = s.system AND a.mode = 'write')
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
			|| CASE WHEN c.source IS NULL THEN format('SELECT ownership.reconcile(%L) makes this copy agree.', c.entity || '.' || c.field)
				ELSE format('%s is to take them over.', c.source) END
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
	SELECT 16, 'low', 'unmapped', NULL, NULL, u.relation, u.column_name, '{}',
		format('Column %s of %s is not on the map.', u.column_name, u.relation),
		'Decide which system owns it; if no other system ever needs it, list it as local.'
	FROM ownership.unmapped u
)
SELECT severity, risk, entity, field, relation, column_name, systems, detail, advice
FROM found
ORDER BY array_position('{high,medium,low}', severity), rank, entity COLLATE "C", field COLLATE "C", relation COLLATE "C", column_name COLLATE "C", detail COLLATE "C";
COMMENT ON VIEW ownership.risks IS 'Places where the map is unsafe, the worst first';
COMMENT ON COLUMN ownership.risks.severity IS 'high, medium or low';
