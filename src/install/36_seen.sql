/* Local fields are nobody's quarrel, but who reads one of another system depends on it. */
CREATE VIEW ownership.undeclared AS
SELECT s.entity, s.field, s.system, 'read' AS mode, s.reads AS times
FROM ownership.seen s
JOIN ownership.field_now f ON f.entity = s.entity AND f.name = s.field
WHERE s.reads > 0 AND s.system IS NOT NULL AND f.owner IS DISTINCT FROM s.system
  AND NOT EXISTS (SELECT FROM ownership.declared d
	WHERE d.entity = s.entity AND d.field = s.field AND d.system = s.system)
UNION ALL
SELECT s.entity, s.field, s.system, 'write', s.disputed + s.refused
FROM ownership.seen s
JOIN ownership.field_now f ON f.entity = s.entity AND f.name = s.field
WHERE (s.disputed > 0 OR s.refused > 0) AND s.system IS NOT NULL AND f.owner IS DISTINCT FROM s.system AND NOT f.local
  AND NOT EXISTS (SELECT FROM ownership.declared_access a
	WHERE a.entity = s.entity AND a.field = s.field AND a.system = s.system AND a.mode = 'write')
  AND NOT EXISTS (SELECT FROM ownership.row_part r
	WHERE r.entity = s.entity AND r.field = s.field AND r.system = s.system);
COMMENT ON VIEW ownership.undeclared IS 'Internal: the systems that were seen reading or writing a field, or trying to write it, and are not declared to do that.';
GRANT SELECT ON ownership.undeclared TO PUBLIC;

CREATE FUNCTION ownership.declare_seen(pattern text DEFAULT '*', mode text DEFAULT 'read')
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_declare_seen' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.declare_seen(text, text) IS
'Declares the systems that were seen reading fields as their readers, so that they are the risk undeclared_reader no more. The guard judges writes as before. The caller needs the privilege to insert into ownership.declared_access.
Arguments:
- pattern: Pattern of table names, as in add_tables(), or of fields, such as product.*. Default: * (every field).
- mode: read, the default. write: the function declares the systems that were seen writing fields of others, or trying to, as their writers.
Returns the number of declarations that it made, one for each field and system.';
