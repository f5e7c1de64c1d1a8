/* Proposals from the guide, and adopting them. */
CREATE FUNCTION ownership.suggest(pattern text DEFAULT '*', OUT relation text, OUT column_name text, OUT domain text, OUT kind text, OUT system text, OUT sure boolean, OUT reason text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_suggest' LANGUAGE C
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.suggest(text) IS
'Proposes a domain and a system of record for each column of the matching tables, from names, comments, keys and traffic. It writes nothing. The reason says who wrote the rows, too, by a sample of up to 10,000 rows of each table that the caller may read.
Arguments:
- pattern: Pattern of table names, as in add_tables(). The tables need not be on the map. Default: * (every table).
Returns one row for each column:
- relation: Name of the table.
- column_name: Name of the column.
- domain: Proposed domain. NULL: unknown.
- kind: Kind of system that should own such data. NULL: unknown.
- system: The system of that kind. NULL: no system, or several systems, are of that kind.
- sure: true: at least two pieces of evidence agree, and none contradicts them.
- reason: The evidence, in words.';

CREATE FUNCTION ownership.suggest_by_names(pattern text DEFAULT '*', OUT relation text, OUT column_name text, OUT domain text, OUT kind text, OUT system text, OUT sure boolean, OUT reason text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_suggest_by_names' LANGUAGE C
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.suggest_by_names(text) IS 'Internal: as suggest(), without a look at the rows of the tables.';

CREATE FUNCTION ownership.adopt(pattern text, OUT relation text, OUT column_name text, OUT field text, OUT domain text, OUT owner text, OUT outcome text, OUT reason text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_adopt' LANGUAGE C
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.adopt(text) IS
'Puts the columns of the matching tables on the map and guards the tables. A field gets the system of record that suggest() is sure of, and a field without a domain gets the domain that suggest() is sure of. Earlier decisions stay.
Arguments:
- pattern: Pattern of table names, as in add_tables().
Returns one row for each column:
- relation: Name of the table.
- column_name: Name of the column.
- field: The field that the column contains, as entity.name.
- domain: Domain of the field.
- owner: System of record of the field.
- outcome: adopted: the field has the proposed system of record. local: the field is local. no owner: suggest() was not sure, or has no system. domain added: the field has a system of record, which stays, and gets the domain. by default: the field stays with the source of its tables, which nobody decided on. decided before: an earlier decision stays. left out: the name of the column cannot be the name of a field.
- reason: The reason that suggest() gave.';
