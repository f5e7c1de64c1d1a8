-- Waiting values land in rows: keys that an UPDATE gives, partitions and their defaults,
-- what triggers derive, roles that are switched, and what is remembered briefly.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_pim;
CREATE SCHEMA gl;
GRANT USAGE ON SCHEMA gl TO PUBLIC;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp');
SELECT ownership.add_system('pim', 'pim', role => 'regress_pim');

CREATE TABLE gl.t (id int PRIMARY KEY, name text, title text DEFAULT 'new', stamped int DEFAULT 0) PARTITION BY RANGE (id);
CREATE TABLE gl.t_low PARTITION OF gl.t FOR VALUES FROM (0) TO (10);
CREATE TABLE gl.t_high (LIKE gl.t);	-- without defaults
ALTER TABLE gl.t ATTACH PARTITION gl.t_high FOR VALUES FROM (10) TO (20);
GRANT ALL ON ALL TABLES IN SCHEMA gl TO regress_erp, regress_pim;
SELECT ownership.assign('gl.t', '{id,name}', 'erp', policy => 'keep');
SELECT ownership.assign('gl.t', '{title,stamped}', 'pim', policy => 'fill');
UPDATE ownership.field SET history = true WHERE entity = 'gl.t' AND name IN ('title', 'stamped');
CREATE FUNCTION gl.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.stamped := OLD.stamped + 1; RETURN NEW; END';
CREATE TRIGGER a_stamp BEFORE UPDATE ON gl.t FOR EACH ROW EXECUTE FUNCTION gl.stamp();

CREATE VIEW gl.evidence AS
	SELECT operation, system, role, outcome, row_key, columns, stored, proposed, resolution FROM ownership.conflict WHERE table_schema = 'gl' ORDER BY id;
GRANT SELECT ON gl.evidence TO PUBLIC;

-- PIM's titles wait
SET ROLE regress_pim;
INSERT INTO gl.t (id, title) VALUES (1, 'one'), (2, 'two'), (11, 'eleven'), (12, 'twelve'), (13, 'thirteen');
RESET ROLE;

-- an UPDATE gives a row the key: in its partition, and on its way to another
SET ROLE regress_erp;
INSERT INTO gl.t (id, name) VALUES (5, 'a'), (6, 'b');
UPDATE gl.t SET id = 2 WHERE id = 5;
UPDATE gl.t SET id = 12 WHERE id = 6;
RESET ROLE;
TABLE gl.t ORDER BY id;

-- the default is that of the table which the statement names, and nothing that anybody brought
SET ROLE regress_erp;
INSERT INTO gl.t (id, name) VALUES (11, 'c');
RESET ROLE;
TABLE gl.t ORDER BY id;
TABLE gl.evidence;
-- a value that lands is its system's in the history; what a trigger derives then is the creator's
SELECT system, columns, stored, proposed FROM ownership.history WHERE table_schema = 'gl' AND row_key = '{"id": 11}' ORDER BY id;

-- a role that is switched within the statement is not the writer
SET ROLE regress_erp;
WITH w AS (INSERT INTO gl.t (id, name, title) VALUES (13, 'd', 'mine') RETURNING set_config('role', 'regress_pim', true))
SELECT count(*) FROM w;
RESET ROLE;
SELECT operation, system, role, outcome, columns, stored, proposed FROM gl.evidence WHERE row_key = '{"id": 13}' AND outcome = 'kept';

-- a key that an UPDATE names and does not change brings nothing
SET ownership.enforcement = off;
INSERT INTO gl.t (id, name, title) VALUES (1, 'e', NULL);
RESET ownership.enforcement;
SET ROLE regress_erp;
UPDATE gl.t SET id = id, name = 'f' WHERE id = 1;
RESET ROLE;
SELECT title FROM gl.t WHERE id = 1;

-- remembered until the transaction ends: also what its last command deleted
UPDATE ownership.mirrored_table SET remember = '0' WHERE table_schema = 'gl';
SET ROLE regress_erp;
DELETE FROM gl.t WHERE id = 11;
MERGE INTO gl.t USING (VALUES (12)) AS v (i) ON id = i WHEN MATCHED THEN DELETE;
RESET ROLE;
SELECT count(*) FROM gl.evidence WHERE outcome = 'remembered';
BEGIN;
SET LOCAL ROLE regress_erp;
DELETE FROM gl.t WHERE id = 13;
SELECT count(*) FROM gl.evidence WHERE outcome = 'remembered';
INSERT INTO gl.t (id, name) VALUES (13, 'again');
SELECT title FROM gl.t WHERE id = 13;
COMMIT;
SELECT count(*) FROM gl.evidence WHERE outcome = 'remembered';

DROP SCHEMA gl CASCADE;
DROP EXTENSION ownership;
DROP ROLE regress_erp, regress_pim;
