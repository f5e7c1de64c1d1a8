-- Roles of systems that the guard cannot hold back, and what they swap in.
CREATE EXTENSION ownership;
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_owner;
CREATE ROLE regress_etl;
CREATE ROLE regress_dba;
CREATE ROLE regress_super SUPERUSER;
CREATE SCHEMA stage;
GRANT CREATE, USAGE ON SCHEMA stage TO PUBLIC;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm'), ownership.add_system('pim', 'pim');
SELECT ownership.identify('erp', role => 'regress_dba', steward => true), ownership.identify(NULL, role => 'regress_etl', carrier => true);
CREATE TABLE stage.product (id int PRIMARY KEY, price numeric, title text, note text);
SELECT ownership.assign('stage.product', NULL, 'erp'), ownership.assign('stage.product', '{note}', 'crm');
CREATE VIEW found AS SELECT severity, relation, systems, detail, advice FROM ownership.risks WHERE risk = 'foreign_loader';
GRANT SELECT ON found TO PUBLIC;
TABLE found;

-- its role owns the table
ALTER TABLE stage.product OWNER TO regress_crm;
SELECT * FROM found \gx
-- where nothing is another system's it may
UPDATE ownership.field SET owner = 'crm' WHERE owner = 'erp';
TABLE found;
SELECT ownership.assign_rows('stage.product', '{note}', 'pim', 'id > 5');
SELECT detail FROM found;
DELETE FROM ownership.row_owner;
UPDATE ownership.field SET owner = 'erp' WHERE name <> 'note';
-- by membership, with and without INHERIT
ALTER TABLE stage.product OWNER TO regress_owner;
TABLE found;
GRANT regress_owner TO regress_crm;
SELECT detail, advice FROM found;
ALTER ROLE regress_crm NOINHERIT;
SELECT count(*) FROM found;
ALTER ROLE regress_crm INHERIT;
REVOKE regress_owner FROM regress_crm;
-- the owner writes as the system
GRANT regress_crm TO regress_owner;
SELECT detail, advice FROM found;
REVOKE regress_crm FROM regress_owner;
-- a partition, or a child
CREATE TABLE stage.part (id int PRIMARY KEY, price numeric) PARTITION BY RANGE (id);
CREATE TABLE stage.part_1 PARTITION OF stage.part FOR VALUES FROM (0) TO (10);
SELECT ownership.assign('stage.part', NULL, 'erp');
ALTER TABLE stage.part_1 OWNER TO regress_crm;
SELECT relation, systems, detail FROM found;
DROP TABLE stage.part;
DELETE FROM ownership.mirrored_table WHERE table_name = 'part';
-- a steward may write every field
ALTER TABLE stage.product OWNER TO regress_dba;
TABLE found;
-- a carrier is no system on a shared table; its own copies are the source's
ALTER TABLE stage.product OWNER TO regress_etl;
SELECT systems, detail, advice FROM found;
UPDATE ownership.mirrored_table SET source = 'erp';
SELECT systems, detail FROM found;
-- a source may write its own copy of what others hold, too
ALTER TABLE stage.product OWNER TO regress_erp;
CREATE TABLE stage.note (id int PRIMARY KEY, note text);
SELECT systems FROM found;
SELECT ownership.link('stage.product.note', '{stage.note.note}');
TABLE found;
DROP TABLE stage.note;
DELETE FROM ownership.mirrored_table WHERE table_name = 'note';
UPDATE ownership.mirrored_table SET source = NULL;
-- everywhere
ALTER TABLE stage.product OWNER TO regress_owner;
SELECT ownership.identify('pim', role => 'regress_super');
GRANT SET ON PARAMETER ownership.enforcement TO regress_crm;
SELECT * FROM found \gx
GRANT SET ON PARAMETER ownership.default_policy TO regress_crm;
SELECT detail, advice FROM found WHERE systems = '{crm}';
REVOKE SET ON PARAMETER ownership.enforcement, ownership.default_policy FROM regress_crm;
DELETE FROM ownership.identity WHERE name = 'regress_super';
-- another role of that name is not the system's
ALTER TABLE stage.product OWNER TO regress_crm;
SELECT count(*) FROM found;
SET ROLE regress_erp;
SELECT count(*) FROM found;
RESET ROLE;

