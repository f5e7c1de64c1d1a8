-- The policy create_only: every system may create a row with a value in the
-- column; an UPDATE by another system than the owner acts as keep.
CREATE EXTENSION ownership;
\set VERBOSITY terse

CREATE TABLE product (
	id int PRIMARY KEY,				-- nobody's, below
	brand text DEFAULT 'none',		-- create_only
	maker text NOT NULL,			-- create_only, no default
	title text						-- the PIM's
);
DO $$ BEGIN
	PERFORM ownership.add_system('erp', 'erp');
	PERFORM ownership.add_system('pim', 'pim');
	PERFORM ownership.assign('product', '{id}', NULL);
	PERFORM ownership.assign('product', '{brand,maker}', 'erp', policy => 'create_only');
	PERFORM ownership.assign('product', '{title}', 'pim');
END $$;
CREATE VIEW evidence AS
SELECT row_key, operation, system, outcome, columns, stored, proposed
FROM ownership.conflict ORDER BY row_key, id;
CREATE PROCEDURE policy(name) LANGUAGE sql AS $$ UPDATE ownership.field SET policy = $1::text WHERE entity = 'product' AND name = 'id' $$;
SET ownership.system = 'pim';

-- INSERT goes through
INSERT INTO product VALUES (1, 'Acme', 'A', 'one'), (2, NULL, 'B', 'two'), (3, DEFAULT, 'C', 'three') RETURNING *;
COPY product FROM stdin;
4	Zeta	D	four
\.
TABLE evidence;
TRUNCATE ownership.conflict;

-- UPDATE acts as keep, also where NULL is stored
UPDATE product SET brand = 'Nu', title = 'One' WHERE id <= 2;
\set VERBOSITY default
UPDATE product SET brand = 'Xi' WHERE id = 2;
\set VERBOSITY terse
SELECT * FROM product ORDER BY id;
TABLE evidence;
SELECT system, allowed, outcome, policy FROM unnest('{erp,pim}'::text[]) system, ownership.explain('product', 'brand', system);
SELECT allowed, outcome FROM ownership.explain('product', 'brand', 'pim', '{"id": 2}');
TRUNCATE ownership.conflict;

-- an upsert and a MERGE: the row that is there is kept, the one that is not is created
INSERT INTO product VALUES (2, 'Rho', 'X', 'TWO'), (5, 'Rho', 'E', 'five')
	ON CONFLICT (id) DO UPDATE SET brand = excluded.brand, maker = excluded.maker, title = excluded.title RETURNING *;
MERGE INTO product p USING (VALUES (5, 'Tau'), (6, 'Tau')) v(id, brand) ON p.id = v.id
	WHEN MATCHED THEN UPDATE SET brand = v.brand
	WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.brand, 'F', 'six');
SELECT * FROM product ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;

-- the owner, a steward, a dry run and maintenance
SET ownership.system = 'erp';
UPDATE product SET brand = 'own' WHERE id = 1;
SET ownership.system = 'pim';
SET ownership.enforcement = observe;
INSERT INTO product VALUES (7, 'dry', 'G', 'seven');
UPDATE product SET brand = 'dry' WHERE id = 2;
SET ownership.enforcement = off;
UPDATE product SET brand = 'off' WHERE id = 3;
RESET ownership.enforcement;
SELECT * FROM product ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;

-- on a key: every system creates rows, only the owner renames or deletes them
SELECT ownership.assign('product', '{id}', 'erp');
CALL policy('create_only');
INSERT INTO product VALUES (8, 'Phi', 'H', 'eight');
UPDATE product SET id = 80, title = 'EIGHT' WHERE id = 8;
DELETE FROM product WHERE id = 8;
\set VERBOSITY default
TRUNCATE product;
\set VERBOSITY terse
SELECT * FROM product WHERE id >= 8;
TABLE evidence;
TRUNCATE ownership.conflict;

-- a foreign-key action cannot leave the row as it is
CREATE TABLE part (id int PRIMARY KEY, product int REFERENCES product ON UPDATE CASCADE ON DELETE CASCADE);
INSERT INTO part VALUES (1, 1);
SELECT ownership.assign('product', '{id}', NULL), ownership.assign('part', NULL, 'erp', policy => 'create_only');
INSERT INTO part VALUES (2, 2);
UPDATE product SET id = 10 WHERE id = 1;
DELETE FROM product WHERE id = 1;
TABLE evidence;
TRUNCATE ownership.conflict;

-- of a domain, of a sheet and as the default; it is written exactly so
INSERT INTO ownership.domain (name, policy) VALUES ('origin', 'create_only');
SELECT ownership.assign('product', '{title}', 'erp', domain => 'origin');
SELECT column_name, policy FROM ownership.map WHERE relation = 'product' ORDER BY 1;
UPDATE product SET title = 'x' WHERE id = 1;
UPDATE ownership.field SET policy = NULL WHERE name = 'maker';
SELECT column_name, policy FROM ownership.map WHERE relation = 'product' ORDER BY 1;
SET ownership.default_policy = create_only;
SELECT column_name, policy FROM ownership.map WHERE relation = 'product' ORDER BY 1;
RESET ownership.default_policy;
SELECT ownership.assign('product', '{title}', 'erp', policy => 'create only');
INSERT INTO ownership.domain (name, policy) VALUES ('other', 'create-only');
SELECT field, policy FROM ownership.sheet WHERE policy IS NOT NULL ORDER BY 1;

RESET ownership.system;
DROP EXTENSION ownership CASCADE;
DROP TABLE part, product;
DROP PROCEDURE policy;
