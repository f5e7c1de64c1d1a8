-- Evidence is recorded once: where the database makes the key, and however
-- much evidence of a row there is.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_pim;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm'),
	ownership.add_system('pim', 'pim', role => 'regress_pim');
CREATE VIEW evidence AS
	SELECT table_name AS "table", operation, outcome, system, columns, row_key, proposed FROM ownership.conflict ORDER BY id;

--
-- Key columns that a refused INSERT does not name are no part of its key:
-- what the statement proposed is, whatever was proposed between.
--
CREATE TABLE by_serial (id serial PRIMARY KEY, name text, price numeric, made_at timestamptz DEFAULT clock_timestamp(), unit text DEFAULT 'pc');
CREATE TABLE by_identity (name text, id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
CREATE TABLE by_uuid (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text);
CREATE TABLE in_part (market text, id serial, name text, PRIMARY KEY (market, id));
CREATE TABLE by_trigger (id int PRIMARY KEY, name text, seen timestamptz);
CREATE TABLE keyless (id serial, name text, state text);
CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	new.id := nextval('by_serial_id_seq'); new.seen := clock_timestamp(); RETURN new; END $$;
CREATE TRIGGER fill BEFORE INSERT ON by_trigger FOR EACH ROW EXECUTE FUNCTION fill();
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC;
SELECT ownership.assign(t::regclass, '{id}', 'erp', policy => 'keep') FROM unnest('{by_serial,by_identity,by_uuid,in_part,by_trigger}'::text[]) t;
SELECT ownership.assign('in_part', '{market}', 'erp', policy => 'keep'), ownership.assign('keyless', '{state}', 'erp', policy => 'keep');
SET ROLE regress_crm;
INSERT INTO by_serial (name, price) VALUES ('a', 1);
INSERT INTO by_serial (name, price) VALUES ('b', 1), ('c', 1);
INSERT INTO by_serial (name, price) VALUES ('a', 1);
INSERT INTO by_serial (name, price, unit) VALUES ('a', 1, 'pc'), ('a', 1, 'kg');
INSERT INTO by_serial (name, price) VALUES ('c', 1), ('b', 1), ('c', 1);
INSERT INTO by_identity VALUES ('a');
INSERT INTO by_identity VALUES ('b');
INSERT INTO by_identity VALUES ('a');
INSERT INTO by_uuid (name) VALUES ('a');
INSERT INTO by_uuid (name) VALUES ('b');
INSERT INTO by_uuid (name) VALUES ('a');
COPY by_uuid (name) FROM STDIN;
a
b
c
\.
INSERT INTO in_part (market, name) VALUES ('de', 'a'), ('de', 'b'), ('at', 'a'), ('de', 'a');
INSERT INTO by_trigger (name) VALUES ('a');
INSERT INTO by_trigger (name) VALUES ('b');
INSERT INTO by_trigger (name) VALUES ('a');
TABLE evidence;
-- another writer's are its own
SET ROLE regress_pim;
INSERT INTO by_serial (name, price) VALUES ('a', 1);
INSERT INTO by_serial (name, price) VALUES ('a', 1);
RESET ROLE;
SELECT system, count(*) FROM ownership.conflict WHERE table_name = 'by_serial' GROUP BY 1 ORDER BY 1;
-- a key that is named tells the row, and what the database puts into the rest is nobody's news
TRUNCATE ownership.conflict;
SELECT ownership.assign('by_serial', '{price}', 'erp', policy => 'keep');
SET ROLE regress_crm;
INSERT INTO by_serial (id, name, price) VALUES (7, 'a', 5);
INSERT INTO by_serial (id, name, price) VALUES (7, 'a', 5);
INSERT INTO by_serial (id, name, price) VALUES (7, 'b', 5);
INSERT INTO by_serial (id, name, price) VALUES (7, 'a', 5);
RESET ROLE;
SELECT row_key, proposed - 'made_at' AS proposed, proposed ? 'made_at' AS whole FROM ownership.conflict ORDER BY id;
-- when the map changes, the row is in evidence already
SELECT ownership.assign('by_serial', '{price}', 'crm');
SET ROLE regress_crm;
INSERT INTO by_serial (id, name, price) VALUES (8, 'a', 1);
INSERT INTO by_serial (id, name, price) VALUES (8, 'a', 1);
INSERT INTO by_serial (name, price) VALUES ('z', 1), ('z', 1);
RESET ROLE;
UPDATE ownership.field SET owner = 'erp', policy = 'keep' WHERE (entity, name) = ('by_serial', 'price');
SET ROLE regress_crm;
INSERT INTO by_serial (id, name, price) VALUES (8, 'a', 1);
INSERT INTO by_serial (id, name, price) VALUES (8, 'a', 1);
INSERT INTO by_serial (name, price) VALUES ('z', 1), ('z', 1);
RESET ROLE;
SELECT columns, row_key FROM ownership.conflict WHERE row_key = '{"id": 8}' OR proposed ->> 'name' = 'z' ORDER BY id;
UPDATE ownership.field SET owner = NULL WHERE (entity, name) = ('by_serial', 'price');
-- a table without any key has no such memory
TRUNCATE ownership.conflict;
SET ROLE regress_crm;
INSERT INTO keyless (name, state) VALUES ('a', 'x'), ('a', 'x');
RESET ROLE;
SELECT row_key, columns FROM ownership.conflict ORDER BY id;
-- a row that was made with a value kept out has its own key
TRUNCATE ownership.conflict;
UPDATE ownership.field SET owner = 'erp' WHERE (entity, name) = ('by_serial', 'price');
UPDATE ownership.field SET owner = NULL WHERE (entity, name) = ('by_serial', 'id');
DELETE FROM by_serial;
ALTER SEQUENCE by_serial_id_seq RESTART 100;
SET ROLE regress_crm;
INSERT INTO by_serial (name, price) VALUES ('a', 5), ('a', 5);
RESET ROLE;
SELECT outcome, row_key, proposed FROM evidence;
UPDATE ownership.field SET owner = 'erp' WHERE (entity, name) = ('by_serial', 'id');
-- across savepoints
TRUNCATE ownership.conflict;
SET ROLE regress_crm;
BEGIN;
SAVEPOINT s;
INSERT INTO by_uuid (name) VALUES ('a');
ROLLBACK TO s;
INSERT INTO by_uuid (name) VALUES ('a');
SAVEPOINT t;
INSERT INTO by_uuid (name) VALUES ('a');
COMMIT;
RESET ROLE;
SELECT row_key, proposed FROM evidence;

--
-- What is listed, and decided.
--
TRUNCATE ownership.conflict;
SET ROLE regress_crm;
INSERT INTO by_serial (name, price) VALUES ('a', 1);
INSERT INTO by_serial (name, price) VALUES ('b', 2);
INSERT INTO by_serial (name, price) VALUES ('a', 1);
INSERT INTO in_part (market, name) VALUES ('de', 'a'), ('de', 'b');
SET ROLE regress_erp;
INSERT INTO in_part VALUES ('de', 1, 'another');
RESET ROLE;
SELECT relation, row_key, column_name, system, outcome, refused, stored, note FROM ownership.disagreements ORDER BY conflict_id;
-- a rejected one, each time that it was tried, is one disagreement
INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, outcome, columns, proposed)
SELECT 'public', 'by_uuid', '{}', 'INSERT', 'crm', 'rejected', '{id,name}', format('{"name": "%s"}', i % 2)::jsonb FROM generate_series(1, 4) i;
SELECT row_key, outcome, refused, note FROM ownership.disagreements WHERE relation = 'by_uuid' ORDER BY conflict_id;
SELECT min(id) AS rejected FROM ownership.conflict WHERE outcome = 'rejected' AND proposed ->> 'name' = '1' \gset
\set VERBOSITY default
SELECT ownership.accept(:rejected);
SELECT ownership.accept(max(id)) FROM ownership.conflict WHERE outcome = 'rejected' AND proposed ->> 'name' = '1';
\set VERBOSITY terse
-- another proposal does not take its place, and is accepted for itself: the database makes the key anew
ALTER SEQUENCE by_serial_id_seq RESTART 200;
SELECT ownership.accept(array_agg(id)) FROM ownership.conflict WHERE table_name IN ('by_serial', 'in_part') AND proposed ->> 'name' = 'a';
SELECT id, name, price, unit FROM by_serial WHERE id >= 200;
SELECT market, name FROM in_part ORDER BY name;
SELECT relation, row_key, refused FROM ownership.disagreements WHERE relation <> 'by_uuid' ORDER BY conflict_id;
-- when it was accepted, and comes again, it is news
SET ROLE regress_crm;
INSERT INTO by_serial (name, price) VALUES ('a', 1);
INSERT INTO by_serial (name, price) VALUES ('a', 1);
RESET ROLE;
SELECT proposed, resolution FROM ownership.conflict WHERE table_name = 'by_serial' ORDER BY id;
-- what went wrong tells of no key that the statement did not name
SELECT ownership.dismiss(ARRAY(SELECT id FROM ownership.conflict WHERE resolution IS NULL)) > 0 AS dismissed;
SELECT count(*) FROM ownership.disagreements;
SELECT event, value FROM ownership.why('by_serial.price', '{"id": 200}') WHERE event IN ('value', 'discarded', 'kept', 'answer') ORDER BY 1;