--
-- A table swap by such a role puts in values that nobody judged: the commit tells whose.
--
GRANT ALL ON stage.product TO PUBLIC;
SET ROLE regress_crm;
CREATE TABLE stage.product_new (LIKE stage.product INCLUDING ALL);
INSERT INTO stage.product_new VALUES (1, 1, 'a', 'a');
BEGIN;
ALTER TABLE stage.product RENAME TO product_old;
ALTER TABLE stage.product_new RENAME TO product;
DROP TABLE stage.product_old;
COMMIT;
-- dropped and created anew
BEGIN;
DROP TABLE stage.product;
CREATE TABLE stage.product AS SELECT 1 AS id, 2.0 AS price, 'b' AS title, 'b' AS note;
COMMIT;
-- in two transactions
DROP TABLE stage.product;
CREATE TABLE stage.product (id int PRIMARY KEY, title text, note text);
INSERT INTO stage.product (note) SELECT 'c' WHERE false;
DROP TABLE stage.product;
CREATE TABLE stage.product AS SELECT 1 AS id, 'b' AS note;
-- nothing of anybody else is in it
DROP TABLE stage.product;
CREATE TABLE stage.product AS SELECT 'b' AS note;
-- an empty one; what comes then is judged
DROP TABLE stage.product;
CREATE TABLE stage.product (id int PRIMARY KEY, price numeric, title text, note text);
INSERT INTO stage.product VALUES (1, 1, 'a', 'a');
RESET ROLE;
-- nobody
CREATE ROLE regress_nobody;
ALTER TABLE stage.product OWNER TO regress_nobody;
SET ROLE regress_nobody;
DROP TABLE stage.product;
CREATE TABLE stage.product AS SELECT 1 AS id, 'b' AS note;
RESET ROLE;
-- a steward, and a superuser
SET ROLE regress_dba;
RESET ROLE;
ALTER TABLE stage.product OWNER TO regress_dba;
SET ROLE regress_dba;
DROP TABLE stage.product;
CREATE TABLE stage.product AS SELECT 1 AS id, 'b' AS note;
RESET ROLE;
DROP TABLE stage.product;
CREATE TABLE stage.product AS SELECT 1 AS id, 'b' AS note;
-- a source loads its own copy, unless another system's values are only there
UPDATE ownership.mirrored_table SET source = 'erp';
DROP TABLE stage.product;
SET ROLE regress_erp;
CREATE TABLE stage.product AS SELECT 1 AS id, 2.0 AS price, 'b' AS title, 'b' AS note;
DROP TABLE stage.product;
RESET ROLE;
UPDATE ownership.field SET owner = 'erp';
SET ROLE regress_erp;
CREATE TABLE stage.product AS SELECT 1 AS id, 2.0 AS price, 'b' AS title, 'b' AS note;
DROP TABLE stage.product;
RESET ROLE;
-- a session that is no system at all
SET ownership.system = 'nobody knows';
CREATE TABLE stage.product AS SELECT 1 AS id, 2.0 AS price, 'b' AS title, 'b' AS note;
RESET ownership.system;
SELECT relation, guarded FROM ownership.guards WHERE relation = 'stage.product';
-- many fields
UPDATE ownership.mirrored_table SET source = NULL;
SELECT format('CREATE TABLE stage.wide (%s)', string_agg('c' || n || ' int', ', ')) FROM generate_series(10, 40) n \gexec
SELECT ownership.assign('stage.wide', NULL, 'erp');
ALTER TABLE stage.wide OWNER TO regress_crm;
SET ROLE regress_crm;
BEGIN;
CREATE TABLE stage.wide_new (LIKE stage.wide);
INSERT INTO stage.wide_new DEFAULT VALUES;
DROP TABLE stage.wide;
ALTER TABLE stage.wide_new RENAME TO wide;
COMMIT;
RESET ROLE;

DROP EXTENSION ownership CASCADE;
DROP SCHEMA stage CASCADE;
DROP ROLE regress_erp, regress_crm, regress_owner, regress_etl, regress_dba, regress_super, regress_nobody;
