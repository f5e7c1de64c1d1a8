/*
 * Pictures: the nodes and the edges between them, the same for every format.
 * Fields are counted, not drawn.  Of more than forty entities, those of a schema
 * become one node; of more than forty nodes, the last ones become one node without
 * a name.  An entity that an intruder writes keeps a node of its own, unless more
 * than twenty entities are such.  A system that owns or writes a field is not drawn
 * as its reader, too.
 */
CREATE VIEW ownership.picture AS
WITH cell AS (
	/* of each part, by its rank: that it is one (1), and whether it is declared (2), seen (4), refused (8), of some rows (16) */
	SELECT p.entity, p.field, p.system,
		bit_or(CASE p.how WHEN 'declared' THEN 3 WHEN 'seen' THEN 5 WHEN 'refused' THEN 9 WHEN 'some rows' THEN 17 ELSE 1 END << 5 * (p.rank - 1)) AS bits
	/* whether an owner is one by default does not matter here */
	FROM (SELECT f.entity, f.name AS field, f.owner AS system, 1 AS rank, NULL AS how FROM ownership.field_now f WHERE f.owner IS NOT NULL
		UNION ALL SELECT entity, field, system, rank, how FROM ownership.known_part) p
	GROUP BY p.entity, p.field, p.system
), cells AS MATERIALIZED (
	SELECT entity, system, bits, count(*) AS fields
	FROM cell
	GROUP BY entity, system, bits
), entity AS (
	SELECT f.entity, count(*) AS fields, count(*) FILTER (WHERE f.owner IS NULL AND NOT f.local) AS unowned
	FROM ownership.field_now f
	GROUP BY f.entity
), party AS (
	SELECT c.entity, count(DISTINCT c.system) AS systems, bool_or(c.bits >> 10 & 1 = 1) AS dangerous
	FROM cells c
	GROUP BY c.entity
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
), edge AS (
	SELECT c.system, d.node, r.part, sum(c.fields) AS fields,
		coalesce(sum(c.fields) FILTER (WHERE b.bits & 4 <> 0), 0) AS seen,
		coalesce(sum(c.fields) FILTER (WHERE b.bits & 2 = 0), 0) AS undeclared,
		coalesce(sum(c.fields) FILTER (WHERE b.bits & 8 <> 0), 0) AS refused,
		coalesce(sum(c.fields) FILTER (WHERE b.bits & 16 <> 0), 0) AS some_rows
	FROM cells c
	JOIN drawn d ON d.entity = c.entity
	CROSS JOIN (VALUES (1, 'owner'), (2, 'writer'), (3, 'intruder'), (4, 'reader')) r(rank, part)
	CROSS JOIN LATERAL (SELECT c.bits >> 5 * (r.rank - 1) & 31) b(bits)
	WHERE b.bits & 1 = 1 AND (r.part <> 'reader' OR c.bits & 33 = 0)
	GROUP BY c.system, d.node, r.part
)
SELECT 'system' AS kind, s.name AS system, NULL::text AS node, NULL::text AS part, NULL::bigint AS fields, s.name AS label,
	nullif(concat_ws(', ', nullif(s.title, s.name), nullif(s.kind, s.name)), '') AS detail, false AS alarming
FROM ownership.system s
UNION ALL
SELECT 'system', '?', NULL, NULL, NULL, 'unidentified', 'no system of the map', true
WHERE EXISTS (SELECT FROM cells c WHERE c.system = '?')
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

CREATE FUNCTION ownership.page(entity text DEFAULT NULL, system text DEFAULT NULL, contact text DEFAULT NULL)
RETURNS text AS 'MODULE_PATHNAME', 'ownership_page' LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.page(text, text, text) IS
'Returns the map, what must be decided about it, and its evidence as one HTML page. The page contains what the caller may read.
Arguments:
- entity: Pattern of entities, such as product or netsuite.*: the page is about their fields, and shows each of them. NULL, the default: all.
- system: The page is about the fields that this system has to do with. NULL, the default: all.
- contact: The page is about the fields that the systems of this contact have to do with. NULL, the default: all.
Returns the HTML text.';

GRANT SELECT ON ownership.picture, ownership.part TO PUBLIC;
