-- Who writes what another system owns: one risk a field, and none where it is nobody's quarrel.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm'), ownership.add_system('pim', 'pim'), ownership.add_system('shop', 'storefront');
CREATE TABLE product (id int PRIMARY KEY, price numeric, title text, note text, size text, mood text);
SELECT ownership.assign('product', NULL, 'erp');
CREATE VIEW found AS SELECT severity, risk, entity || '.' || field AS field, systems, detail, advice FROM ownership.risks
	WHERE risk IN ('contested', 'silent_owner', 'undeclared_writer');
-- as the worker writes it, when the library is preloaded
CREATE FUNCTION seen(tab text, col text, sys text, writes int, observed int DEFAULT 0, filled int DEFAULT 0, kept int DEFAULT 0, overridden int DEFAULT 0) RETURNS void
LANGUAGE sql BEGIN ATOMIC
	INSERT INTO ownership.activity (table_schema, table_name, column_name, system, writes, observed, filled, kept, overridden, first_seen, last_write)
	VALUES ('public', tab, col, sys, writes, observed, filled, kept, overridden, '2026-01-02', '2026-01-03');
END;

--
-- What is local does not cross a boundary: no quarrel, declared or seen.
--
UPDATE ownership.field SET local = true, owner = NULL WHERE name = 'mood';
INSERT INTO ownership.declared_access VALUES ('product', 'mood', 'crm', 'write'), ('product', 'mood', 'pim', 'write');
SELECT seen('product', 'mood', 'shop', 3), seen('product', 'mood', NULL, 3);
TABLE found;
UPDATE ownership.field SET owner = 'erp' WHERE name = 'mood';
TABLE found;
UPDATE ownership.field SET local = false WHERE name = 'mood';
SELECT severity, risk, systems FROM found;
DELETE FROM ownership.declared_access;
DELETE FROM ownership.activity;
TABLE found;

--
-- What fills a blank takes nothing from the owner; what overwrites does.
--
UPDATE ownership.field SET policy = 'fill' WHERE name = 'note';
SELECT seen('product', 'note', 'erp', 4), seen('product', 'note', 'crm', 2, filled => 5);
TABLE found;
INSERT INTO ownership.declared_access VALUES ('product', 'note', 'pim', 'write');
TABLE found;
UPDATE ownership.field SET policy = 'create_only' WHERE name = 'note';
TABLE found;
UPDATE ownership.field SET policy = NULL WHERE name = 'note';
SELECT severity, risk, systems FROM found;
DELETE FROM ownership.declared_access;
-- it also tried to overwrite
UPDATE ownership.activity SET kept = 1 WHERE system = 'crm';
SELECT severity, risk, systems, detail FROM found;
-- it overwrote, when the policy was another
UPDATE ownership.activity SET kept = 0, observed = 1, writes = 3 WHERE system = 'crm';
SELECT severity, risk, systems, detail FROM found;
UPDATE ownership.activity SET observed = 0, writes = 6 WHERE system = 'crm';
SELECT severity, risk, systems FROM found;
DELETE FROM ownership.activity;

--
-- One row a field, named by the first that holds: several writers, one that
-- nobody declared, an owner who never writes.  It tells all of it.
--
SELECT seen('product', 'price', 'erp', 1), seen('product', 'price', 'crm', 2, observed => 2), seen('product', 'price', 'pim', 0, kept => 3);
SELECT * FROM found \gx
-- an owner who never writes
UPDATE ownership.activity SET writes = 0 WHERE system = 'erp';
SELECT * FROM found \gx
-- refused only
DELETE FROM ownership.activity WHERE system = 'crm';
SELECT * FROM found \gx
-- somebody unidentified
SELECT seen('product', 'price', NULL, 1, observed => 1);
SELECT * FROM found \gx
DELETE FROM ownership.activity WHERE system IS NOT NULL;
SELECT * FROM found \gx
SELECT seen('product', 'price', 'erp', 1);
SELECT * FROM found \gx
-- who writes where nobody is the owner
UPDATE ownership.field SET owner = NULL WHERE name = 'price';
DELETE FROM ownership.activity WHERE system IS NULL;
SELECT * FROM found \gx
INSERT INTO ownership.declared_access VALUES ('product', 'price', 'erp', 'write');
TABLE found;
-- nobody is told to stop what is his own
UPDATE ownership.field SET owner = 'erp' WHERE name = 'price';
TABLE found;
DELETE FROM ownership.declared_access;
-- who owns some of the rows writes his own
SELECT ownership.assign_rows('product', '{price}', 'crm', 'id > 5');
SELECT seen('product', 'price', 'crm', 7, kept => 1);
TABLE found;
DELETE FROM ownership.row_owner;
SELECT severity, risk, systems FROM found;
-- a steward writes everything
DELETE FROM ownership.activity;
SELECT seen('product', 'price', 'crm', 7, overridden => 9);
TABLE found;
DELETE FROM ownership.activity;

--
-- A source may overwrite in its own copy what another system owns: assign()
-- tells, and so do risks when it does, unless the field is mirrored elsewhere.
--
CREATE SCHEMA shop;
CREATE TABLE shop.variant (id int PRIMARY KEY, price numeric, size text, mood text);
SET client_min_messages = notice;
\set VERBOSITY default
SELECT ownership.add_tables('shop.*', source => 'shop');
SELECT ownership.assign('shop.variant', '{price,size}', 'erp');
SELECT ownership.assign('shop.variant', '{size}', 'shop');
SELECT ownership.assign_rows('shop.variant', '{mood}', 'crm', 'id > 5');
SELECT ownership.add_tables('shop.*', source => 'shop', owner => 'erp');
\set VERBOSITY terse
SELECT seen('variant', 'price', 'shop', 4), seen('variant', 'size', 'shop', 4);
UPDATE ownership.activity SET table_schema = 'shop' WHERE table_name = 'variant';
SELECT * FROM found \gx
-- the source's writes are no intrusion, and would not be refused
SELECT systems FROM ownership.matrix WHERE field = 'price' AND entity = 'shop.variant';
SELECT count(*) FROM ownership.readiness;
-- its copies can be compared
SELECT ownership.link('product.price', '{shop.variant.price}');
TABLE found;
SELECT ownership.assign('shop.variant', '{price}', 'erp');
-- of two copies that are both its own
CREATE TABLE shop.offer (id int PRIMARY KEY, price numeric);
DELETE FROM ownership.mirrored_column WHERE table_name = 'product' AND column_name = 'price';
UPDATE ownership.mirrored_column SET entity = 'product', field = 'price' WHERE table_name = 'offer' AND column_name = 'price';
SELECT risk, systems FROM found;
SELECT ownership.assign('shop.variant', '{price}', 'erp');
-- a shared table is guarded
UPDATE ownership.mirrored_table SET source = NULL WHERE table_schema = 'shop';
SELECT ownership.assign('shop.variant', '{price}', 'erp');

DROP EXTENSION ownership CASCADE;
DROP SCHEMA shop CASCADE;
DROP TABLE product;
