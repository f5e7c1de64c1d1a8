-- The map's own history: every change of the map, by whatever way, and nothing
-- else; nobody needs a privilege on it to be in it, and nobody forges it.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_steward;
CREATE TABLE product (id int PRIMARY KEY, price numeric, title text);
CREATE VIEW latest AS
	SELECT nullif(role, session_user) AS role, map_table, item, entity, field, old, new FROM ownership.map_history
	WHERE id > coalesce(nullif(current_setting('my.last', true), ''), '0')::bigint
	ORDER BY map_table COLLATE "C", item COLLATE "C", old, new;
CREATE FUNCTION seen() RETURNS void LANGUAGE sql AS $$SELECT set_config('my.last', (SELECT max(id)::text FROM ownership.map_history), false)$$;

-- what the extension brings along was decided by nobody
SELECT count(*) FROM ownership.map_history;

--
-- Functions.
--
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', title => 'The CRM');
INSERT INTO ownership.domain (name, natural_owner) VALUES ('my domain', '{erp,"a b"}');
TABLE latest;
SELECT seen();
SELECT ownership.assign('product', '{id,price}', 'erp', readers => '{crm}', writers => '{crm}', policy => 'keep', domain => 'my domain', rationale => 'as decided');
SELECT ownership.assign_rows('product', '{price}', 'crm', 'price > 100');
TABLE latest;
SELECT seen();
-- the same again changes nothing
SELECT ownership.assign('product', '{id,price}', 'erp', readers => '{crm}', writers => '{crm}', policy => 'keep', domain => 'my domain', rationale => 'as decided');
TABLE latest;

--
-- Plain SQL: the columns that changed, as they were and as they are.
--
UPDATE ownership.field SET owner = NULL, policy = 'reject', decided_on = '2024-03-01', decided_by = 'me' WHERE name = 'price';
SET DateStyle = 'German';
UPDATE ownership.field SET decided_on = '2.3.2024' WHERE name = 'price';
RESET DateStyle;
UPDATE ownership.mirrored_table SET source = 'erp';
UPDATE ownership.row_owner SET owner = NULL;
UPDATE ownership.identity SET strict = true;
-- an update that changes nothing is no change
UPDATE ownership.field SET owner = owner;
UPDATE ownership.system SET title = 'The CRM' WHERE name = 'crm';
TABLE latest;
SELECT seen();

--
-- What later tables are to be.
--
INSERT INTO ownership.mirrored_pattern (pattern, source) VALUES ('land.*', 'erp');
UPDATE ownership.mirrored_pattern SET owner = 'crm';
DELETE FROM ownership.mirrored_pattern;
TABLE latest;
SELECT seen();

--
-- The spreadsheet: what differs, and no more.
--
COPY ownership.sheet FROM STDIN (FORMAT csv);
product,price,my domain,erp,,crm,product.price,reject,f,f,as decided,me,2024-03-02,
product,id,my domain,erp,crm,crm,product.id,keep,t,f,as decided,,,
product,title,,,,,,,f,f,,,,
\.
TABLE latest;
SELECT seen();

--
-- What comes down a foreign key: renames, and rows that go with others.
--
UPDATE ownership.system SET name = 'sap' WHERE name = 'erp';
TABLE latest;
SELECT seen();
-- a reader stays told from a writer
BEGIN;
UPDATE ownership.system SET name = 'sales' WHERE name = 'crm';
TABLE latest;
SELECT decided, old, new, items, sample FROM ownership.decisions WHERE new = 'sales' ORDER BY decided COLLATE "C";
ROLLBACK;
UPDATE ownership.field SET entity = 'article' WHERE name = 'title';
DELETE FROM ownership.mirrored_table;
TABLE latest;
SELECT seen();

--
-- Rolled back, nothing was decided.
--
BEGIN;
SAVEPOINT a;
UPDATE ownership.field SET owner = 'crm';
ROLLBACK TO a;
UPDATE ownership.field SET owner = 'crm' WHERE name = 'title';
COMMIT;
TABLE latest;
SELECT seen();

--
-- Editors need no privilege on the history, and have none.  The role is that
-- of SET ROLE, also in a function that runs as another one; the login stays.
--
GRANT SELECT, INSERT, UPDATE, DELETE ON ownership.field TO regress_steward;
CREATE FUNCTION decide() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$UPDATE ownership.field SET owner = 'sap' WHERE name = 'title'$$;
SET ROLE regress_steward;
UPDATE ownership.field SET policy = 'fill' WHERE name = 'title';
SELECT decide();
SELECT count(*) FROM ownership.map_history;
SELECT count(*) FROM ownership.decisions;
INSERT INTO ownership.map_history (changed_at, map_table, item) VALUES (now(), 'field', 'x');
UPDATE ownership.map_history SET role = 'somebody else';
DELETE FROM ownership.map_history;
TRUNCATE ownership.map_history;
SELECT nextval('ownership.map_history_id_seq');
-- nor do settings hide what one does, as they do for who restores a dump
SET check_function_bodies = off;
UPDATE ownership.field SET policy = 'observe' WHERE name = 'title';
SELECT decide();
UPDATE ownership.field SET owner = 'crm' WHERE name = 'title';
SELECT decide();
RESET check_function_bodies;
RESET ROLE;
TABLE latest;
SELECT count(*) = 0 AS login_is_the_same FROM ownership.map_history WHERE login IS DISTINCT FROM session_user;
SELECT seen();
-- the trigger function serves no table of the steward's own
GRANT CREATE ON SCHEMA public TO regress_steward;
SET ROLE regress_steward;
CREATE TABLE field (entity text, name text, owner text);
CREATE TRIGGER forge AFTER INSERT ON field FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
DROP TABLE field;
RESET ROLE;
TABLE latest;

--
-- In replica mode, and TRUNCATE.
--
SET session_replication_role = replica;
UPDATE ownership.field SET policy = NULL WHERE name = 'title';
RESET session_replication_role;
TRUNCATE ownership.declared_access, ownership.row_owner;
TABLE latest;
SELECT seen();

--
-- What a DBA puts on the table works.
--
CREATE INDEX by_owner ON ownership.map_history ((new ->> 'owner')) WHERE map_table = 'field';
ALTER TABLE ownership.map_history ADD reviewed boolean DEFAULT false;
UPDATE ownership.field SET owner = NULL WHERE name = 'title';
UPDATE ownership.field SET owner = 'sap' WHERE name = 'title';
SET enable_seqscan = off;
SELECT item, old, new FROM ownership.map_history WHERE map_table = 'field' AND new ->> 'owner' = 'sap' AND id > current_setting('my.last')::bigint;
RESET enable_seqscan;
DROP INDEX ownership.by_owner;
ALTER TABLE ownership.map_history DROP reviewed;

--
-- For people: one row a decision.
--
SELECT decided, old, new, items, sample FROM ownership.decisions ORDER BY decided COLLATE "C", old COLLATE "C", new COLLATE "C", sample;

DROP VIEW latest;
DROP FUNCTION seen, decide;
DROP EXTENSION ownership CASCADE;
DROP TABLE product;
REVOKE ALL ON SCHEMA public FROM regress_steward;
DROP ROLE regress_erp, regress_steward;
