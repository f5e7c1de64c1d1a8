-- The report, from the files in :run. Variables: run, rounds, machine, date.
\set ON_ERROR_STOP on
CREATE TEMP TABLE cases (n serial, name text, title text, about text);
CREATE TEMP TABLE musts (n serial, "case" text, label text, kind text, metric text, variant text, base text, op text, bound numeric);
CREATE TEMP TABLE results (n serial, "case" text, variant text, x int, round int, metric text, value_text text);
CREATE TEMP TABLE labels (variant text, label text);
SELECT format('COPY %s FROM %L (FORMAT csv, DELIMITER E''\t'', QUOTE E''\b'')', t, :'run' || '/' || f) FROM (VALUES
	('cases (name, title, about)', 'cases.tsv'),
	('musts ("case", label, kind, metric, variant, base, op, bound)', 'musts.tsv'),
	('results ("case", variant, x, round, metric, value_text)', 'results.tsv'),
	('labels', 'labels.tsv')) v (t, f) \gexec

CREATE TEMP TABLE value AS
SELECT n, "case", variant, x, round, metric, value_text::numeric AS value FROM results WHERE metric NOT IN ('w0', 'w1');

-- which metrics a table shows, in this order
CREATE TEMP TABLE metric (n int, name text, label text, digits int);
INSERT INTO metric VALUES (1, 'seconds', 'seconds', 3), (2, 'us_per_row', 'µs a row', 3), (3, 'ms', 'ms', 2),
	(4, 'tps_2', 'tps, 2 clients', 0), (5, 'tps_8', 'tps, 8 clients', 0), (6, 'rows_per_second', 'rows/s', 0),
	(7, 'cpu', 'CPU s', 3), (8, 'instructions', 'instructions a row', 0), (9, 'wal', 'WAL bytes', 0),
	(10, 'toast_blocks', 'toast blocks', 0), (11, 'evidence', 'evidence', 0), (12, 'evidence_wal', 'evidence WAL records', 0),
	(13, 'memory', 'bytes', 0);

CREATE TEMP TABLE ratio AS
SELECT v."case", v.variant, v.x, v.metric, b.variant AS base,
	(percentile_cont(0.5) WITHIN GROUP (ORDER BY v.value::float8 / nullif(b.value, 0)::float8))::numeric AS ratio
FROM value v JOIN value b USING ("case", x, round, metric)
GROUP BY 1, 2, 3, 4, 5;

CREATE TEMP TABLE median AS
SELECT "case", variant, x, metric, (percentile_cont(0.5) WITHIN GROUP (ORDER BY value::float8))::numeric AS median, min(n) AS n
FROM value GROUP BY 1, 2, 3, 4;

CREATE TEMP TABLE verdict AS
SELECT m.n, m."case", m.label, measured, digits,
	CASE WHEN measured IS NULL THEN 'not measured' WHEN (m.op = '<=' AND measured <= m.bound) OR (m.op = '>=' AND measured >= m.bound) THEN 'met' ELSE '**missed**' END AS verdict
FROM musts m
CROSS JOIN LATERAL (SELECT CASE WHEN m.kind IN ('ratio', 'ends') THEN 3 WHEN m.metric IN ('memory', 'toast_blocks', 'evidence', 'evidence_wal') THEN 0 ELSE 2 END AS digits) d
LEFT JOIN LATERAL (
	SELECT round(CASE m.kind
		WHEN 'ratio' THEN (SELECT ratio FROM ratio r WHERE (r."case", r.variant, r.metric, r.base) = (m."case", m.variant, m.metric, m.base))
		WHEN 'absolute' THEN (SELECT median FROM median r WHERE (r."case", r.variant, r.metric) = (m."case", m.variant, m.metric))
		WHEN 'difference' THEN (SELECT a.median - b.median FROM median a, median b
			WHERE (a."case", a.variant, a.metric) = (m."case", m.variant, m.metric) AND (b."case", b.variant, b.metric) = (m."case", m.base, m.metric))
		WHEN 'ends' THEN (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY last.value::float8 / first.value::float8)
			FROM value first JOIN value last USING ("case", variant, metric, round)
			WHERE ("case", variant, metric) = (m."case", m.variant, m.metric)
			  AND first.x = (SELECT min(x) FROM value v WHERE v."case" = m."case")
			  AND last.x = (SELECT max(x) FROM value v WHERE v."case" = m."case"))::numeric
	END, digits) AS measured
) v ON true;

SELECT '# What the guard costs

Made by `make bench`. ' || :'date' || ', ' || :'machine' || '.

' || version() || '.

Each variant is measured ' || :'rounds' || ' times, in turns with the others, from a fresh table; figures are medians, and a ratio is the
median over the rounds of the ratios within a round. Only the statement is timed, in the server, after a CHECKPOINT. Settings are
PostgreSQL''s own, full-page images in the WAL among them, but for: ' ||
(SELECT string_agg(format('`%s = %s`', name, current_setting(name)), ', ' ORDER BY name) FROM pg_settings
	WHERE name IN ('shared_buffers', 'max_wal_size', 'checkpoint_timeout', 'fsync', 'autovacuum', 'jit', 'shared_preload_libraries')) || '.
With `fsync = off` nothing hides the guard''s cost behind waiting for a disk.
"CPU s" is what the backend was on a processor.' ||
CASE WHEN EXISTS (SELECT FROM value WHERE metric = 'instructions') THEN '' ELSE ' The machine does not count instructions.' END || '

## Targets

| case | must reach | measured | |
|---|---|--:|---|
' || (SELECT string_agg(format('| [%s](#%s) | %s | %s | %s |', c.title, c.name, v.label, coalesce(v.measured::text, ''), v.verdict), E'\n' ORDER BY c.n, v.n)
	FROM verdict v JOIN cases c ON c.name = v."case") || '
';

WITH shown AS (
	-- the curves tell the cost of a row, the others that of the statement
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
SELECT format(E'<a id="%s"></a>\n\n## %s\n\n%s\n\n%s| variant |%s %s |\n|---|%s%s|\n%s\n', c.name, c.title, c.about,
	CASE WHEN bool_or(l.x > 0) THEN format(E'![%s](%s.svg)\n\n', c.title, c.name) ELSE '' END,
	CASE WHEN bool_or(l.x > 0) THEN ' at |' ELSE '' END, h.names,
	CASE WHEN bool_or(l.x > 0) THEN '--:|' ELSE '' END, h.rule,
	string_agg(format('| %s |%s %s |', coalesce(t.label, replace(l.variant, '_', ' ')), CASE WHEN l.x > 0 THEN format(' %s |', l.x) ELSE '' END, l.cells), E'\n'
		ORDER BY CASE WHEN b.unguarded THEN l.guarded::int ELSE 0 END, CASE WHEN l.x > 0 THEN l.variant END, l.x,
			CASE WHEN b.unguarded THEN l.main ELSE l.n END))
FROM cases c JOIN header h ON h."case" = c.name JOIN base b ON b."case" = c.name JOIN line l ON l."case" = c.name LEFT JOIN labels t USING (variant)
GROUP BY c.n, c.name, c.title, c.about, h.names, h.rule
ORDER BY c.n;
