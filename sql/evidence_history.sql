-- History: every change of the stored value of a field with a history, by every writer and in every way.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_stranger;
CREATE ROLE regress_steward;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');
SELECT ownership.identify(NULL, role => 'regress_steward', steward => true);
CREATE TABLE item (gone int, id int PRIMARY KEY, price numeric, name text, stock int, note text, tags text[]);
ALTER TABLE item DROP gone;
GRANT ALL ON item TO PUBLIC;
SELECT ownership.assign('item', '{id,price,name,stock}', 'erp', policy => 'keep'), ownership.assign('item', '{note,tags}', NULL);
UPDATE ownership.field SET domain = NULL, history = name IN ('price', 'name', 'note', 'tags') WHERE entity = 'item';
-- what was recorded since the last time
CREATE FUNCTION told() RETURNS TABLE (tab text, row_key jsonb, system text, role text, columns name[], stored jsonb, proposed jsonb) LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM ownership.history RETURNING *)
	SELECT table_name, row_key, system, role, columns, stored, proposed FROM gone ORDER BY id$$;

-- INSERT and DELETE are no change; an UPDATE is one, where the value changes
SET ROLE regress_erp;
INSERT INTO item (id, price, name, stock) VALUES (1, 1, 'one', 1), (2, 2, 'two', 2), (3, 3, 'three', 3);
UPDATE item SET price = price, name = name, stock = 9;
UPDATE item SET price = 1.00 WHERE id = 1;
RESET ROLE;
SELECT * FROM told();
SET ROLE regress_erp;
UPDATE item SET price = 10, name = NULL, stock = 1 WHERE id = 1;
UPDATE item SET price = NULL WHERE id > 1;
DELETE FROM item WHERE id = 3;
RESET ROLE;
SELECT id IS NOT NULL AS id, recorded_at <= clock_timestamp() AS at, table_schema, operation, outcome, origin, application_name, resolved_at, resolution, resolved_by
FROM ownership.history;
SELECT * FROM told();
-- by a stranger, by a steward, in a field that no system owns
SET ROLE regress_stranger;
UPDATE item SET note = 'anybody', tags = '{a,b}' WHERE id = 1;
SET ROLE regress_steward;
UPDATE item SET price = 11, note = NULL WHERE id = 1;
RESET ROLE;
SELECT * FROM told();
-- what is kept out is no change, what is left is one
SET ROLE regress_crm;
UPDATE item SET price = 99, note = 'crm' WHERE id = 1;
UPDATE item SET price = 98 WHERE id = 1;
RESET ROLE;
SELECT * FROM told();
-- a statement that fails, and one that is taken back
SET ROLE regress_erp;
BEGIN;
UPDATE item SET price = 12 WHERE id = 1;
SAVEPOINT a;
UPDATE item SET price = 13 WHERE id = 1;
ROLLBACK TO a;
UPDATE item SET price = 14 WHERE id = 1;
COMMIT;
UPDATE item SET price = 1 / (id - 2) WHERE id <= 2;
-- upserts, MERGE, CTEs
INSERT INTO item (id, price) VALUES (1, 15), (4, 4) ON CONFLICT (id) DO UPDATE SET price = EXCLUDED.price;
MERGE INTO item i USING (VALUES (1, 16), (5, 5)) AS v (id, price) ON v.id = i.id
	WHEN MATCHED THEN UPDATE SET price = v.price WHEN NOT MATCHED THEN INSERT (id, price) VALUES (v.id, v.price);
WITH a AS (UPDATE item SET price = 17 WHERE id = 1 RETURNING id) UPDATE item SET name = 'cte' WHERE id = 2;
-- the key
UPDATE item SET id = 6, price = 18 WHERE id = 1;
RESET ROLE;
SELECT * FROM told();

-- enforcement: observe records, off does not
SET ownership.enforcement = observe;
UPDATE item SET price = 20 WHERE id = 6;
SET ownership.enforcement = off;
UPDATE item SET price = 21 WHERE id = 6;
RESET ownership.enforcement;
SELECT * FROM told();

