/*
 * Pictures: nodes and the edges between them, the same for every format.
 * Fields are counted, not drawn, and what would be more than forty entities
 * is drawn by its schemas, and what is left then as one.  What looks
 * dangerous keeps a node of its own.
 */
CREATE VIEW ownership.picture_entity AS
WITH entity AS (
	SELECT f.entity, count(*) AS fields, count(*) FILTER (WHERE f.owner IS NULL AND NOT f.local) AS unowned
	FROM ownership.field f
	GROUP BY f.entity
), party AS (
	SELECT p.entity, count(DISTINCT p.system) AS systems, bool_or(p.part = 'intruder') AS dangerous
	FROM ownership.part p
	GROUP BY p.entity
), folded AS (
	SELECT e.entity, e.fields, e.unowned, coalesce(p.systems, 0) AS systems, coalesce(p.dangerous, false) AS dangerous,
		CASE WHEN (SELECT count(*) FROM entity) <= 40 OR coalesce(p.dangerous, false) THEN e.entity
			ELSE coalesce(substring(e.entity FROM '^(.*)\.') || '.*', e.entity) END AS node
	FROM entity e
	LEFT JOIN party p ON p.entity = e.entity
), node AS (
	SELECT node, row_number() OVER (ORDER BY bool_or(dangerous) DESC, max(systems) DESC, sum(fields) DESC, node COLLATE "C") AS position,
		count(*) OVER () AS nodes
	FROM folded
	GROUP BY node
)
SELECT f.entity, f.fields, f.unowned, CASE WHEN n.nodes <= 40 OR n.position < 40 THEN f.node END AS node
FROM folded f
JOIN node n ON n.node = f.node;
COMMENT ON VIEW ownership.picture_entity IS 'Internal: by which node of a picture an entity is drawn; NULL: the one for all others';

CREATE VIEW ownership.picture_node AS
SELECT 'system' AS kind, s.name AS node, s.name AS label, nullif(concat_ws(', ', nullif(s.title, s.name), nullif(s.kind, s.name)), '') AS detail, false AS alarming
FROM ownership.system s
UNION ALL
SELECT 'system', '?', 'unidentified', 'no system of the map', true
WHERE EXISTS (SELECT FROM ownership.part p WHERE p.system = '?')
UNION ALL
SELECT 'entity', e.node,
	CASE WHEN e.node IS NULL THEN format('%s other entities', count(*)) WHEN count(*) > 1 THEN e.node ELSE min(e.entity) END,
	concat_ws(', ', CASE WHEN count(*) > 1 AND e.node IS NOT NULL THEN format('%s entities', count(*)) END,
		format('%s field%s', sum(e.fields), CASE sum(e.fields) WHEN 1 THEN '' ELSE 's' END),
		CASE WHEN sum(e.unowned) > 0 THEN format('%s without owner', sum(e.unowned)) END),
	sum(e.unowned) > 0
FROM ownership.picture_entity e
GROUP BY e.node;
COMMENT ON VIEW ownership.picture_node IS 'Internal: the systems and entities of a picture';

/* whoever owns or writes a field may be taken to read it */
CREATE VIEW ownership.picture_edge AS
WITH field_part AS (
	SELECT p.entity, p.field, p.system, p.rank, p.part, array_agg(p.how) AS how
	FROM ownership.part p
	GROUP BY p.entity, p.field, p.system, p.rank, p.part
), drawn AS (
	SELECT f.*, min(f.rank) OVER (PARTITION BY f.entity, f.field, f.system) AS closest
	FROM field_part f
), edge AS (
	SELECT d.system, e.node, d.rank, d.part, count(*) AS fields,
		count(*) FILTER (WHERE 'seen' = ANY (d.how)) AS seen,
		count(*) FILTER (WHERE NOT 'declared' = ANY (d.how)) AS undeclared,
		count(*) FILTER (WHERE 'refused' = ANY (d.how)) AS refused,
		count(*) FILTER (WHERE 'some rows' = ANY (d.how)) AS some_rows
	FROM drawn d
	JOIN ownership.picture_entity e ON e.entity = d.entity
	WHERE d.rank < 4 OR d.closest > 2
	GROUP BY d.system, e.node, d.rank, d.part
)
SELECT system, node, part, fields,
	concat(CASE part WHEN 'owner' THEN 'owns ' WHEN 'writer' THEN 'writes ' WHEN 'intruder' THEN 'intrudes on ' ELSE 'reads ' END, fields,
		' (' || nullif(concat_ws(', ',
			CASE WHEN some_rows > 0 THEN some_rows || ' in some rows' END,
			CASE WHEN seen > 0 AND undeclared < fields AND part IN ('reader', 'writer') THEN seen || ' seen' END,
			CASE WHEN undeclared > 0 AND part IN ('reader', 'writer') THEN concat_ws(' ', nullif(undeclared, fields), 'undeclared') END,
			CASE WHEN refused > 0 THEN refused || ' refused' END), '') || ')') AS label
FROM edge;
COMMENT ON VIEW ownership.picture_edge IS 'Internal: what the systems of a picture are to its entities';

CREATE FUNCTION ownership.diagram(format text DEFAULT 'mermaid')
RETURNS text AS 'MODULE_PATHNAME', 'ownership_diagram' LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.diagram(text) IS 'The map as a picture for Mermaid (mermaid) or Graphviz (dot): systems, entities, who owns, writes and reads';

CREATE FUNCTION ownership.page()
RETURNS text AS 'MODULE_PATHNAME', 'ownership_page' LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.page() IS 'The map, its risks and its evidence, as far as the caller may read them, as one HTML page';

GRANT SELECT ON ownership.picture_entity, ownership.picture_node, ownership.picture_edge, ownership.part TO PUBLIC;
