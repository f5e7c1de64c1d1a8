-- Pictures: what is drawn, in an order that does not change, with every name
-- escaped; and what a page leaves out.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
-- an empty map
SELECT ownership.diagram();
SELECT ownership.diagram('dot');
SELECT ownership.diagram('png');

CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text, free text, secret text);
CREATE TABLE orders (id int PRIMARY KEY, status text);
SELECT ownership.add_system('erp', 'erp', title => 'The ERP'), ownership.add_system('crm', 'crm'), ownership.add_system('shop', 'storefront'), ownership.add_system('bi', 'bi');
SELECT ownership.assign('product', '{sku,price}', 'erp', readers => '{crm,shop}'), ownership.assign('product', '{title}', 'crm', writers => '{shop}'),
	ownership.assign('product', '{free,secret}', NULL, writers => '{shop}'), ownership.assign('orders', '{id}', 'shop'), ownership.assign('orders', '{status}', 'erp');
SELECT ownership.assign_rows('orders', '{status}', 'shop', $$status = 'cart'$$);
-- local fields need no owner
UPDATE ownership.field SET local = true WHERE name = 'secret';

--
-- As declared.
--
SELECT ownership.diagram();

-- without what is read: a system that only reads is no node then
BEGIN;
INSERT INTO ownership.declared_access VALUES ('orders', 'id', 'bi', 'read');
SELECT ownership.diagram(reads => true);
SELECT ownership.diagram(reads => false);
SELECT ownership.diagram('dot', false);
ROLLBACK;

--
-- As seen: the CRM intrudes, somebody does whom nobody knows, the storefront
-- writes orders in its rows and was refused in others.  Whoever owns or
-- writes a field may be taken to read it.
--
INSERT INTO ownership.activity (table_schema, table_name, column_name, system, reads, writes, kept) VALUES
	('public', 'product', 'price', 'erp', 3, 2, 0), ('public', 'product', 'price', 'crm', 3, 2, 1), ('public', 'product', 'price', NULL, 1, 1, 0),
	('public', 'product', 'title', 'bi', 1, 0, 0), ('public', 'product', 'sku', 'bi', 0, 0, 4), ('public', 'product', 'title', 'shop', 1, 1, 0),
	('public', 'product', 'free', 'crm', 0, 1, 0), ('public', 'orders', 'status', 'shop', 5, 6, 0);
SELECT entity, field, systems FROM ownership.matrix WHERE entity = 'orders';
UPDATE ownership.activity SET rejected = 2 WHERE column_name = 'status';
SELECT entity, field, systems FROM ownership.matrix WHERE entity = 'orders';
SELECT ownership.diagram('Mermaid');
SELECT ownership.diagram('dot');
SELECT ownership.diagram(reads => false);
SELECT ownership.diagram(NULL, NULL) = ownership.diagram('mermaid', true);
SELECT ownership.diagram() = ownership.diagram() AND ownership.diagram('dot') = ownership.diagram('dot');

--
-- Names are never markup.
--
DELETE FROM ownership.activity;
DELETE FROM ownership.mirrored_table;
DELETE FROM ownership.field;
DELETE FROM ownership.system;
INSERT INTO ownership.system (name, kind, title) VALUES ('<b>&amp#35\N', '`*_', E'"]\n-->|x| e1["');
INSERT INTO ownership.field (entity, name, owner) VALUES (E'\\"];}\ndrop <i>\u202e', 'x', '<b>&amp#35\N');
SELECT ownership.diagram();
SELECT ownership.diagram('dot');

--
-- Large maps: entities of one schema are one node, and what is left beyond
-- forty is one.  What looks dangerous stays.
--
DELETE FROM ownership.field;
INSERT INTO ownership.system (name) VALUES ('a'), ('b');
INSERT INTO ownership.field (entity, name, owner) SELECT format('%s.t%s', s, t), 'f' || f, s FROM unnest('{a,b}'::text[]) s, generate_series(1, 30) t, generate_series(1, 3) f;
SELECT node, label, detail, alarming FROM ownership.picture WHERE kind = 'entity' ORDER BY node COLLATE "C";
CREATE SCHEMA a;
CREATE TABLE a.t7 (f1 int);
INSERT INTO ownership.mirrored_column VALUES ('a', 't7', 'f1', 'a.t7', 'f1');
INSERT INTO ownership.activity (table_schema, table_name, column_name, system, writes) VALUES ('a', 't7', 'f1', 'b', 1);
SELECT label, detail FROM ownership.picture WHERE kind = 'entity' ORDER BY node COLLATE "C";
SELECT system, node, part, fields, label FROM ownership.picture WHERE kind = 'edge' ORDER BY node COLLATE "C", system COLLATE "C", part;
INSERT INTO ownership.field (entity, name, owner) SELECT 'flat' || t, 'f', 'b' FROM generate_series(1, 100) t;
SELECT count(*), sum((label ~ '^flat')::int), max(label) FILTER (WHERE node IS NULL), max(detail) FILTER (WHERE node IS NULL) FROM ownership.picture WHERE kind = 'entity';
SELECT label FROM ownership.picture WHERE kind = 'edge' AND node IS NULL;

--
-- The page is for everyone, and shows what its reader may see.
--
CREATE ROLE regress_reader;
INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, role, outcome, columns, stored, proposed)
VALUES ('a', 't7', '{"id": 1}', 'UPDATE', 'b', 'some_role', 'kept', '{f1}', '{"f1": "1"}', '{"f1": "4711"}');
SET ROLE regress_reader;
SELECT regexp_matches(ownership.page(), 'Left out: [^.]*[.][^.]*[.]', 'g');
SELECT ownership.page() ~ '4711' AS values, ownership.page() ~ 'some_role' AS roles, ownership.page() ~ 'a.t7' AS map, length(ownership.diagram()) > 0 AS diagram;
RESET ROLE;
GRANT SELECT ON ownership.conflict TO regress_reader;
SET ROLE regress_reader;
SELECT regexp_matches(ownership.page(), 'Left out: [^.]*[.][^.]*[.]', 'g');
SELECT ownership.page() ~ '4711' AS values;
RESET ROLE;
SELECT ownership.page() ~ 'Left out';
-- one that may not see the map itself gets an error
REVOKE SELECT ON ownership.field FROM PUBLIC;
SET ROLE regress_reader;
SELECT ownership.page();
RESET ROLE;

DROP EXTENSION ownership CASCADE;
DROP SCHEMA a CASCADE;
DROP TABLE product, orders;
DROP ROLE regress_reader;
