/*
 * Pictures: the nodes and the edges between them, the same for every format.
 * Fields are counted, not drawn.  Of more than forty entities, those of a schema
 * become one node; of more than forty nodes, the last ones become one node without
 * a name.  An entity that an intruder writes keeps a node of its own, unless more
 * than twenty entities are such.  A system that owns or writes a field is not drawn
 * as its reader, too.
 */
CREATE VIEW ownership.picture AS
WITH part AS MATERIALIZED (
	SELECT * FROM ownership.part
), entity AS (
	SELECT f.entity, count(*) AS fields, count(*) FILTER (WHERE f.owner IS NULL AND NOT f.local) AS unowned
	FROM ownership.field f
	GROUP BY f.entity
), party AS (
	SELECT p.entity, count(DISTINCT p.system) AS systems, bool_or(p.part = 'intruder') AS dangerous
	FROM part p
	GROUP BY p.entity
), folded AS (
	SELECT e.entity, e.fields, e.unowned, coalesce(p.systems, 0) AS systems, coalesce(p.dangerous, false) AS dangerous,
		CASE WHEN (SELECT count(*) FROM entity) <= 40
				OR (p.dangerous AND (SELECT count(*) FROM party WHERE dangerous) <= 20) THEN e.entity
			ELSE coalesce(substring(e.entity FROM '^(.*)\.') || '.*', e.entity) END AS node
	FROM entity e
	LEFT JOIN party p ON p.entity = e.entity
), ranked AS (
	SELECT node, row_number() OVER (ORDER BY bool_or(dangerous) DESC, max(systems) DESC, sum(fields) DESC, node COLLATE "C") AS position,
		count(*) OVER () AS nodes
	FROM folded
	GROUP BY node
), drawn AS MATERIALIZED (
	SELECT f.entity, f.fields, f.unowned, CASE WHEN r.nodes <= 40 OR r.position < 40 THEN f.node END AS node
	FROM folded f
	JOIN ranked r ON r.node = f.node
), field_part AS (
	SELECT p.entity, p.field, p.system, p.rank, p.part, bool_or(p.how = 'seen') AS seen, bool_or(p.how = 'declared') AS declared,
		bool_or(p.how = 'refused') AS refused, bool_or(p.how = 'some rows') AS some_rows,
		min(p.rank) OVER (PARTITION BY p.entity, p.field, p.system) AS closest
	FROM part p
	GROUP BY p.entity, p.field, p.system, p.rank, p.part
), edge AS (
	SELECT f.system, d.node, f.part, count(*) AS fields,
		count(*) FILTER (WHERE f.seen) AS seen,
		count(*) FILTER (WHERE f.declared IS NOT TRUE) AS undeclared,
		count(*) FILTER (WHERE f.refused) AS refused,
		count(*) FILTER (WHERE f.some_rows) AS some_rows
	FROM field_part f
	JOIN drawn d ON d.entity = f.entity
	WHERE f.part <> 'reader' OR f.closest > 2
	GROUP BY f.system, d.node, f.part
)
SELECT 'system' AS kind, s.name AS system, NULL::text AS node, NULL::text AS part, NULL::bigint AS fields, s.name AS label,
	nullif(concat_ws(', ', nullif(s.title, s.name), nullif(s.kind, s.name)), '') AS detail, false AS alarming
FROM ownership.system s
UNION ALL
SELECT 'system', '?', NULL, NULL, NULL, 'unidentified', 'no system of the map', true
WHERE EXISTS (SELECT FROM part p WHERE p.system = '?')
UNION ALL
SELECT 'entity', NULL, d.node, NULL, sum(d.fields),
	CASE WHEN d.node IS NULL THEN format('%s other entities', count(*)) WHEN count(*) > 1 THEN d.node ELSE min(d.entity) END,
	concat_ws(', ', CASE WHEN count(*) > 1 AND d.node IS NOT NULL THEN format('%s entities', count(*)) END,
		format('%s field%s', sum(d.fields), CASE sum(d.fields) WHEN 1 THEN '' ELSE 's' END),
		CASE WHEN sum(d.unowned) > 0 THEN format('%s without owner', sum(d.unowned)) END),
	sum(d.unowned) > 0
FROM drawn d
GROUP BY d.node
UNION ALL
SELECT 'edge', system, node, part, fields,
	concat(CASE part WHEN 'owner' THEN 'owns ' WHEN 'writer' THEN 'writes ' WHEN 'intruder' THEN 'intrudes on ' ELSE 'reads ' END, fields,
		' (' || nullif(concat_ws(', ',
			CASE WHEN some_rows > 0 THEN some_rows || ' in some rows' END,
			CASE WHEN seen > 0 AND undeclared < fields AND part IN ('reader', 'writer') THEN seen || ' seen' END,
			CASE WHEN undeclared > 0 AND part IN ('reader', 'writer') THEN concat_ws(' ', nullif(undeclared, fields), 'undeclared') END,
			CASE WHEN refused > 0 THEN refused || ' refused' END), '') || ')'),
	NULL, part = 'intruder'
FROM edge;
COMMENT ON VIEW ownership.picture IS 'Internal: the systems and entities of a picture, and the lines between them.';

/* jit = off: they run many short queries, and compiling one takes longer than running it */
CREATE FUNCTION ownership.diagram(format text DEFAULT 'mermaid', reads boolean DEFAULT true)
RETURNS text AS 'MODULE_PATHNAME', 'ownership_diagram' LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.diagram(text, boolean) IS
'Returns the map as a diagram: systems, entities, and which system owns, writes and reads what. There is at most one line between two of them; its text says all that the system is to the entity.
Arguments:
- format: mermaid or dot (for Graphviz). Default: mermaid.
- reads: false: what systems read is left out, and systems that only read are. Default: true.
Returns the source text of the diagram.';

CREATE FUNCTION ownership.page()
RETURNS text AS 'MODULE_PATHNAME', 'ownership_page' LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.page() IS
'Returns the map, its risks and its evidence as one HTML page. The page contains what the caller may read.
Returns the HTML text.';

GRANT SELECT ON ownership.picture, ownership.part TO PUBLIC;
