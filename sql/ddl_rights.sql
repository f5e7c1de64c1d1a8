-- Following DDL needs no rights, gives none, and never fails it: other people's
-- event triggers, hostile names and search paths, triggers on the map.
\set VERBOSITY terse
CREATE EXTENSION ownership;
CREATE ROLE regress_erp;
CREATE ROLE regress_mallory;
CREATE ROLE regress_editor;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm');
CREATE SCHEMA land;
GRANT ALL ON SCHEMA land TO PUBLIC;
INSERT INTO ownership.mirrored_pattern (pattern, source) VALUES ('land.*', 'erp');
CREATE VIEW state AS SELECT relation, guarded, problems FROM ownership.guards ORDER BY relation COLLATE "C";
CREATE VIEW found AS SELECT severity, risk, relation, column_name, detail FROM ownership.risks WHERE risk NOT IN ('silent_owner', 'unowned_key');

--
-- Names
--
CREATE TABLE land."a.b" (id int PRIMARY KEY, "x.y" int, "Ü ""q'
n" text);
CREATE TABLE land."'; DROP TABLE ownership.field; --" ("; DROP" int PRIMARY KEY);
SELECT relation, column_name, guarded FROM ownership.map;
TABLE found;
ALTER TABLE land."a.b" RENAME "Ü ""q'
n" TO "$1 %I %s \";
ALTER TABLE land."a.b" RENAME TO "very long: 12345678901234567890123456789012345678901234567890xyz";
ALTER TABLE land."'; DROP TABLE ownership.field; --" SET SCHEMA public;
ALTER TABLE public."'; DROP TABLE ownership.field; --" RENAME TO " ";
SELECT relation, column_name, guarded FROM ownership.map;
ALTER SCHEMA land RENAME TO "l.*";
CREATE TABLE "l.*".more (id int);	-- the pattern is still that of a schema named land
SELECT pattern FROM ownership.mirrored_pattern;
ALTER SCHEMA "l.*" RENAME TO land;
SELECT relation, guarded FROM state;
DROP TABLE " ", land.more, land."very long: 12345678901234567890123456789012345678901234567890xyz";
DELETE FROM ownership.mirrored_table;
DELETE FROM ownership.field;

--
-- Other people's search_path, operators and settings
--
CREATE SCHEMA evil AUTHORIZATION regress_mallory;
SET ROLE regress_mallory;
CREATE FUNCTION evil.eq(oid, oid) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'evil as %', current_user; END$$;
CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.eq);
CREATE FUNCTION evil.eq(text, text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'evil as %', current_user; END$$;
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.eq);
CREATE FUNCTION evil.jsonb_typeof(jsonb) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'evil as %', current_user; END$$;
SET search_path = evil, pg_catalog, public;
CREATE TABLE land.item (id int PRIMARY KEY, price numeric);
ALTER TABLE land.item RENAME price TO cost;
ALTER TABLE land.item RENAME TO article;
BEGIN;
ALTER TABLE land.article RENAME TO article_old;
CREATE TABLE land.article (id int PRIMARY KEY, cost numeric);
DROP TABLE land.article_old;
COMMIT;
RESET search_path;
SET check_function_bodies = off;	-- as if a dump was restored: the guard is not created, which shows
DROP TABLE land.article;
CREATE TABLE land.article (id int PRIMARY KEY, cost numeric);
RESET check_function_bodies;
RESET ROLE;
TABLE state;
TABLE found;
SELECT ownership.guard('land.article');

--
-- The functions that write bindings are of no use elsewhere
--
SET ROLE regress_mallory;
CREATE TABLE evil.mirrored_table (table_schema text, table_name text);
CREATE TRIGGER bind AFTER DELETE ON evil.mirrored_table FOR EACH ROW EXECUTE FUNCTION ownership.mirrored_table_bind();
CREATE TABLE evil.identity (kind text, name text);
CREATE TRIGGER bind BEFORE INSERT ON evil.identity FOR EACH ROW EXECUTE FUNCTION ownership.identity_bind();
CREATE TRIGGER settle AFTER INSERT ON evil.identity FOR EACH ROW EXECUTE FUNCTION ownership.ddl_settle();
CREATE TRIGGER readers AFTER INSERT ON evil.identity FOR EACH ROW EXECUTE FUNCTION ownership.pattern_readers();
UPDATE ownership.bound_table SET guarded = false;
INSERT INTO ownership.ddl_queue VALUES (1259, 1, NULL, NULL, true, true, '{}');
SELECT ownership.ddl_end();
RESET ROLE;

