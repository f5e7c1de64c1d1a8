-- UPDATE writes a mirrored column when the statement names it and its stored
-- value changes.
CREATE EXTENSION ownership;
\set VERBOSITY terse

-- one column for each policy, all of the ERP's
CREATE TABLE product (
	id int PRIMARY KEY,
	price numeric(10,2),			-- reject
	cost numeric,					-- keep
	stock int,						-- observe
	brand text,						-- fill
	title text,						-- the PIM's
	weight numeric,					-- nobody's
	note text						-- not on the map
);
INSERT INTO product VALUES (1, 10, 5.00, 7, 'Acme', 'one', 1.5, 'n'), (2, 20, 6.00, 8, NULL, 'two', 2.5, 'n');
DO $$ BEGIN
	PERFORM ownership.add_system('erp', 'erp');
	PERFORM ownership.add_system('pim', 'pim');
	PERFORM ownership.assign('product', '{id,price}', 'erp');
	PERFORM ownership.assign('product', '{cost}', 'erp', policy => 'keep');
	PERFORM ownership.assign('product', '{stock}', 'erp', policy => 'observe');
	PERFORM ownership.assign('product', '{brand}', 'erp', policy => 'fill');
	PERFORM ownership.assign('product', '{title}', 'pim');
	PERFORM ownership.assign('product', '{weight}', NULL);
END $$;
SET ownership.system = 'pim';

-- evidence, by row, in the order of its making
CREATE VIEW evidence AS
SELECT row_key, operation, system, outcome, columns, stored, proposed
FROM ownership.conflict ORDER BY row_key, id;

-- own columns, nobody's and those off the map are free
UPDATE product SET title = 'One', weight = 1, note = 'm' WHERE id = 1;
SELECT * FROM product ORDER BY id;
TABLE evidence;

-- named and changed: rejected, with all that the client needs to know
\set VERBOSITY default
UPDATE product SET title = 'x', price = 11 WHERE id = 1;
DO $$
DECLARE
	s text; t text; c text; state text;
BEGIN
	UPDATE product SET price = 11 WHERE id = 1;
EXCEPTION WHEN insufficient_privilege THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, s = SCHEMA_NAME, t = TABLE_NAME, c = COLUMN_NAME;
	RAISE NOTICE 'sqlstate %, schema %, table %, column %', state, s, t, c;
END $$;
\set VERBOSITY terse
-- several columns, and rows that come first
UPDATE product SET price = 11, id = id + 10;
SELECT * FROM product ORDER BY id;
TABLE evidence;

-- named and not changed: an echo, whatever the policy
UPDATE product SET price = price, cost = 5.00, stock = 7, brand = 'Acme', id = 1, title = 'One!' WHERE id = 1;
-- a numeric is compared by value, also where its scale is kept
UPDATE product SET price = 10.0, cost = 5.0000 WHERE id = 1;
UPDATE product SET cost = 5 WHERE id = 1;
SELECT * FROM product WHERE id = 1;
TABLE evidence;
-- a statement that touches no row writes nothing
UPDATE product SET price = 99 WHERE id = 99;

-- keep: the rest of the row is applied, and one notice a statement tells it
\set VERBOSITY default
UPDATE product SET cost = cost + 1, title = title || '?';
\set VERBOSITY terse
SELECT id, cost, title FROM product ORDER BY id;
TABLE evidence;
-- the same refused value is recorded once, another one again, and the first
-- one again after it
UPDATE product SET cost = 6 WHERE id = 1;
UPDATE product SET cost = 9 WHERE id = 1;
UPDATE product SET cost = 6 WHERE id = 1;
SELECT row_key, proposed FROM evidence;
TRUNCATE ownership.conflict;

-- fill: goes through where the stored value is NULL, else like keep
UPDATE product SET brand = 'Zeta';
SELECT id, brand FROM product ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;
-- now it is filled
UPDATE product SET brand = 'Omega' WHERE id = 2 RETURNING brand;
TABLE evidence;
TRUNCATE ownership.conflict;

-- observe: goes through
UPDATE product SET stock = 0 WHERE id = 1 RETURNING stock;
TABLE evidence;
TRUNCATE ownership.conflict;

-- several policies in one row: each column by its own
SET ownership.system = 'erp';
UPDATE product SET brand = NULL WHERE id = 1;
SET ownership.system = 'pim';
UPDATE product SET cost = 1, stock = 1, brand = 'Nu', title = 'T' WHERE id = 1 RETURNING *;
TABLE evidence;
TRUNCATE ownership.conflict;
-- one that rejects takes all of it back, the evidence too
UPDATE product SET cost = 2, stock = 2, brand = 'Xi', title = 'U', price = 2 WHERE id = 1;
SELECT * FROM product WHERE id = 1;
TABLE evidence;

