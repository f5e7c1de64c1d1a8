/* Proposals from the guide, and taking them. */
CREATE FUNCTION ownership.suggest(pattern text DEFAULT '*', OUT relation text, OUT column_name text, OUT domain text, OUT kind text, OUT system text, OUT sure boolean, OUT reason text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_suggest' LANGUAGE C
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.suggest(text) IS 'For each column of the matching tables: its domain as far as names, comments, keys and traffic tell, who should own it, how sure that is and why';

CREATE FUNCTION ownership.adopt(pattern text, OUT relation text, OUT column_name text, OUT field text, OUT domain text, OUT owner text, OUT outcome text, OUT reason text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_adopt' LANGUAGE C
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.adopt(text) IS 'Puts the columns of the matching tables on the map, with domain and owner where suggest() is sure, and guards the tables; what was decided before stays';