-- without ownership.observed_limit and ownership.value_limit
SET ownership.observed_limit = 1;
SET ownership.value_limit = 3;
UPDATE ownership.field SET policy = 'observe' WHERE entity = 'item';
SET ROLE regress_crm;
UPDATE item SET name = repeat('x', 20) WHERE id IN (2, 4, 5);
RESET ROLE;
RESET ownership.observed_limit;
RESET ownership.value_limit;
SELECT * FROM told();
SELECT outcome, proposed FROM ownership.conflict WHERE outcome = 'observed' ORDER BY id;

-- what triggers make of a row is what was stored, named by the statement or not
CREATE FUNCTION derive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.note = NEW.stock || '!'; NEW.name = lower(NEW.name); RETURN NEW; END $$;
CREATE TRIGGER derive BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION derive();
SET ROLE regress_erp;
UPDATE item SET stock = 7 WHERE id = 2;
UPDATE item SET name = 'UPPER' WHERE id = 2;
UPDATE item SET stock = 7 WHERE id = 2;
RESET ROLE;
SELECT * FROM told();
ALTER TABLE item DISABLE TRIGGER derive;
-- a trigger that fires after the guard's
CREATE TRIGGER zzzzz_late BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION derive();
SET ROLE regress_erp;
UPDATE item SET stock = 8 WHERE id = 2;
RESET ROLE;
SELECT * FROM told();
DROP TRIGGER zzzzz_late ON item;

-- lifted where no field with a history can change; AFTER alone where the writer may write
CREATE FUNCTION calls(statement text) RETURNS TABLE (calls text) LANGUAGE plpgsql AS $$
BEGIN
	FOR calls IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || statement LOOP
		IF calls LIKE 'Trigger%' THEN RETURN NEXT; END IF;
	END LOOP;
END $$;
SET ROLE regress_erp;
UPDATE item SET stock = 0;
SELECT calls($$UPDATE item SET stock = 1$$);
SELECT calls($$UPDATE item SET price = 50$$);
SELECT calls($$DELETE FROM item WHERE id = 5$$);
SELECT calls($$INSERT INTO item (id, price) VALUES (7, 7)$$);
RESET ROLE;
ALTER TABLE item ENABLE TRIGGER derive;
SET ROLE regress_erp;
SELECT calls($$UPDATE item SET stock = 0$$);
RESET ROLE;
DROP TRIGGER derive ON item;
SELECT columns, count(*) FROM told() GROUP BY 1 ORDER BY 1;
-- session_replication_role, and its switch within a statement
SET session_replication_role = replica;
UPDATE item SET price = 51 WHERE id = 2;
SELECT set_config('session_replication_role', 'origin', false);
CREATE FUNCTION switch(role text) RETURNS int LANGUAGE sql AS $$ SELECT set_config('session_replication_role', role, true); SELECT 1 $$;
UPDATE item SET price = 51 + switch('replica') WHERE id IN (2, 4);
RESET session_replication_role;
SELECT * FROM told();
-- an edit of the map counts at once
BEGIN;
UPDATE ownership.field SET history = false WHERE (entity, name) = ('item', 'price');
UPDATE item SET price = 60 WHERE id = 2;
UPDATE ownership.field SET history = true WHERE (entity, name) = ('item', 'price');
UPDATE item SET price = 61 WHERE id = 2;
COMMIT;
SELECT columns, stored, proposed FROM told();

-- foreign-key actions
CREATE TABLE line (id int PRIMARY KEY, item int REFERENCES item ON UPDATE CASCADE ON DELETE SET NULL, qty int);
INSERT INTO line VALUES (1, 2, 1), (2, 4, 1);
SELECT ownership.assign('line', NULL, 'erp');
UPDATE ownership.field SET history = true WHERE (entity, name) = ('line', 'item');
SET ROLE regress_erp;
UPDATE item SET id = 22 WHERE id = 2;
DELETE FROM item WHERE id = 4;
RESET ROLE;
SELECT * FROM told();

