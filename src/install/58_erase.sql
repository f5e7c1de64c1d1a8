/*
 * Forgetting.
 */
CREATE FUNCTION ownership.erase(relation regclass, row_key jsonb, value text DEFAULT NULL, dry_run boolean DEFAULT true, OUT place text, OUT count bigint)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_erase' LANGUAGE C VOLATILE ROWS 10
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.erase(regclass, jsonb, text, boolean) IS
'Erases a person from the tables of the extension: the values of a row, and of the rows of other tables that match keys tie to it, go out of evidence, history, pins and what waits. The rows of evidence stay and count, but they have the resolution erased; each value is {"erased": true}, and row_key is a digest that nobody can compute again. What waits is never applied, what was refused is never accepted, and pins end. It does not change the tables on the map: delete the row there first, because a DELETE leaves evidence, too. The row may be deleted. It does not change the server log, WAL, backups, replicas and printed pages. The caller needs SELECT and DELETE on ownership.conflict, ownership.history and ownership.pin, and SELECT on the tables on the map that it reads.
Arguments:
- relation: Table on the map.
- row_key: Key of the row, such as {"id": 7}. NULL: the function goes by the value only.
- value: The function also erases all evidence, of whatever row, that contains exactly this text as a value, such as an e-mail address. It reads all evidence for that. NULL, the default: none.
- dry_run: true, the default: the function changes nothing and only counts.
Returns one row for each place:
- place: conflict, waiting (what is parked or remembered), history or pin, and the table that the evidence is about; map_history of pins: reasons of pins.
- count: Number of rows.';