--
-- The latest evidence for a column is found without looking at what came
-- between: as many index entries are read late as early.
--
TRUNCATE ownership.conflict;
CREATE TABLE item (id int PRIMARY KEY, price numeric, title text, note text, own int DEFAULT 0);
INSERT INTO item VALUES (1, 1, 'erp''s', 'erp''s');
GRANT ALL ON item TO PUBLIC;
SELECT ownership.assign('item', '{id,price,title,note}', 'erp', policy => 'keep'), ownership.assign('item', '{own}', 'crm');
-- looked_at(command): the entries of evidence that it reads
CREATE FUNCTION looked_at(command text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	before bigint := pg_stat_get_xact_tuples_returned('ownership.conflict_row_idx'::regclass);
BEGIN
	EXECUTE command;
	RETURN pg_stat_get_xact_tuples_returned('ownership.conflict_row_idx'::regclass) - before;
END $$;
SET ROLE regress_crm;
BEGIN;
SELECT looked_at('UPDATE item SET price = 1000, title = ''crm''''s''') AS first;
SELECT looked_at('UPDATE item SET price = 1001, title = ''crm''''s''') AS second;
DO $$ BEGIN
	FOR i IN 1 .. 500 LOOP
		UPDATE item SET price = 2000 + i, title = 'crm''s';
		IF i = 250 THEN
			UPDATE item SET note = 'crm''s';
		END IF;
	END LOOP;
END $$;
SELECT looked_at('UPDATE item SET price = 3000, title = ''crm''''s''') AS late;
SELECT looked_at('UPDATE item SET price = 3000, title = ''crm''''s'', note = ''crm''''s''') AS nothing_new;
SELECT looked_at('DELETE FROM item') AS delete;
COMMIT;
RESET ROLE;
SELECT columns, count(*) FROM ownership.conflict GROUP BY 1 ORDER BY 1;
-- evidence is gone: that before it counts
SET ROLE regress_crm;
UPDATE item SET title = 'other';
RESET ROLE;
DELETE FROM ownership.conflict WHERE proposed ->> 'title' = 'other';
SET ROLE regress_crm;
UPDATE item SET title = 'crm''s', note = 'crm''s', price = 3000;
RESET ROLE;
SELECT columns, proposed FROM ownership.conflict WHERE proposed ->> 'title' IS NOT NULL OR proposed ->> 'note' IS NOT NULL ORDER BY id;
-- so it is with what was recorded by 0.1.0, or by hand
TRUNCATE ownership.conflict;
INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, outcome, columns, proposed)
SELECT 'public', 'item', '{"id": 1}', 'UPDATE', 'crm', 'kept', c, p::jsonb
FROM (VALUES (1, '{note}'::name[], '{"note": "old"}'), (2, '{title,price}', '{"price": "5", "title": "old"}'), (3, NULL, '{"price": "7"}'), (4, '{price}', '{"price": "6"}')) v(n, c, p) ORDER BY n;
SET ROLE regress_crm;
UPDATE item SET note = 'old', title = 'old', price = 6;
UPDATE item SET note = 'old', title = 'old', price = 7;
UPDATE item SET note = 'old', title = 'new', price = 7;
UPDATE item SET note = 'old', title = 'new', price = 7;
RESET ROLE;
SELECT columns, proposed FROM ownership.conflict ORDER BY id;
-- a renamed column and table take it along
ALTER TABLE item RENAME note TO remark;
ALTER TABLE item RENAME TO article;
SET ROLE regress_crm;
UPDATE article SET remark = 'old', title = 'new', price = 7;
RESET ROLE;
SELECT count(*) FROM ownership.conflict;
-- always other columns together: a column at a time, from some time on
TRUNCATE ownership.conflict;
CREATE TABLE wide (id int PRIMARY KEY, c1 int, c2 int, c3 int, c4 int, c5 int, c6 int);
INSERT INTO wide VALUES (1);
GRANT ALL ON wide TO PUBLIC;
SELECT ownership.assign('wide', NULL, 'erp', policy => 'keep');
SET ROLE regress_crm;
BEGIN;
DO $$ BEGIN
	FOR i IN 1 .. 300 LOOP
		EXECUTE (SELECT 'UPDATE wide SET ' || string_agg(format('c%s = %s', b + 1, i), ', ') FROM generate_series(0, 5) b WHERE (i % 63 + 1) & (1 << b) <> 0);
	END LOOP;
