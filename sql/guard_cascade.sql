-- Foreign-key actions: the writer is the session's system, and a row that a
-- cascade may not touch cannot be kept as it is, or it would be an orphan.
CREATE EXTENSION ownership;
\set VERBOSITY terse
\set SHOW_CONTEXT never
DO $$ BEGIN
	PERFORM ownership.add_system('erp', 'erp');
	PERFORM ownership.add_system('crm', 'crm');
END $$;
CREATE VIEW evidence AS
SELECT table_name, row_key, operation, system, outcome, columns, stored, proposed
FROM ownership.conflict ORDER BY table_name COLLATE "C", row_key, id;

CREATE TABLE customer (id int PRIMARY KEY, name text);
CREATE TABLE address (
	id int PRIMARY KEY,
	customer int REFERENCES customer ON DELETE CASCADE ON UPDATE CASCADE,
	city text
);
CREATE TABLE invoice (
	id int PRIMARY KEY,
	customer int DEFAULT 0 REFERENCES customer ON DELETE SET NULL ON UPDATE SET DEFAULT,
	total int
);
INSERT INTO customer SELECT i, 'c' || i FROM generate_series(0, 9) i;
DO $$ BEGIN
	PERFORM ownership.assign('customer', NULL, 'crm');
	PERFORM ownership.assign('address', NULL, 'crm');
	PERFORM ownership.assign('invoice', NULL, 'crm');
END $$;
CREATE PROCEDURE reset() LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL ownership.enforcement = off;
	DELETE FROM customer WHERE id > 0;
	INSERT INTO customer SELECT i, 'c' || i FROM generate_series(1, 3) i;
	DELETE FROM address;
	INSERT INTO address SELECT i, i, 'x' FROM generate_series(1, 3) i;
	DELETE FROM invoice;
	INSERT INTO invoice SELECT i, i, 10 FROM generate_series(1, 3) i;
	TRUNCATE ownership.conflict;
END $$;
CREATE PROCEDURE own(e text, f text, o text, p text) LANGUAGE sql AS $$
	UPDATE ownership.field SET owner = o, policy = p WHERE entity = e AND name = f;
$$;
CREATE VIEW rows AS
SELECT c.id AS customer, (SELECT count(*) FROM address a WHERE a.customer = c.id) AS addresses,
	(SELECT count(*) FROM invoice i WHERE i.customer = c.id) AS invoices
FROM customer c WHERE c.id <= 3
UNION ALL SELECT NULL, (SELECT count(*) FROM address a WHERE a.customer IS NULL OR a.customer > 3),
	(SELECT count(*) FROM invoice i WHERE i.customer IS NULL OR i.customer > 3) ORDER BY 1;

-- all the CRM's: no conflict
CALL reset();
SET ownership.system = 'crm';
DELETE FROM customer WHERE id = 1;
UPDATE customer SET id = 11 WHERE id = 2;
SELECT * FROM customer WHERE id > 0 ORDER BY id;
SELECT * FROM address ORDER BY id;
SELECT * FROM invoice ORDER BY id;
TABLE evidence;

-- the writer is who wrote, not who owns the table: others are refused at once
SET ownership.system = 'erp';
DELETE FROM customer WHERE id = 3;
CREATE ROLE regress_crm;
CREATE ROLE regress_erp;
GRANT ALL ON customer TO regress_crm, regress_erp;
DO $$ BEGIN
	PERFORM ownership.identify('crm', role => 'regress_crm');
	PERFORM ownership.identify('erp', role => 'regress_erp');
END $$;
RESET ownership.system;
SET ROLE regress_erp;
DELETE FROM customer WHERE id = 3;
SET ROLE regress_crm;
DELETE FROM customer WHERE id = 3;
RESET ROLE;
TABLE rows;

-- ON DELETE CASCADE into rows whose key is another's
CALL own('address', 'id', 'erp', NULL);
CALL reset();
SET ownership.system = 'crm';
\set VERBOSITY default
DELETE FROM customer WHERE id = 1;
CALL own('address', 'id', 'erp', 'keep');
DELETE FROM customer WHERE id = 1;
\set VERBOSITY terse
CALL own('address', 'id', 'erp', 'fill');
DELETE FROM customer WHERE id = 1;
TABLE rows;
CALL own('address', 'id', 'erp', 'observe');
DELETE FROM customer WHERE id = 1;
TABLE rows;
TABLE evidence;
TRUNCATE ownership.conflict;
-- the key's owner does not own the parent's key
SET ownership.system = 'erp';
DELETE FROM customer WHERE id = 2;
-- on its own a row is kept
SET ownership.system = 'crm';
CALL own('address', 'id', 'erp', 'keep');
DELETE FROM address WHERE id = 2;
TABLE evidence;
-- a dry run, and maintenance
SET ownership.enforcement = observe;
DELETE FROM customer WHERE id = 2;
SET ownership.enforcement = off;
DELETE FROM customer WHERE id = 3;
RESET ownership.enforcement;
TABLE rows;
TABLE evidence;
CALL own('address', 'id', 'crm', NULL);

