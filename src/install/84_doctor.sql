/*
 * What is wrong with the extension in this database, and the statements that mend it.
 */

/*
 * The time of the evidence that is followed by so many newer ids: prune() of what is
 * older leaves at most as much.  Who may not read evidence cannot prune it, either.
 */
CREATE FUNCTION ownership.evidence_time(newer bigint)
RETURNS timestamptz LANGUAGE SQL STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT c.recorded_at FROM ownership.conflict c
	WHERE c.id >= (SELECT max(id) FROM ownership.conflict) - newer AND c.recorded_at <> '-infinity'
	ORDER BY c.id LIMIT 1;
END;
COMMENT ON FUNCTION ownership.evidence_time(bigint) IS 'Internal: the time at which the evidence was recorded that has so many newer ones.';

CREATE FUNCTION ownership.doctor(evidence_rows bigint DEFAULT 1000000, OUT check_name text, OUT ok boolean, OUT problem text, OUT statement text)
RETURNS SETOF record LANGUAGE SQL VOLATILE ROWS 10
BEGIN ATOMIC
	WITH fact AS MATERIALIZED (
		SELECT s.fact, s.value, s.note FROM ownership.status() s
	), setting AS MATERIALIZED (
		/* what the caller may see */
		SELECT s.name, s.setting, s.source, s.sourcefile, s.pending_restart
		FROM pg_catalog.pg_settings s
		WHERE ownership.loaded() AND s.name IN ('shared_preload_libraries', 'max_worker_processes', 'ownership.enforcement',
			'ownership.activity_size', 'ownership.queue_size')
	), guard AS MATERIALIZED (
		SELECT * FROM ownership.guards
	), ddl AS MATERIALIZED (
		SELECT d.risk, d.relation, d.detail, d.advice FROM ownership.ddl_risk d
	), evidence AS MATERIALIZED (
		SELECT m.value AS rows FROM ownership.metrics m WHERE m.name = 'evidence_rows' AND m.detail = 'conflict'
	), version AS (
		SELECT e.extversion AS objects, ownership.library_version() AS library,
			(SELECT a.default_version FROM pg_catalog.pg_available_extensions a WHERE a.name = 'ownership' LIMIT 1) AS files,
			string_to_array(substring(e.extversion, '^[0-9.]+'), '.')::integer[] < string_to_array(substring(ownership.library_version(), '^[0-9.]+'), '.')::integer[] AS behind
		FROM pg_catalog.pg_extension e
		WHERE e.extname = 'ownership'
	), known (rank, check_name) AS (
		VALUES (1, 'versions'), (2, 'preloaded'), (3, 'worker'), (4, 'memory'), (5, 'settings'), (6, 'event_triggers'),
			(7, 'guards'), (8, 'feeds'), (9, 'map'), (10, 'evidence')
	), found (check_name, problem, statement) AS (
		SELECT 'versions', format('The library is of version %s, and the SQL objects in this database are of version %s.%s', v.library, v.objects,
				CASE WHEN v.behind THEN '' ELSE ' Install the newer library, and restart the server.' END),
			CASE WHEN v.behind THEN format('ALTER EXTENSION ownership UPDATE TO %L', v.library) END
		FROM version v
		WHERE v.library <> v.objects
		UNION ALL
		SELECT 'versions' AS check_name, format('Version %s is installed, and the server runs the library of version %s: restart the server.', v.files, v.library), NULL AS statement
		FROM version v
		WHERE v.files <> v.library AND v.library = v.objects
		UNION ALL
		SELECT 'preloaded' AS check_name,
			CASE WHEN s.pending_restart THEN 'The library will be preloaded when the server is restarted.'
				ELSE 'The library is not preloaded: everything is enforced, but neither activity nor rejected attempts are recorded. When the setting is changed, restart the server.' END,
			/* a role that cannot see the other libraries would take them away */
			CASE WHEN NOT s.pending_restart THEN format('ALTER SYSTEM SET shared_preload_libraries = %s', (SELECT string_agg(quote_literal(btrim(l, ' "')), ', ' ORDER BY i)
				FROM unnest(string_to_array(s.setting, ',') || '{ownership}') WITH ORDINALITY AS u(l, i) WHERE btrim(l, ' "') <> '')) END
		FROM fact f
		LEFT JOIN setting s ON s.name = 'shared_preload_libraries'
		WHERE f.fact = 'preloaded' AND f.value = 'no'
		UNION ALL
		SELECT 'preloaded' AS check_name, 'ownership.activity_size is 0: neither activity nor rejected attempts are recorded. When the setting is changed, restart the server.' AS problem,
			CASE WHEN NOT s.pending_restart THEN 'ALTER SYSTEM SET ownership.activity_size = 16384' END
		FROM setting s
		WHERE s.name = 'ownership.activity_size' AND s.setting = '0' AND EXISTS (SELECT FROM fact f WHERE f.fact = 'preloaded' AND f.value = 'yes')
		UNION ALL
		SELECT 'worker' AS check_name, format('The worker that writes activity and rejected attempts to the tables fails. %s', f.note), 'SELECT ownership.flush()' AS statement
		FROM fact f
		WHERE f.fact = 'worker' AND f.value LIKE 'failed%'
		UNION ALL
		SELECT 'worker' AS check_name, 'There is no process for the worker that writes activity and rejected attempts to the tables. When the setting is changed, restart the server.' AS problem,
			CASE WHEN NOT s.pending_restart THEN format('ALTER SYSTEM SET max_worker_processes = %s', s.setting::integer + 8) END
		FROM fact f
		JOIN setting s ON s.name = 'max_worker_processes'
		WHERE f.fact = 'worker' AND f.value LIKE 'cannot%'
		UNION ALL
		SELECT 'worker' AS check_name, 'Activity and rejected attempts have waited for more than a minute to be written to the tables.'
				|| CASE WHEN l.pids IS NULL THEN '' ELSE ' A session has locked a table of the extension; see what it does before you end it.' END,
			coalesce((SELECT string_agg(format('SELECT pg_terminate_backend(%s)', pid), E';\n' ORDER BY pid) FROM unnest(l.pids) pid), 'SELECT ownership.flush()')
		FROM fact f
		CROSS JOIN (SELECT array_agg(DISTINCT k.pid) AS pids FROM pg_catalog.pg_locks k
			WHERE k.granted AND k.locktype = 'relation' AND k.relation IN ('ownership.conflict'::regclass, 'ownership.activity'::regclass, 'ownership.conflict_count'::regclass)
			  AND k.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
			  AND k.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')) l
		WHERE f.fact = 'worker' AND f.value LIKE 'behind%'
		UNION ALL
		SELECT 'memory' AS check_name, format('%s rejected attempts have found no room in shared memory since the server started, and left no evidence. When the setting is changed, restart the server.', f.value),
			CASE WHEN NOT s.pending_restart THEN format('ALTER SYSTEM SET ownership.queue_size = %L', s.setting::bigint * 2 || 'kB') END
		FROM fact f
		JOIN setting s ON s.name = 'ownership.queue_size'
		WHERE f.fact = 'dropped' AND f.value <> '0'
		UNION ALL
		SELECT 'memory' AS check_name, format('%s counts of reads and writes have found no room in shared memory since the server started. When the setting is changed, restart the server.', f.value),
			CASE WHEN NOT s.pending_restart THEN format('ALTER SYSTEM SET ownership.activity_size = %s', s.setting::bigint * 2) END
		FROM fact f
		JOIN setting s ON s.name = 'ownership.activity_size'
		WHERE f.fact = 'dropped_counts' AND f.value <> '0'
		UNION ALL
		SELECT 'settings' AS check_name, format('%s is %s %s.', w.setting, w.value, w.place),
			CASE WHEN w.advice NOT LIKE 'Correct it there%' THEN w.advice
				ELSE (SELECT CASE WHEN s.sourcefile LIKE '%postgresql.auto.conf' THEN format('ALTER SYSTEM RESET %s', w.setting)
					ELSE format('ALTER SYSTEM SET %s = %L', w.setting, 'on') END || E';\nSELECT pg_reload_conf()' FROM setting s WHERE s.name = w.setting) END
		FROM ownership.weakened w
		UNION ALL
		SELECT 'settings' AS check_name, format('ownership.enforcement is %s in this session.', s.setting),
			CASE s.source WHEN 'session' THEN 'RESET ownership.enforcement' ELSE 'SET ownership.enforcement = on' END
		FROM setting s
		WHERE s.name = 'ownership.enforcement' AND s.setting <> 'on' AND s.source IN ('session', 'client')
		UNION ALL
		SELECT 'event_triggers' AS check_name, d.detail, d.advice
		FROM ddl d
		WHERE d.advice LIKE 'ALTER EVENT TRIGGER %'
		UNION ALL
		SELECT 'guards' AS check_name, format('The guard of %s has a gap: %s.', g.relation, array_to_string(g.problems, '; ')), format('SELECT ownership.guard(%L)', g.relation)
		FROM guard g
		WHERE NOT g.guarded AND g.problems <> ARRAY['the table is not there']
		UNION ALL
		SELECT 'guards' AS check_name, d.detail, d.advice
		FROM ddl d
		WHERE d.advice LIKE 'ALTER TRIGGER %'
		UNION ALL
		/* the source of the tables that it feeds tells who sends it; of several sources it is a carrier */
		SELECT 'feeds' AS check_name, format('Subscription %s feeds %s, but belongs to no system: what it writes to owned fields is kept out.%s', s.name, array_to_string(s.relations, ', '),
				CASE WHEN s.sources = '{}' THEN format(' Find out which system sends it, and record that: SELECT ownership.identify(''...'', subscription => %L).', s.name) ELSE '' END),
			CASE cardinality(s.sources) WHEN 0 THEN NULL
				WHEN 1 THEN format('SELECT ownership.identify(%L, subscription => %L)', s.sources[1], s.name)
				ELSE format('SELECT ownership.identify(NULL, subscription => %L, carrier => true)', s.name) END
		FROM (SELECT u.name, array_agg(g.relation ORDER BY g.relation COLLATE "C") AS relations, coalesce(array_agg(DISTINCT g.source) FILTER (WHERE g.source IS NOT NULL), '{}') AS sources
			FROM guard g
			CROSS JOIN LATERAL unnest(g.subscriptions) AS u(name)
			WHERE NOT EXISTS (SELECT FROM ownership.identity i WHERE i.kind = 'subscription' AND i.name = u.name)
			GROUP BY u.name) s
		UNION ALL
		/* such a feed tells its source that it has a change before a standby has it */
		SELECT 'feeds' AS check_name, format('Subscription %s does not wait for the synchronous standby (synchronous_commit = %s): when the standby takes over, it lacks what the subscription has just brought, and the source does not send that again.', s.subname, s.subsynccommit),
			format('ALTER SUBSCRIPTION %I SET (synchronous_commit = on)', s.subname)
		FROM pg_catalog.pg_subscription s
		WHERE s.subsynccommit IN ('off', 'local') AND current_setting('synchronous_standby_names') <> ''
		  AND EXISTS (SELECT FROM guard g WHERE s.subname::text = ANY (g.subscriptions))
		  AND s.subdbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
		UNION ALL
		SELECT DISTINCT 'map' AS check_name, d.detail, coalesce(substring(d.advice, 'SELECT ownership\.guard\(E?''(?:[^'']|'''')*''\)'), substring(d.advice, '^(ALTER SUBSCRIPTION .+ ENABLE);'))
		FROM ddl d
		WHERE d.risk = 'map_behind'
		UNION ALL
		SELECT 'evidence' AS check_name, format('ownership.conflict has about %s rows, more than %s. The statement deletes what is older than its newest ones, but not what is open: decide on that, or prune it, too.',
				e.rows, doctor.evidence_rows),
			'SELECT ownership.prune(' || quote_literal(date_trunc('second', statement_timestamp() - CASE
				WHEN pg_catalog.has_table_privilege('ownership.conflict', 'SELECT') THEN ownership.evidence_time(doctor.evidence_rows) END)) || ')'
		FROM evidence e
		WHERE e.rows > doctor.evidence_rows
	)
	SELECT k.check_name, count(f.check_name) = 0, string_agg(f.problem, E'\n' ORDER BY f.problem COLLATE "C"),
		string_agg(DISTINCT f.statement, E';\n')
	FROM known k
	LEFT JOIN found f ON f.check_name = k.check_name
	GROUP BY k.rank, k.check_name
	ORDER BY k.rank;
END;
COMMENT ON FUNCTION ownership.doctor(bigint) IS
'Checks the extension in this database, and says what is wrong and how to mend it. It changes nothing, and reads no values. Every role may call it.
Arguments:
- evidence_rows: So many rows of ownership.conflict are fine. Default: 1,000,000.
Returns one row for each check, whether something is wrong or not:
- check_name: versions, preloaded, worker, memory, settings, event_triggers, guards, feeds, map or evidence.
- ok: true: nothing is wrong.
- problem: What is wrong, one line for each problem. NULL: nothing.
- statement: What mends it: one or more statements of SQL, separated by semicolons. NULL: nothing is wrong, no statement alone mends it, or the caller may not see the setting that it would change.';