END $$;
SELECT looked_at('UPDATE wide SET c1 = -1, c2 = -1, c3 = -1, c4 = -1, c5 = -1, c6 = -1') <= 16 + 6 AS few;
COMMIT;
UPDATE wide SET c1 = -1, c2 = -1, c3 = -1, c4 = -1, c5 = -1, c6 = -1;
RESET ROLE;
SELECT count(DISTINCT columns) <= 16 + 6 AS few, count(DISTINCT columns) FILTER (WHERE cardinality(columns) = 1) AS alone FROM ownership.conflict;
SELECT columns, proposed FROM ownership.conflict WHERE proposed::text ~ '-1' ORDER BY 1;
-- of a row that is not deleted, and is not created, apart from what was kept
TRUNCATE ownership.conflict;
SET ROLE regress_crm;
DELETE FROM article;
INSERT INTO article (id, title) VALUES (9, 'x');
UPDATE article SET price = 10;
DELETE FROM article;
INSERT INTO article (id, title) VALUES (9, 'x');
UPDATE article SET price = 10;
RESET ROLE;
SELECT operation, outcome, row_key FROM evidence;
-- unidentified roles are told apart
CREATE ROLE regress_one;
CREATE ROLE regress_two;
TRUNCATE ownership.conflict;
SET ROLE regress_one;
UPDATE article SET price = 11;
SET ROLE regress_two;
UPDATE article SET price = 11;
SET ROLE regress_one;
UPDATE article SET price = 11;
RESET ROLE;
SELECT role FROM ownership.conflict ORDER BY id;

DROP VIEW evidence;
DROP FUNCTION looked_at, fill CASCADE;
DROP TABLE by_serial, by_identity, by_uuid, in_part, by_trigger, keyless, article, wide;
DROP EXTENSION ownership;
DROP ROLE regress_erp, regress_crm, regress_pim, regress_one, regress_two;