-- ON UPDATE CASCADE writes the referencing column
CALL own('address', 'customer', 'erp', NULL);
CALL reset();
\set VERBOSITY default
UPDATE customer SET id = 11 WHERE id = 1;
CALL own('address', 'customer', 'erp', 'keep');
UPDATE customer SET id = 11 WHERE id = 1;
\set VERBOSITY terse
CALL own('address', 'customer', 'erp', 'fill');
UPDATE customer SET id = 11 WHERE id = 1;
TABLE rows;
CALL own('address', 'customer', 'erp', 'observe');
UPDATE customer SET id = 11 WHERE id = 1;
SELECT * FROM address ORDER BY id;
TABLE evidence;
-- what does not cascade does not matter
CALL own('address', 'customer', 'erp', NULL);
UPDATE customer SET name = 'new' WHERE id = 2;
UPDATE customer SET id = id WHERE id = 2;
TABLE rows;
CALL own('address', 'customer', 'crm', NULL);

-- SET NULL and SET DEFAULT write it, too
CALL own('invoice', 'customer', 'erp', NULL);
CALL reset();
DELETE FROM customer WHERE id = 1;
UPDATE customer SET id = 11 WHERE id = 1;
CALL own('invoice', 'customer', 'erp', 'keep');
DELETE FROM customer WHERE id = 1;
\set VERBOSITY default
UPDATE customer SET id = 11 WHERE id = 1;
\set VERBOSITY terse
TABLE rows;
CALL own('invoice', 'customer', 'erp', 'observe');
DELETE FROM customer WHERE id = 1;
UPDATE customer SET id = 12 WHERE id = 2;
SELECT * FROM invoice ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;
-- nothing refers to the customer that goes: no conflict
CALL own('invoice', 'customer', 'erp', NULL);
DELETE FROM invoice WHERE id = 3;
DELETE FROM customer WHERE id = 3;
TABLE rows;
TABLE evidence;
CALL own('invoice', 'customer', 'crm', NULL);

-- a row owner decides by the stored row, in a cascade as elsewhere
DO $$ BEGIN PERFORM ownership.assign_rows('invoice', '{customer}', 'erp', 'total > 10'); END $$;
CALL reset();
SET ownership.system = 'crm';
UPDATE invoice SET total = 20 WHERE id = 2;
DELETE FROM customer WHERE id = 1;
DELETE FROM customer WHERE id = 2;
TABLE rows;
DELETE FROM ownership.row_owner;

-- A steward's cascade is evidence.
CALL own('address', 'id', 'erp', 'reject');
CALL reset();
RESET ownership.system;
CREATE ROLE regress_steward;
GRANT ALL ON customer TO regress_steward;
DO $$ BEGIN PERFORM ownership.identify(NULL, role => 'regress_steward', steward => true); END $$;
SET ROLE regress_steward;
DELETE FROM customer WHERE id = 1;
RESET ROLE;
SELECT table_name, row_key, operation, outcome, columns FROM evidence;
TRUNCATE ownership.conflict;
CALL own('address', 'id', 'crm', NULL);

-- A constraint that is checked at the end, and a table that refers to itself.
CREATE TABLE node (
	id int PRIMARY KEY,
	parent int REFERENCES node ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED,
	root int REFERENCES node ON DELETE CASCADE,
	title text
);
INSERT INTO node VALUES (1, NULL, NULL, 'a'), (2, NULL, 1, 'b'), (3, NULL, 2, 'c'), (4, NULL, NULL, 'd'), (5, 4, NULL, 'e');
DO $$ BEGIN
	PERFORM ownership.assign('node', '{id,root}', 'crm');
	PERFORM ownership.assign('node', '{parent}', 'erp', policy => 'keep');
	PERFORM ownership.assign('node', '{title}', 'erp');
END $$;
SET ownership.system = 'crm';
-- the parent of 5 is the ERP's
DELETE FROM node WHERE id = 4;
UPDATE node SET id = 40 WHERE id = 4;
-- each statement on its own: 5 goes first
BEGIN;
DELETE FROM node WHERE id = 5;
DELETE FROM node WHERE id = 4;
COMMIT;
-- the children go, too: by their key, which is the CRM's
DELETE FROM node WHERE id = 1;
SELECT * FROM node ORDER BY id;
TABLE evidence;
-- several levels, each by its own policy
INSERT INTO node (id, root) VALUES (1, NULL), (2, 1), (3, 2);
CALL own('node', 'id', 'erp', 'observe');
DELETE FROM node WHERE id = 1;
SELECT * FROM node ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;
CALL own('node', 'id', 'erp', 'keep');
INSERT INTO node (id, root) VALUES (1, NULL);
SET ownership.system = 'erp';
INSERT INTO node (id) VALUES (1);
INSERT INTO node (id, parent) VALUES (2, 1);
SET ownership.system = 'crm';
UPDATE node SET root = 1 WHERE id = 2;
DELETE FROM node WHERE id = 1;
DELETE FROM node WHERE id = 2;
SELECT * FROM node ORDER BY id;

