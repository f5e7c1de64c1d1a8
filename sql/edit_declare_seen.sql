-- declare_seen(): who was seen reading or writing becomes a declared reader or writer; and the risks that it settles.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm'), ownership.add_system('pim', 'pim'), ownership.add_system('bi', 'bi'), ownership.add_system('shop', 'storefront');
CREATE TABLE product (id int PRIMARY KEY, price numeric, title text, note text, size text);
CREATE SCHEMA shop;
CREATE TABLE shop.variant (id int PRIMARY KEY, price numeric, "max-size" text);
SELECT ownership.assign('product', NULL, 'erp', readers => '{crm}'), ownership.add_tables('shop.*', source => 'shop');
SELECT ownership.link('product.price', '{shop.variant.price}');
CREATE VIEW found AS SELECT severity, risk, entity, field, systems, detail, advice FROM ownership.risks WHERE risk IN ('contested', 'silent_owner', 'undeclared_writer', 'undeclared_reader');
-- nothing was seen
SELECT ownership.declare_seen(), ownership.declare_seen('*', 'write');

--
-- Who reads is one row a system, however much it reads.
--
INSERT INTO ownership.activity (table_schema, table_name, column_name, system, reads)
	SELECT table_schema, table_name, column_name, 'bi', length(column_name) FROM ownership.mirrored_column;
-- the owner, a declared reader and somebody unidentified
INSERT INTO ownership.activity (table_schema, table_name, column_name, system, reads)
	VALUES ('public', 'product', 'price', 'erp', 9), ('public', 'product', 'price', 'crm', 9), ('public', 'product', 'price', NULL, 9);
-- one field only; a declared writer may read
INSERT INTO ownership.activity (table_schema, table_name, column_name, system, reads) VALUES ('public', 'product', 'title', 'pim', 1), ('public', 'product', 'note', 'pim', 1);
INSERT INTO ownership.declared_access VALUES ('product', 'note', 'pim', 'write');
UPDATE ownership.field SET policy = 'fill' WHERE name = 'note';
SELECT * FROM found \gx
-- by fields, by tables and by the rest; what is declared stays, and is declared once
SELECT ownership.declare_seen('product.title');
SELECT * FROM found \gx
SELECT ownership.declare_seen('shop.*'), ownership.declare_seen('nothing'), ownership.declare_seen('product', 'write');
SELECT entity, field, system, mode FROM ownership.declared_access WHERE system = 'bi' ORDER BY entity COLLATE "C", field COLLATE "C";
SELECT ownership.declare_seen();
TABLE found;
SELECT ownership.declare_seen();
SELECT system, mode, count(*) FROM ownership.declared_access GROUP BY 1, 2 ORDER BY system COLLATE "C", mode COLLATE "C";
SELECT map_table, change->>'system' AS system, count(*) FROM (SELECT map_table, coalesce(new, old) AS change FROM ownership.map_history) h WHERE map_table = 'declared_access' AND change->>'system' = 'bi' GROUP BY 1, 2;

--
-- Writers must be asked for: those who write what another system owns, and those who tried.
--
DELETE FROM ownership.activity;
DELETE FROM ownership.declared_access;
UPDATE ownership.field SET policy = NULL WHERE name = 'note';
INSERT INTO ownership.activity (table_schema, table_name, column_name, system, writes, observed, kept, filled, overridden, last_write) VALUES
	('public', 'product', 'price', 'erp', 5, 0, 0, 0, 0, '2026-01-02'), ('public', 'product', 'price', 'crm', 2, 2, 0, 0, 0, '2026-01-02'),
	('public', 'product', 'title', 'pim', 0, 0, 3, 0, 0, '2026-01-02'), ('public', 'product', 'title', 'erp', 1, 0, 0, 0, 0, '2026-01-02'), ('public', 'product', 'title', NULL, 1, 1, 0, 0, 0, '2026-01-02'),
	('public', 'product', 'note', 'pim', 1, 0, 0, 1, 0, '2026-01-02'), ('public', 'product', 'note', 'crm', 1, 0, 0, 0, 4, '2026-01-02'),
	('public', 'product', 'size', 'crm', 1, 1, 0, 0, 0, '2026-01-02'), ('shop', 'variant', 'price', 'shop', 7, 0, 0, 0, 0, '2026-01-02');
UPDATE ownership.field SET local = true WHERE name = 'size';
SELECT field, risk, systems, advice FROM found;
SELECT ownership.declare_seen();
SELECT ownership.declare_seen('*', 'write');
SELECT * FROM ownership.declared_access ORDER BY field COLLATE "C";
-- declared or not, several systems write them
SELECT field, risk, systems, detail, advice FROM found;

--
-- Errors, and who may.
--
SELECT ownership.declare_seen(NULL);
SELECT ownership.declare_seen('*', NULL);
SELECT ownership.declare_seen('*', 'reads');
DELETE FROM ownership.declared_access;
CREATE ROLE regress_anna;
SET ROLE regress_anna;
SELECT ownership.declare_seen('*', 'write');
RESET ROLE;
GRANT INSERT ON ownership.declared_access TO regress_anna;
SET ROLE regress_anna;
SELECT ownership.declare_seen('*', 'write');
RESET ROLE;

DROP EXTENSION ownership CASCADE;
DROP SCHEMA shop CASCADE;
DROP TABLE product;
DROP OWNED BY regress_anna;
DROP ROLE regress_anna;