--
-- Code of somebody who may create triggers on the map does not run as its owner
--
GRANT ALL ON ALL TABLES IN SCHEMA ownership TO regress_editor;
GRANT ALL ON SCHEMA evil TO regress_editor;
SET ROLE regress_editor;
CREATE FUNCTION evil.grab() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE WARNING 'evil as %', current_user; RETURN NEW; END$$;
CREATE TRIGGER grab BEFORE UPDATE ON ownership.mirrored_table FOR EACH ROW EXECUTE FUNCTION evil.grab();
RESET ROLE;
ALTER TABLE land.article RENAME TO item;
TABLE found;
DROP TRIGGER grab ON ownership.mirrored_table;
-- nor in a trigger's condition, nor on the history that his edits leave
SET ROLE regress_editor;
CREATE FUNCTION evil.look(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE WARNING 'evil as %', current_user; RETURN false; END$$;
CREATE TRIGGER look BEFORE INSERT ON ownership.mirrored_table FOR EACH ROW WHEN (evil.look(NEW.table_name)) EXECUTE FUNCTION suppress_redundant_updates_trigger();
RESET ROLE;
CREATE TABLE land.condition (id int PRIMARY KEY);
DROP TRIGGER look ON ownership.mirrored_table;
SET ROLE regress_editor;
CREATE TRIGGER grab BEFORE INSERT ON ownership.map_history FOR EACH ROW EXECUTE FUNCTION evil.grab();
RESET ROLE;
ALTER TABLE land.condition RENAME TO condition_2;
DROP TRIGGER grab ON ownership.map_history;
DROP TABLE land.condition_2;
DELETE FROM ownership.mirrored_table WHERE table_name LIKE 'condition%';
DELETE FROM ownership.field WHERE entity LIKE 'land.condition%';
ALTER TABLE land.item RENAME cost TO price;	-- and it catches up
TABLE state;

--
-- Whoever forbids DDL by event triggers of his own is heard, and the risk told
--
CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'no triggers today'; END$$;
CREATE EVENT TRIGGER regress_forbid ON ddl_command_start WHEN TAG IN ('CREATE TRIGGER') EXECUTE FUNCTION forbid();
DROP TABLE land.item;
CREATE TABLE land.item (id int PRIMARY KEY, price numeric);
TABLE found;
-- several tables: each is told about, and what can be done is
DROP TABLE land.item;
DO $$BEGIN
	CREATE TABLE land.item (id int PRIMARY KEY, price numeric);
	CREATE TABLE land.second (id int PRIMARY KEY, ". " int);
END$$;
TABLE state;
SELECT relation, column_name FROM ownership.map WHERE relation IN ('land.item', 'land.second');
SELECT count(*) FROM ownership.ddl_queue;
DROP TABLE land.second;
DELETE FROM ownership.mirrored_table WHERE table_name = 'second';
DROP EVENT TRIGGER regress_forbid;
SELECT ownership.guard('land.item');
-- one that looks on sees what happens, as the table's owner
CREATE TABLE seen (who name, tag text);
GRANT INSERT ON seen TO PUBLIC;
CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO public.seen VALUES (current_user, tg_tag); END$$;
CREATE EVENT TRIGGER regress_note ON ddl_command_end EXECUTE FUNCTION note();
SET ROLE regress_mallory;
CREATE TABLE land.vendor (id int PRIMARY KEY);
RESET ROLE;
TABLE seen;
DROP EVENT TRIGGER regress_note;
TABLE state;

--
-- The map is damaged: DDL goes on
--
ALTER TABLE ownership.ddl_queue RENAME TO ddl_queue_gone;
ALTER TABLE land.item ADD note text;
ALTER TABLE ownership.ddl_queue_gone RENAME TO ddl_queue;
ALTER TABLE ownership.former_table RENAME TO former_gone;
ALTER TABLE land.item RENAME TO item2;
ALTER TABLE ownership.former_gone RENAME TO former_table;
SELECT risk, relation FROM found;
ALTER TABLE land.item2 RENAME TO item;
TABLE state;

--
-- Restored rows of the map: any order, and what is missing then shows
--
SET check_function_bodies = off;
INSERT INTO ownership.mirrored_column VALUES ('land', 'later', 'x', 'land.later', 'x');
INSERT INTO ownership.identity (kind, name, system) VALUES ('origin', 'restored', 'mdm');
RESET check_function_bodies;
INSERT INTO ownership.identity (kind, name, system) VALUES ('origin', 'other', 'mdm');
TABLE found;
INSERT INTO ownership.field (entity, name, owner) VALUES ('land.later', 'x', 'erp');
INSERT INTO ownership.mirrored_table VALUES ('land', 'later');
INSERT INTO ownership.system (name) VALUES ('mdm');
TABLE found;
DELETE FROM ownership.system WHERE name = 'mdm';
DELETE FROM ownership.identity WHERE name = 'restored';
DELETE FROM ownership.system WHERE name = 'mdm';

DROP EXTENSION ownership CASCADE;
DROP SCHEMA land, evil CASCADE;
DROP TABLE seen;
DROP FUNCTION note, forbid;
DROP ROLE regress_erp, regress_mallory, regress_editor;