-- partitions: a row that moves is updated; a trigger at its destination
CREATE TABLE part (id int, region text, price int, stock int, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE part_eu PARTITION OF part FOR VALUES IN ('eu');
CREATE TABLE part_us (stock int, price int, region text NOT NULL, id int NOT NULL);
ALTER TABLE part ATTACH PARTITION part_us FOR VALUES IN ('us');
GRANT ALL ON part, part_us TO PUBLIC;
INSERT INTO part SELECT n, 'eu', n, n FROM generate_series(1, 5) n;
SELECT ownership.assign('part', NULL, 'erp', policy => 'keep');
UPDATE ownership.field SET domain = NULL, history = name IN ('price', 'region') WHERE entity = 'part';
SET ROLE regress_erp;
UPDATE part SET region = 'us', price = 10 WHERE id = 1;
UPDATE part SET region = 'us', stock = 10 WHERE id = 2;
UPDATE part SET price = 11 WHERE id = 1;
UPDATE part_us SET price = 12 WHERE id = 1;
UPDATE part SET stock = 0;
SET ROLE regress_crm;
UPDATE part SET region = 'eu', price = 13 WHERE id = 1;
RESET ROLE;
SELECT * FROM told();
CREATE FUNCTION at_destination() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.price = 99; RETURN NEW; END $$;
CREATE TRIGGER a BEFORE INSERT ON part_us FOR EACH ROW EXECUTE FUNCTION at_destination();
SET ROLE regress_erp;
UPDATE part SET region = 'us' WHERE id = 3;
RESET ROLE;
SELECT * FROM told();

-- a private copy, a table without a key, a domain, a generated key
CREATE SCHEMA landing;
CREATE TABLE landing.price (sku text, price numeric);
CREATE DOMAIN code AS text;
CREATE TABLE coded (a int, b code, k text GENERATED ALWAYS AS ('k' || a) STORED PRIMARY KEY, at timestamptz);
INSERT INTO landing.price VALUES ('a', 1), ('b', 2);
INSERT INTO coded (a, b, at) VALUES (1, 'x', '2026-01-01 00:00+00');
SELECT ownership.add_tables('landing.*', 'erp'), ownership.assign('coded', '{a,b,at}', 'erp');
UPDATE ownership.field SET history = true WHERE entity IN ('landing.price', 'coded');
SET DateStyle = 'German';
SET TimeZone = 'Asia/Tokyo';
SET ownership.system = 'erp';
UPDATE coded SET a = 2, b = 'y', at = at + interval '1 day';
RESET DateStyle;
RESET TimeZone;
RESET ownership.system;
SELECT * FROM told();

-- it follows new names of columns, tables and schemas
SET ownership.system = 'erp';
UPDATE landing.price SET price = 7;
UPDATE item SET price = 70, id = 23 WHERE id = 22;
ALTER TABLE item RENAME price TO amount;
ALTER TABLE item RENAME id TO item_id;
ALTER TABLE item RENAME TO thing;
ALTER SCHEMA landing RENAME TO inbox;
SELECT table_schema, table_name, row_key, columns, stored, proposed FROM ownership.history ORDER BY id;
-- and is found there
SELECT event, system, value, detail FROM ownership.why('public.thing.amount', '{"item_id": 23}') WHERE event = 'written';
SELECT row_key, column_name, from_value, to_value, outcome FROM ownership.revert('erp', '-infinity', 'infinity') WHERE relation = 'thing';
RESET ownership.system;
-- who may read it: the roles with a GRANT
GRANT SELECT ON ownership.conflict TO regress_crm;
SET ROLE regress_crm;
SELECT count(*) FROM ownership.history;
SELECT count(*) FILTER (WHERE event = 'written') FROM ownership.why('public.thing.amount', '{"item_id": 23}');
SELECT ownership.prune('0');
RESET ROLE;
GRANT SELECT ON ownership.history TO regress_crm;
SET ROLE regress_crm;
SELECT count(*) FROM ownership.history;
SELECT count(*) FILTER (WHERE event = 'written') FROM ownership.why('public.thing.amount', '{"item_id": 23}');
RESET ROLE;
-- prune
UPDATE ownership.history SET recorded_at = now() - interval '10 days' WHERE table_name = 'thing';
DELETE FROM ownership.conflict;
SELECT ownership.prune('11 days'), ownership.prune('9 days');
SELECT table_name FROM ownership.history ORDER BY id;
GRANT SELECT, DELETE ON ownership.conflict TO regress_crm;
SET ROLE regress_crm;
-- a role that may delete evidence alone
SELECT ownership.prune('0');
RESET ROLE;
GRANT DELETE ON ownership.history TO regress_crm;
SET ROLE regress_crm;
SELECT ownership.prune('0');
RESET ROLE;

-- a sensitive field has none
UPDATE ownership.field SET sensitive = true WHERE (entity, name) = ('item', 'price');
UPDATE ownership.field SET sensitive = true, history = true WHERE (entity, name) = ('item', 'stock');
-- nor has a field of a sensitive domain, whichever is set later
INSERT INTO ownership.domain (name, sensitive) VALUES ('secret', true), ('plain', false);
UPDATE ownership.field SET domain = 'secret' WHERE (entity, name) = ('item', 'price');
UPDATE ownership.field SET domain = 'plain' WHERE (entity, name) = ('item', 'price');
UPDATE ownership.domain SET sensitive = true WHERE name = 'plain';
UPDATE ownership.domain SET title = 'Plain' WHERE name = 'plain';
INSERT INTO ownership.field (entity, name, domain, history) VALUES ('item', 'pin', 'secret', true);
INSERT INTO ownership.field (entity, name, domain) VALUES ('item', 'pin', 'secret');
UPDATE ownership.field SET history = true WHERE (entity, name) = ('item', 'pin');
SELECT line, problem FROM ownership.import_sheet(E'field,domain\nitem.price,secret\n');
UPDATE ownership.field SET history = false WHERE (entity, name) = ('item', 'price');
UPDATE ownership.domain SET sensitive = true WHERE name = 'plain';
UPDATE ownership.field SET history = true WHERE (entity, name) = ('item', 'price');
-- what comes past the triggers is recorded in no history
SET session_replication_role = replica;
UPDATE ownership.field SET history = true WHERE (entity, name) = ('item', 'price');
RESET session_replication_role;
SELECT count(*) FROM ownership.history;
UPDATE thing SET amount = amount + 1;
SELECT count(*) FROM ownership.history;
UPDATE ownership.field SET domain = NULL WHERE (entity, name) = ('item', 'price');
UPDATE thing SET amount = amount - 1;
SELECT count(*) > 0 AS some FROM ownership.history WHERE columns @> '{amount}';
DELETE FROM ownership.history;
-- the DBA's columns and triggers work; what would make every write fail does not
ALTER TABLE ownership.history ADD reviewed boolean NOT NULL DEFAULT false;
ALTER TABLE ownership.history ADD reviewer text NOT NULL;
ALTER TABLE ownership.history ALTER row_key SET NOT NULL;
UPDATE thing SET note = 'reviewed' WHERE item_id = 23;
SELECT columns, reviewed FROM ownership.history;
-- ids are unique in both
SELECT count(DISTINCT id) = count(*) FROM (SELECT id FROM ownership.conflict UNION ALL SELECT id FROM ownership.history) i;
DROP TABLE thing, line, part, inbox.price, coded CASCADE;
DROP EXTENSION ownership CASCADE;
DROP SCHEMA inbox;
DROP DOMAIN code;
DROP FUNCTION told, calls, derive, switch, at_destination;
DROP ROLE regress_erp, regress_crm, regress_stranger, regress_steward;