-- NULL is a value: foreign columns are not blanked
UPDATE product SET price = NULL WHERE id = 1;
UPDATE product SET cost = NULL, brand = NULL, stock = NULL, title = NULL WHERE id = 1 RETURNING *;
TABLE evidence;
TRUNCATE ownership.conflict;
-- the owner itself may clear
SET ownership.system = 'erp';
UPDATE product SET price = NULL, cost = NULL, brand = NULL, stock = NULL WHERE id = 1 RETURNING *;
TABLE evidence;

-- 0 and '' are writes like any other
SET ownership.system = 'pim';
UPDATE product SET price = 0 WHERE id = 1;
UPDATE product SET cost = 0, brand = '' WHERE id = 1 RETURNING cost, brand;
-- '' is blank, and fill fills it
UPDATE product SET brand = 'Pi' WHERE id = 1 RETURNING brand;
TABLE evidence;
TRUNCATE ownership.conflict;

-- a key is renamed by its owner only
UPDATE product SET id = 3 WHERE id = 1;
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'product' AND name = 'id';
UPDATE product SET id = 3, title = 'key' WHERE id = 1 RETURNING id, title;
UPDATE ownership.field SET policy = 'fill' WHERE entity = 'product' AND name = 'id';
UPDATE product SET id = 3, title = 'KEY' WHERE id = 1 RETURNING id, title;
UPDATE ownership.field SET policy = 'observe' WHERE entity = 'product' AND name = 'id';
UPDATE product SET id = 3 WHERE id = 1 RETURNING id, title;
TABLE evidence;
TRUNCATE ownership.conflict;
SET ownership.system = 'erp';
UPDATE product SET id = 1 WHERE id = 3 RETURNING id, title;
UPDATE ownership.field SET policy = NULL WHERE entity = 'product' AND name = 'id';
TABLE evidence;

-- nobody owns nothing
RESET ownership.system;
CREATE ROLE regress_stranger;
GRANT SELECT, UPDATE ON product TO regress_stranger;
SET ROLE regress_stranger;
UPDATE product SET weight = 3, note = 's' WHERE id = 1;
\set VERBOSITY default
UPDATE product SET title = 'stranger' WHERE id = 1;
\set VERBOSITY terse
UPDATE product SET cost = 77 WHERE id = 2;
RESET ROLE;
SELECT system, role, outcome, proposed FROM ownership.conflict ORDER BY id;
TRUNCATE ownership.conflict;

-- a steward may write every field, and each foreign write is evidence
SELECT ownership.identify(NULL, role => 'regress_stranger', steward => true);
SET ROLE regress_stranger;
UPDATE product SET price = 12, cost = 6, stock = 3, brand = 'Rho', title = 'steward', weight = 4 WHERE id = 1;
UPDATE product SET price = 12 WHERE id = 1;
RESET ROLE;
SELECT * FROM product WHERE id = 1;
TABLE evidence;
TRUNCATE ownership.conflict;

-- dry run and maintenance
SET ownership.system = 'pim';
SET ownership.enforcement = observe;
UPDATE product SET price = 13, cost = 7 WHERE id = 1;
TABLE evidence;
TRUNCATE ownership.conflict;
SET ownership.enforcement = off;
UPDATE product SET price = 14, cost = 8 WHERE id = 1;
RESET ownership.enforcement;
SELECT * FROM product WHERE id = 1;
TABLE evidence;

-- What the database's own BEFORE triggers derive in columns that the statement
-- did not name is not judged; what it named is, by what is stored in the end.
CREATE FUNCTION derive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.note = 'price' THEN new.price := 100; END IF;
	IF new.note = 'cost' THEN new.cost := 100; END IF;
	IF new.note = 'back' THEN new.price := old.price; new.cost := old.cost; END IF;
	RETURN new;
END $$;
CREATE TRIGGER derive BEFORE UPDATE ON product FOR EACH ROW EXECUTE FUNCTION derive();
UPDATE product SET title = 'derived', note = 'price' WHERE id = 1;
UPDATE product SET note = 'cost' WHERE id = 1;
SELECT * FROM product WHERE id = 1;
UPDATE product SET note = 'back', price = 50, cost = 50 WHERE id = 1;
SELECT * FROM product WHERE id = 1;
TABLE evidence;
-- named with the stored value, and changed by the trigger
UPDATE product SET price = price, note = 'price' WHERE id = 2;
UPDATE product SET cost = cost, note = 'cost' WHERE id = 2;
SELECT * FROM product WHERE id = 2;
TABLE evidence;
TRUNCATE ownership.conflict;
DROP TRIGGER derive ON product;

