-- What a session remembers does not grow with how often it is asked.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');
CREATE TABLE item (id int PRIMARY KEY, price numeric, title text, stamp int DEFAULT 0, strict int);
INSERT INTO item VALUES (1, 1, 'x');
GRANT ALL ON item TO PUBLIC;
SELECT ownership.assign('item', '{id,price}', 'erp', policy => 'keep'), ownership.assign('item', '{title}', 'crm', policy => 'keep'), ownership.assign('item', '{strict}', 'crm', policy => 'reject');
-- but for rejected attempts, which wait for the end of the transaction
CREATE VIEW held AS SELECT coalesce(sum(total_bytes), 0) AS bytes FROM pg_backend_memory_contexts WHERE name LIKE 'ownership%' AND name <> 'ownership attempts';
-- grows(times, command): by how many kB, in one transaction, after it was done a few times
CREATE PROCEDURE grow(times int, command text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. times LOOP
		EXECUTE replace(command, '%', i::text);
	END LOOP;
END $$;
CREATE FUNCTION grows(times int, command text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	before bigint;
BEGIN
	CALL grow(10, command);
	SELECT bytes INTO before FROM held;
	CALL grow(times, command);
	RETURN (SELECT (bytes - before) / 1024 FROM held);
END $$;

-- the writer
SELECT grows(500, $$DO 'BEGIN PERFORM set_config(''ownership.system'', ''erp'', true); UPDATE item SET price = price + 1;
	PERFORM set_config(''ownership.system'', ''crm'', true); UPDATE item SET price = price + 1; END'$$) < 32 AS setting;
SELECT grows(500, $$DO 'BEGIN PERFORM set_config(''role'', ''regress_erp'', true); UPDATE public.item SET price = price + 1;
	PERFORM set_config(''role'', ''regress_crm'', true); UPDATE public.item SET price = price + 1; PERFORM set_config(''role'', ''none'', true); END'$$) < 32 AS role;
-- the map
SET ownership.system = 'erp';
SELECT grows(300, 'WITH w AS (SELECT 1) UPDATE ownership.field SET rationale = ''%'' WHERE name = ''price''') < 32 AS map_edits;
SELECT grows(300, $$DO 'BEGIN UPDATE ownership.field SET rationale = ''%'' WHERE name = ''price''; UPDATE item SET price = price + 1; END'$$) < 32 AS map;
-- also where a trigger's own statements write
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() = 1 THEN
		UPDATE ownership.field SET rationale = new.price WHERE name = 'price';
		UPDATE item SET stamp = stamp + 1, price = price + 1 WHERE id = 2;
	END IF;
	RETURN new;
END $$;
CREATE TRIGGER again BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION again();
INSERT INTO item VALUES (2, 2);
SELECT grows(300, 'UPDATE item SET price = price + 1 WHERE id = 1') < 32 AS nested;
SELECT id, price > 300 AS written FROM item ORDER BY id;
DROP TRIGGER again ON item;
-- a default that edits the map while rows are amended: what is read stays until it has been
CREATE FUNCTION restless() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE ownership.field SET rationale = clock_timestamp()::text WHERE name = 'price';
	UPDATE item SET price = price + 1 WHERE id = 1;
	RETURN 'made';
END $$;
ALTER TABLE item ALTER title SET DEFAULT restless();
SELECT grows(100, 'INSERT INTO item (id, title) SELECT max(id) + 1, ''erp''''s'' FROM item') < 32 AS default;
SELECT title, count(*) FROM item GROUP BY 1 ORDER BY 1;
SELECT outcome, columns, count(*) FROM ownership.conflict WHERE columns = '{title}' GROUP BY 1, 2;
-- errors in between
ALTER TABLE item ALTER title DROP DEFAULT;
SELECT grows(300, $$DO 'BEGIN UPDATE ownership.field SET rationale = ''%'' WHERE name = ''price''; BEGIN INSERT INTO item (id, strict) VALUES (-1, 1); EXCEPTION WHEN insufficient_privilege THEN UPDATE item SET price = price + 1 WHERE id = 1; END; END'$$) < 32 AS errors;
RESET ownership.system;
-- what was read
SELECT grows(2000, $$DO 'BEGIN CREATE TEMP TABLE t%_ (a int); PERFORM a FROM t%_; DROP TABLE t%_; END'$$) < 160 AS tables;

DROP EXTENSION ownership CASCADE;
DROP VIEW held;
DROP FUNCTION grows, again, restless CASCADE;
DROP PROCEDURE grow;
DROP TABLE item;
DROP ROLE regress_erp, regress_crm;