-- NO ACTION and RESTRICT leave the row as it is: PostgreSQL's own error
CREATE TABLE visit (id int PRIMARY KEY, customer int REFERENCES customer);
DO $$ BEGIN PERFORM ownership.assign('visit', NULL, 'erp', policy => 'keep'); END $$;
CALL reset();
SET ownership.system = 'erp';
INSERT INTO visit VALUES (1, 2);
-- a reference that is kept out of a new row is no orphan
SET ownership.system = 'crm';
CALL own('visit', 'id', 'crm', NULL);
INSERT INTO visit VALUES (2, 77) RETURNING *;
DELETE FROM customer WHERE id = 2;
TABLE rows;

-- A trigger that a cascade sets off writes as the session's system as well;
-- its own statements are no cascade, but the cascades that they set off are.
CREATE FUNCTION on_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE visit SET customer = NULL WHERE customer = old.customer;
	UPDATE invoice SET total = 0;
	RETURN old;
END $$;
CREATE TRIGGER on_delete BEFORE DELETE ON address FOR EACH ROW EXECUTE FUNCTION on_delete();
CALL own('invoice', 'total', 'erp', 'keep');
DELETE FROM address WHERE id = 2;
DELETE FROM customer WHERE id = 1;
SELECT * FROM invoice ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;
CALL own('invoice', 'total', 'erp', 'reject');
DELETE FROM customer WHERE id = 3;
TABLE rows;
SET ownership.enforcement = off;
DELETE FROM visit;
RESET ownership.enforcement;
CALL reset();
CREATE TABLE mark (id int PRIMARY KEY, n int);
CREATE TABLE mark_line (id int PRIMARY KEY, mark int REFERENCES mark ON DELETE SET NULL);
INSERT INTO mark VALUES (1, 0), (2, 0);
INSERT INTO mark_line VALUES (1, 1);
DO $$ BEGIN
	PERFORM ownership.assign('mark', '{id}', 'crm');
	PERFORM ownership.assign('mark', '{n}', 'erp', policy => 'keep');
	PERFORM ownership.assign('mark_line', NULL, 'erp', policy => 'keep');
END $$;
CREATE OR REPLACE FUNCTION on_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE mark SET n = n + 1;
	DELETE FROM mark WHERE id = old.id;
	RETURN old;
END $$;
DELETE FROM customer WHERE id = 1;
DELETE FROM customer WHERE id = 3;
DELETE FROM mark_line;
SELECT * FROM mark ORDER BY id;
SELECT * FROM mark_line;
TABLE rows;
TABLE evidence;
TRUNCATE ownership.conflict;

-- A partitioned table, both ways.
CREATE TABLE shipment (id int, region text, customer int REFERENCES customer ON DELETE CASCADE ON UPDATE CASCADE, note text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE shipment_eu (note text, region text NOT NULL, id int NOT NULL, customer int);
ALTER TABLE shipment ATTACH PARTITION shipment_eu FOR VALUES IN ('eu');
CREATE TABLE parcel (id int PRIMARY KEY, shipment int, region text, FOREIGN KEY (shipment, region) REFERENCES shipment ON DELETE CASCADE ON UPDATE CASCADE);
DROP TRIGGER on_delete ON address;
DO $$ BEGIN
	PERFORM ownership.assign('shipment', NULL, 'crm');
	PERFORM ownership.assign('shipment', '{customer}', 'erp', policy => 'keep');
	PERFORM ownership.assign('parcel', NULL, 'crm');
	PERFORM ownership.assign('parcel', '{region}', 'erp', policy => 'keep');
END $$;
SET ownership.enforcement = off;
INSERT INTO customer VALUES (3, 'c3');
INSERT INTO shipment VALUES (1, 'eu', 3, '');
INSERT INTO parcel VALUES (1, 1, 'eu');
CREATE TABLE shipment_us PARTITION OF shipment FOR VALUES IN ('us');
RESET ownership.enforcement;
UPDATE customer SET id = 33 WHERE id = 3;
-- a move, referred to by the parcel whose region is the ERP's
UPDATE shipment SET region = 'us' WHERE id = 1;
CALL own('parcel', 'region', 'crm', NULL);
UPDATE shipment SET region = 'us' WHERE id = 1;
CALL own('shipment', 'customer', 'crm', NULL);
UPDATE customer SET id = 33 WHERE id = 3;
SELECT tableoid::regclass, * FROM shipment;
SELECT * FROM parcel;
CALL own('parcel', 'id', 'erp', 'keep');
DELETE FROM customer WHERE id = 33;
CALL own('parcel', 'id', 'erp', 'observe');
DELETE FROM customer WHERE id = 33;
SELECT count(*) FROM shipment;
SELECT count(*) FROM parcel;
TABLE evidence;

RESET ownership.system;
DROP VIEW evidence, rows;
DROP EXTENSION ownership CASCADE;
DROP TABLE mark_line, mark, parcel, shipment, visit, invoice, address, customer, node;
DROP FUNCTION on_delete;
DROP PROCEDURE reset, own;
DROP ROLE regress_crm, regress_erp, regress_steward;