-- A trigger that fires after the guard and changes a kept column again: the
-- write is rejected, and the view of guards tells.
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.note = 'price' THEN new.price := 200; END IF;
	IF new.note = 'cost' THEN new.cost := 200; END IF;
	RETURN new;
END $$;
CREATE TRIGGER zzzzz_late BEFORE UPDATE ON product FOR EACH ROW EXECUTE FUNCTION late();
SELECT relation, guarded, problems FROM ownership.guards;
\set VERBOSITY default
UPDATE product SET cost = 51, note = 'cost' WHERE id = 1;
\set VERBOSITY terse
-- it may derive what was not named, and may leave what was kept
UPDATE product SET title = 'late', note = 'price' WHERE id = 1;
UPDATE product SET cost = 51, note = 'none' WHERE id = 1;
SELECT * FROM product WHERE id = 1;
TABLE evidence;
TRUNCATE ownership.conflict;
DROP TRIGGER zzzzz_late ON product;
SELECT relation, guarded, problems FROM ownership.guards;
-- one that suppresses the row after the guard leaves nothing to judge
CREATE FUNCTION suppress() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER zzzzz_late BEFORE UPDATE ON product FOR EACH ROW EXECUTE FUNCTION suppress();
UPDATE product SET price = 52 WHERE id = 1;
SELECT price FROM product WHERE id = 1;
DROP TRIGGER zzzzz_late ON product;

-- Generated columns follow the value that is kept.
CREATE TABLE line (
	gone int,
	id int PRIMARY KEY,
	qty int,
	price int,
	total int GENERATED ALWAYS AS (qty * price) STORED
);
-- dropped columns, and columns that came later with a default
ALTER TABLE line DROP COLUMN gone;
INSERT INTO line (id, qty, price) VALUES (1, 2, 10), (2, 3, 10);
ALTER TABLE line ADD COLUMN tax int DEFAULT 19, ADD COLUMN label text DEFAULT 'std';
DO $$ BEGIN
	PERFORM ownership.assign('line', '{id,price,tax,label}', 'erp', policy => 'keep');
	PERFORM ownership.assign('line', '{qty}', 'pim');
END $$;
UPDATE line SET qty = 5, price = 11 WHERE id = 1 RETURNING *;
UPDATE line SET qty = 6 WHERE id = 1 RETURNING *;
-- the default that is not stored in the row yet is its value
UPDATE line SET tax = 19, label = 'std', qty = 1 WHERE id = 2 RETURNING *;
UPDATE line SET tax = 7, label = NULL WHERE id = 2 RETURNING *;
UPDATE line SET tax = 7, qty = 4;
SELECT * FROM line ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;

-- Values that are stored out of line.
CREATE TABLE doc (id int PRIMARY KEY, body text, summary text, tags text);
ALTER TABLE doc ALTER body SET STORAGE EXTERNAL, ALTER summary SET STORAGE EXTENDED;
INSERT INTO doc VALUES (1, repeat('0123456789', 2000), repeat('abcdefghij', 20000), '');
DO $$ BEGIN
	PERFORM ownership.assign('doc', '{id,body,summary}', 'erp', policy => 'keep');
	PERFORM ownership.assign('doc', '{tags}', 'pim');
END $$;
-- sent again, in another representation
UPDATE doc SET body = repeat('0123456789', 2000), summary = repeat('abcdefghij', 20000), tags = 'a';
UPDATE doc SET body = body || '', tags = 'b';
TABLE evidence;
-- the last byte is another, and the value that stays is whole
UPDATE doc SET body = repeat('0123456789', 1999) || '012345678x', summary = repeat('abcdefghij', 19999), tags = 'c';
SELECT id, body = repeat('0123456789', 2000) AS body, summary = repeat('abcdefghij', 20000) AS summary, tags FROM doc;
-- a refused value is stored whole, the one that stays by its length
SELECT outcome, columns, stored, length(proposed ->> 'body') AS body, right(proposed ->> 'body', 3) AS its_end,
	length(proposed ->> 'summary') AS summary FROM evidence;

RESET ownership.system;
DROP VIEW evidence;
DROP EXTENSION ownership CASCADE;
DROP TABLE product, line, doc;
DROP FUNCTION derive, late, suppress;
DROP ROLE regress_stranger;
