-- The measured values, and which of them met their targets, from the files in :run.
\set ON_ERROR_STOP on
CREATE TEMP TABLE cases (n serial, name text, title text, about text);
CREATE TEMP TABLE musts (n serial, "case" text, label text, kind text, metric text, variant text, base text, op text, bound numeric);
CREATE TEMP TABLE results (n serial, "case" text, variant text, x int, round int, metric text, value_text text);
CREATE TEMP TABLE profiles (n serial, "case" text, line text);
CREATE TEMP TABLE labels (variant text, label text);
SELECT format('COPY %s FROM %L (FORMAT csv, DELIMITER E''\t'', QUOTE E''\b'')', t, :'run' || '/' || f) FROM (VALUES
	('cases (name, title, about)', 'cases.tsv'),
	('musts ("case", label, kind, metric, variant, base, op, bound)', 'musts.tsv'),
	('results ("case", variant, x, round, metric, value_text)', 'results.tsv'),
	('profiles ("case", line)', 'profiles.tsv'),
	('labels', 'labels.tsv')) v (t, f) \gexec

CREATE TEMP TABLE value AS
SELECT n, "case", variant, x, round, metric, value_text::numeric AS value FROM results WHERE metric NOT IN ('w0', 'w1');

-- which metrics a table shows, in this order
CREATE TEMP TABLE metric (n int, name text, label text, digits int);
INSERT INTO metric VALUES (1, 'seconds', 'seconds', 3), (2, 'us_per_row', 'µs a row', 3), (3, 'ms', 'ms', 2),
	(4, 'tps_1', 'tps', 0), (4, 'tps_2', 'tps, 2 clients', 0), (5, 'tps_8', 'tps, 8 clients', 0), (6, 'rows_per_second', 'rows/s', 0),
	(7, 'cpu', 'CPU s', 3), (7, 'cpu_1', 'CPU µs', 1), (7, 'cpu_2', 'CPU µs, 2 clients', 1), (7, 'cpu_8', 'CPU µs, 8 clients', 1), (8, 'instructions', 'instructions a row', 0), (8, 'instructions_prepared', 'instructions, prepared', 0), (8, 'instructions_simple', 'instructions, simple', 0), (9, 'wal', 'WAL bytes', 0),
	(10, 'toast_blocks', 'toast blocks', 0), (11, 'evidence', 'evidence', 0), (11, 'scans', 'scans', 0), (12, 'evidence_wal', 'evidence WAL records', 0),
	(13, 'memory', 'bytes', 0), (14, 'waits', 'samples that wait', 0), (15, 'waits_ownership', 'for shared memory of activity', 0);

CREATE TEMP TABLE ratio AS
SELECT v."case", v.variant, v.x, v.metric, b.variant AS base,
	(percentile_cont(0.5) WITHIN GROUP (ORDER BY v.value::float8 / nullif(b.value, 0)::float8))::numeric AS ratio
FROM value v JOIN value b USING ("case", x, round, metric)
GROUP BY 1, 2, 3, 4, 5;

CREATE TEMP TABLE median AS
SELECT "case", variant, x, metric, (percentile_cont(0.5) WITHIN GROUP (ORDER BY value::float8))::numeric AS median, min(n) AS n
FROM value GROUP BY 1, 2, 3, 4;

-- the value that a target of this kind compares with its bound
CREATE FUNCTION pg_temp.measured(kind text, "case" text, metric text, variant text, base text) RETURNS numeric LANGUAGE sql AS $$
	SELECT CASE kind
		WHEN 'ratio' THEN (SELECT ratio FROM ratio r WHERE (r."case", r.metric, r.variant, r.base) = ($2, $3, $4, $5))
		WHEN 'absolute' THEN (SELECT median FROM median m WHERE (m."case", m.metric, m.variant) = ($2, $3, $4))
		WHEN 'difference' THEN (SELECT m.median FROM median m WHERE (m."case", m.metric, m.variant) = ($2, $3, $4))
			- (SELECT m.median FROM median m WHERE (m."case", m.metric, m.variant) = ($2, $3, $5))
		WHEN 'ends' THEN (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY last.value::float8 / first.value::float8)
			FROM value first JOIN value last USING ("case", metric, variant, round)
			WHERE ("case", metric, variant) = ($2, $3, $4)
			  AND first.x = (SELECT min(x) FROM value v WHERE v."case" = $2)
			  AND last.x = (SELECT max(x) FROM value v WHERE v."case" = $2))::numeric
	END
$$;

CREATE TEMP TABLE verdict AS
SELECT m.n, m."case", m.label, m.variant, round(v.measured, digits) AS measured,
	CASE WHEN c.cpu IS NOT NULL AND m.kind IN ('ratio', 'ends')
		THEN round(CASE m.op WHEN '>=' THEN 1 / c.measured ELSE c.measured END, 3) END AS by_cpu,
	CASE WHEN v.measured IS NULL THEN 'not measured'
		WHEN (m.op = '<=' AND round(v.measured, digits) <= m.bound) OR (m.op = '>=' AND round(v.measured, digits) >= m.bound) THEN 'met'
		ELSE 'missed' END AS verdict
FROM musts m
CROSS JOIN LATERAL (SELECT pg_temp.measured(m.kind, m."case", m.metric, m.variant, m.base) AS measured,
	CASE WHEN m.kind IN ('ratio', 'ends') THEN 3 WHEN m.metric IN ('memory', 'toast_blocks', 'evidence', 'evidence_wal', 'scans', 'waits_ownership') THEN 0 ELSE 2 END AS digits) v
CROSS JOIN LATERAL (SELECT cpu, pg_temp.measured(m.kind, m."case", cpu, m.variant, m.base) AS measured
	FROM (SELECT CASE WHEN m.metric LIKE 'tps%' THEN replace(m.metric, 'tps', 'cpu')
		WHEN m.metric IN ('seconds', 'us_per_row', 'rows_per_second') THEN 'cpu' END AS cpu) p) c;
