-- The report. Variables: run, rounds, machine, date.
\ir verdict.sql

SELECT '# What the guard costs

Made by `make bench`. ' || :'date' || ', ' || :'machine' || '.

' || version() || '.

Each variant is measured ' || :'rounds' || ' times, in turns with the others, from a fresh table; figures are medians, and a ratio is the
median over the rounds of the ratios within a round. Only the statement is timed, in the server, after a CHECKPOINT. Settings have
PostgreSQL''s default values, JIT and full-page images in the WAL among them, but for: ' ||
-- all settings of the configuration file, but for paths and what initdb writes there
(SELECT string_agg(format('`%s = %s`', name, current_setting(name)), ', ' ORDER BY name) FROM pg_settings
	WHERE source = 'configuration file' AND setting IS DISTINCT FROM boot_val
	AND category <> 'Client Connection Defaults / Locale and Formatting'
	AND name !~ '(directories|path|destdir|addresses|timezone|memory_type)$') || '.
Without these, other things would be measured, too: with `fsync = off` nothing hides the guard''s cost behind waiting for a disk; checkpoints (`checkpoint_timeout`, `max_wal_size`),
autovacuum and reads from outside `shared_buffers` come at times of their own. The rest is room for subscriptions and for maps of many tables.
"CPU s" is what the backend was on a processor, and "by CPU" the same ratio of that: it says more where others use the machine, too.' ||
CASE WHEN EXISTS (SELECT FROM value WHERE metric = 'instructions') THEN '' ELSE ' The machine does not count instructions.' END || '

## Targets

| case | must reach | measured | by CPU | |
|---|---|--:|--:|---|
' || (SELECT string_agg(format('| [%s](#%s) | %s | %s | %s | %s |', c.title, c.name, v.label, v.measured, v.by_cpu, replace(v.verdict, 'missed', '**missed**')), E'\n' ORDER BY c.n, v.n)
	FROM verdict v JOIN cases c ON c.name = v."case") || '
';

WITH shown AS (
	-- the curves show the cost of a row, the others that of the statement
	SELECT c.name AS "case", m.name AS metric, m.label, m.digits, m.n
	FROM cases c JOIN metric m ON EXISTS (SELECT FROM median WHERE "case" = c.name AND metric = m.name)
	WHERE m.name <> CASE WHEN EXISTS (SELECT FROM median WHERE "case" = c.name AND x > 0) THEN 'seconds' ELSE 'us_per_row' END
), base AS (
	SELECT c.name AS "case", EXISTS (SELECT FROM median WHERE "case" = c.name AND variant = 'unguarded') AS unguarded FROM cases c
), header AS (
	SELECT s."case", string_agg(s.label || CASE WHEN b.unguarded THEN ' | ×' ELSE '' END, ' | ' ORDER BY s.n) AS names,
		string_agg(CASE WHEN b.unguarded THEN '--:|--:' ELSE '--:' END, '|' ORDER BY s.n) AS rule
	FROM shown s JOIN base b USING ("case") GROUP BY 1
), line AS (
	SELECT v."case", v.variant, v.x, min(v.n) AS n, v.variant <> 'unguarded' AS guarded,
		min(m.median) FILTER (WHERE s.metric = m.metric AND s.n = (SELECT min(n) FROM shown WHERE "case" = v."case")) AS main,
		string_agg(coalesce(round(m.median, s.digits)::text, '') || CASE WHEN b.unguarded THEN ' | ' || coalesce(round(r.ratio, 3)::text, '') ELSE '' END, ' | ' ORDER BY s.n) AS cells
	FROM (SELECT "case", variant, x, min(n) AS n FROM median GROUP BY 1, 2, 3) v
	JOIN base b USING ("case")
	JOIN shown s USING ("case")
	LEFT JOIN median m ON (m."case", m.variant, m.x, m.metric) = (v."case", v.variant, v.x, s.metric)
	LEFT JOIN ratio r ON (r."case", r.variant, r.x, r.metric, r.base) = (v."case", v.variant, v.x, s.metric, 'unguarded')
	GROUP BY 1, 2, 3, b.unguarded
)
SELECT format(E'<a id="%s"></a>\n\n## %s\n\n%s\n\n%s| variant |%s %s |\n|---|%s%s|\n%s\n%s', c.name, c.title, c.about,
	CASE WHEN bool_or(l.x > 0) THEN format(E'![%s](%s.svg)\n\n', c.title, c.name) ELSE '' END,
	CASE WHEN bool_or(l.x > 0) THEN ' at |' ELSE '' END, h.names,
	CASE WHEN bool_or(l.x > 0) THEN '--:|' ELSE '' END, h.rule,
	string_agg(format('| %s |%s %s |', coalesce(t.label, replace(l.variant, '_', ' ')), CASE WHEN l.x > 0 THEN format(' %s |', l.x) ELSE '' END, l.cells), E'\n'
		ORDER BY CASE WHEN b.unguarded THEN l.guarded::int ELSE 0 END, CASE WHEN l.x > 0 THEN l.variant END, l.x,
			CASE WHEN b.unguarded THEN l.main ELSE l.n END),
	(SELECT E'\n' || string_agg(coalesce(p.line, ''), E'\n' ORDER BY p.n) || E'\n' FROM profiles p WHERE p."case" = c.name))
FROM cases c JOIN header h ON h."case" = c.name JOIN base b ON b."case" = c.name JOIN line l ON l."case" = c.name LEFT JOIN labels t USING (variant)
GROUP BY c.n, c.name, c.title, c.about, h.names, h.rule
ORDER BY c.n;
