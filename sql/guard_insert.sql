-- INSERT writes the key, and every mirrored column whose value is neither NULL
-- nor its constant default; one with another default only where it is named.
CREATE EXTENSION ownership;
\set VERBOSITY terse

CREATE FUNCTION tick() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1000; END $$;	-- volatile
CREATE DOMAIN amount AS numeric NOT NULL;
CREATE DOMAIN grade AS text DEFAULT 'B';
CREATE TABLE product (
	id int PRIMARY KEY,				-- observe, below
	price numeric,					-- reject
	cost numeric DEFAULT 1.50,		-- keep
	stock int,						-- observe
	brand text,						-- fill
	currency text DEFAULT 'EUR',	-- reject
	rev int DEFAULT tick(),			-- reject
	seq int DEFAULT tick(),			-- keep
	title text,						-- the PIM's
	weight int,						-- nobody's
	note text						-- not on the map
);
DO $$ BEGIN
	PERFORM ownership.add_system('erp', 'erp');
	PERFORM ownership.add_system('pim', 'pim');
	PERFORM ownership.assign('product', '{id,stock}', 'erp', policy => 'observe');
	PERFORM ownership.assign('product', '{price,currency,rev}', 'erp');
	PERFORM ownership.assign('product', '{cost,seq}', 'erp', policy => 'keep');
	PERFORM ownership.assign('product', '{brand}', 'erp', policy => 'fill');
	PERFORM ownership.assign('product', '{title}', 'pim');
	PERFORM ownership.assign('product', '{weight}', NULL);
END $$;
CREATE VIEW evidence AS
SELECT row_key, operation, system, outcome, columns, stored, proposed
FROM ownership.conflict ORDER BY row_key, id;

-- the owner of the key creates rows; what it leaves out is not written
SET ownership.system = 'erp';
INSERT INTO product (id, price, cost) VALUES (1, 10, 5);
INSERT INTO product (id, title) VALUES (2, 'the ERP has no title');
SELECT * FROM product;
TABLE evidence;

-- the key is written always
SET ownership.system = 'pim';
INSERT INTO product (id, title) VALUES (3, 'three');
TABLE evidence;
TRUNCATE ownership.conflict;

-- NULL and the constant default are not written, named or not
INSERT INTO product (id, title, price, cost, stock, brand, currency)
	VALUES (4, 'four', NULL, 1.5, NULL, NULL, 'EUR'), (5, 'five', DEFAULT, 1.500, DEFAULT, DEFAULT, DEFAULT)
	RETURNING id, price, cost, stock, brand, currency, rev, seq, title;
SELECT row_key, columns FROM evidence;
TRUNCATE ownership.conflict;

-- any other value is, '' and 0 too; NULL in the place of a default is not
INSERT INTO product (id, currency) VALUES (6, 'USD');
INSERT INTO product (id, currency) VALUES (6, '');
INSERT INTO product (id, price) VALUES (6, 0);
INSERT INTO product (id, title, currency) VALUES (6, 'six', NULL) RETURNING id, currency;
SELECT row_key, columns FROM evidence;
TRUNCATE ownership.conflict;

-- a default that is not constant: only where the statement names the column
INSERT INTO product (id, title) VALUES (7, 'seven') RETURNING rev, seq;
INSERT INTO product (id, rev) VALUES (8, 8);
INSERT INTO product (id, rev) VALUES (8, 1000);
SELECT row_key, columns FROM evidence;
TRUNCATE ownership.conflict;

-- what a BEFORE trigger puts there is not named
CREATE FUNCTION derive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.note = 'rev' THEN new.rev := 2; END IF;
	RETURN new;
END $$;
CREATE TRIGGER derive BEFORE INSERT ON product FOR EACH ROW EXECUTE FUNCTION derive();
INSERT INTO product (id, title, note) VALUES (8, 'eight', 'rev') RETURNING rev;
SELECT row_key, columns FROM evidence;
TRUNCATE ownership.conflict;
DROP TRIGGER derive ON product;

-- reject: all that the client needs to know
\set VERBOSITY default
INSERT INTO product (id, price, currency, title) VALUES (9, 9, 'USD', 'nine');
\set VERBOSITY terse

-- keep: the default stands in, also one that is not constant
INSERT INTO product (id, cost, seq, title) VALUES (10, 99, 99, 'ten') RETURNING id, cost, seq, title;
TABLE evidence;
TRUNCATE ownership.conflict;
-- an explicit NULL in place of a default is no write, and stays
INSERT INTO product (id, cost, seq, title) VALUES (11, NULL, NULL, 'eleven') RETURNING id, cost, seq, title;
SELECT row_key, columns FROM evidence;
TRUNCATE ownership.conflict;
-- fill and observe: go through
INSERT INTO product (id, brand, stock, title) VALUES (12, 'Acme', 12, 'twelve') RETURNING id, brand, stock, title;
TABLE evidence;
TRUNCATE ownership.conflict;
-- several rows and policies in one statement, one notice
INSERT INTO product (id, cost, brand, stock, title)
	VALUES (13, 1, 'A', 1, '13'), (14, 2, NULL, NULL, '14'), (15, 1.5, 'C', 3, '15');
SELECT id, cost, brand, stock, title FROM product WHERE id >= 13 ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;
-- INSERT ... SELECT, and by expression
INSERT INTO product (id, cost, title) SELECT id + 100, id, 'copy' FROM product WHERE id <= 2;
SELECT id, cost, title FROM product WHERE id > 100 ORDER BY id;
SELECT row_key, outcome, columns, proposed FROM evidence;
TRUNCATE ownership.conflict;
-- no other's column, nobody's and off the map: no conflict beyond the key
INSERT INTO product (id, title, weight, note) VALUES (16, 'sixteen', 16, 'n');
SELECT row_key, columns FROM evidence;
TRUNCATE ownership.conflict;

-- a steward may write every field; dry run and maintenance
CREATE ROLE regress_steward;
GRANT INSERT ON product TO regress_steward;
DO $$ BEGIN PERFORM ownership.identify(NULL, role => 'regress_steward', steward => true); END $$;
RESET ownership.system;
SET ROLE regress_steward;
INSERT INTO product (id, price, cost, title) VALUES (17, 17, 1, 'seventeen');
RESET ROLE;
SET ownership.system = 'pim';
SET ownership.enforcement = observe;
INSERT INTO product (id, price, cost, title) VALUES (18, 18, 1, 'eighteen');
SET ownership.enforcement = off;
INSERT INTO product (id, price, cost, title) VALUES (19, 19, 1, 'nineteen');
RESET ownership.enforcement;
SELECT id, price, cost, title FROM product WHERE id BETWEEN 17 AND 19 ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;

-- The key under each policy: who may create rows.
-- fill: anyone may create
UPDATE ownership.field SET policy = 'fill' WHERE entity = 'product' AND name = 'id';
INSERT INTO product (id, title) VALUES (20, 'filled') RETURNING id, title;
-- keep: the row is not created, and is evidence as a whole
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'product' AND name = 'id';
\set VERBOSITY default
INSERT INTO product (id, title, cost, stock, note) VALUES (21, 'discarded', 5, 6, 'n') RETURNING id, title;
\set VERBOSITY terse
INSERT INTO product (id, title) VALUES (22, 'a'), (23, 'b');
-- sent again it is told already; another row of that key is not
INSERT INTO product (id, title) VALUES (22, 'a'), (23, 'c');
-- reject: the row that is not the PIM's to create
UPDATE ownership.field SET policy = 'reject' WHERE entity = 'product' AND name = 'id';
INSERT INTO product (id, title) VALUES (24, 'a');
-- one column that rejects, in a row that would be discarded
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'product' AND name = 'id';
INSERT INTO product (id, title, price) VALUES (24, 'a', 1);
SELECT count(*) FROM product WHERE id > 20 AND id < 100;
SELECT row_key, outcome, columns, jsonb_strip_nulls(stored) AS stored, jsonb_strip_nulls(proposed) AS proposed FROM evidence;
TRUNCATE ownership.conflict;
-- its owner may
SET ownership.system = 'erp';
INSERT INTO product (id, price, cost, stock, brand, currency, rev, seq) VALUES (21, 1, 2, 3, 'D', 'USD', 4, 5)
	RETURNING id, price, cost, stock, brand, currency, rev, seq;
TABLE evidence;
-- a row without a value for its key: PostgreSQL itself refuses it to the owner
SET ownership.system = 'pim';
INSERT INTO product DEFAULT VALUES;
SET ownership.system = 'erp';
INSERT INTO product DEFAULT VALUES;
TRUNCATE ownership.conflict;

-- keep, and no default that could stand in: an error over SQL
SET ownership.system = 'pim';
CREATE TABLE item (
	id int PRIMARY KEY,				-- the PIM's
	sku text NOT NULL,				-- NOT NULL without a default
	unit text NOT NULL DEFAULT 'pc',
	amount amount,					-- NOT NULL by its domain
	state text DEFAULT NULL NOT NULL,
	grade grade,					-- a default by its domain
	title text
);
DO $$ BEGIN
	PERFORM ownership.assign('item', '{id,title}', 'pim');
	PERFORM ownership.assign('item', '{sku,unit,amount,state,grade}', 'erp', policy => 'keep');
END $$;
\set VERBOSITY default
INSERT INTO item VALUES (1, 'A1', 'kg', 1, 's', 'B', 'one');
\set VERBOSITY terse
ALTER TABLE item ALTER sku SET DEFAULT '?', ALTER state SET DEFAULT 'new';
INSERT INTO item VALUES (1, 'A1', 'kg', 1, 's', 'B', 'one');
ALTER TABLE item ALTER amount SET DEFAULT 0;
INSERT INTO item VALUES (1, 'A1', 'kg', 1, 's', 'B', 'one') RETURNING *;
ALTER TABLE item ALTER sku DROP NOT NULL, ALTER sku DROP DEFAULT;
INSERT INTO item VALUES (2, 'A1', 'kg', 1, 's', 'A', 'two') RETURNING *;
TABLE evidence;
TRUNCATE ownership.conflict;
-- CHECK and unique constraints hold for the row as it is amended
ALTER TABLE item ADD CHECK (unit <> 'pc' OR title <> 'piece'), ADD UNIQUE (state, title);
INSERT INTO item (id, unit, amount, title) VALUES (3, 'kg', 0, 'piece');
INSERT INTO item (id, state, title) VALUES (3, 'other', 'two');
SELECT * FROM item ORDER BY id;
TABLE evidence;

-- the partition key: it has no default that is sure to lead to the same place
CREATE TABLE stock (id int, region text DEFAULT 'eu', qty int, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE stock_eu PARTITION OF stock FOR VALUES IN ('eu');
CREATE TABLE stock_us PARTITION OF stock FOR VALUES IN ('us');
DO $$ BEGIN
	PERFORM ownership.assign('stock', '{id,region}', 'erp', policy => 'keep');
	PERFORM ownership.assign('stock', '{qty}', 'pim');
	UPDATE ownership.field SET key = false WHERE entity = 'stock';
	UPDATE ownership.field SET owner = 'pim', key = true WHERE entity = 'stock' AND name = 'id';
END $$;
\set VERBOSITY default
INSERT INTO stock VALUES (1, 'us', 5);
\set VERBOSITY terse
INSERT INTO stock VALUES (1, 'eu', 5);
INSERT INTO stock (id, qty) VALUES (2, 6);
SELECT tableoid::regclass, * FROM stock ORDER BY id;
TABLE evidence;

-- identity and generated columns
CREATE TABLE lead (
	id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	score int,
	twice int GENERATED ALWAYS AS (score * 2) STORED,
	title text
);
DO $$ BEGIN
	PERFORM ownership.assign('lead', '{id}', 'pim');
	PERFORM ownership.assign('lead', '{score}', 'erp', policy => 'keep');
	PERFORM ownership.assign('lead', '{title}', 'pim');
END $$;
INSERT INTO lead (score, title) VALUES (3, 'three') RETURNING *;
SET ownership.system = 'erp';
INSERT INTO lead (score) VALUES (3);
SELECT * FROM lead ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;

-- an unowned key: rows are free to come
UPDATE ownership.field SET owner = NULL WHERE entity = 'lead' AND name = 'id';
INSERT INTO lead (score) VALUES (4);
SET ownership.system = 'pim';
INSERT INTO lead (title) VALUES ('four');
SELECT score, title FROM lead ORDER BY id;
TABLE evidence;

-- a table without a key: evidence has none, and no memory of what was sent
CREATE TABLE event (at text, score int);
DO $$ BEGIN
	PERFORM ownership.assign('event', '{at}', 'pim');
	PERFORM ownership.assign('event', '{score}', 'erp', policy => 'keep');
END $$;
INSERT INTO event VALUES ('noon', 1);
INSERT INTO event VALUES ('noon', 1);
SELECT * FROM event;
TABLE evidence;
TRUNCATE ownership.conflict;

-- a default that a function computes once and for all is constant, until the
-- function is another
CREATE FUNCTION base() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
ALTER TABLE event ALTER score SET DEFAULT base();
INSERT INTO event VALUES ('one', 1), ('two', 2);
CREATE OR REPLACE FUNCTION base() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN 2; END $$;
INSERT INTO event VALUES ('one', 1), ('two', 2);
SELECT * FROM event OFFSET 2;
SELECT outcome, stored, proposed FROM evidence;
TRUNCATE ownership.conflict;

-- so is that of a domain; its constraints are checked where it stands in
CREATE DOMAIN price AS numeric CHECK (VALUE < 100);
CREATE TABLE offer (id int PRIMARY KEY, price price DEFAULT 5.0);
SELECT ownership.assign('offer', '{price}', 'erp', policy => 'keep');
SET ownership.system = 'pim';
INSERT INTO offer VALUES (1, 5), (2, 6);
SELECT * FROM offer ORDER BY id;
SELECT outcome, row_key, stored, proposed FROM evidence;
ALTER TABLE offer ALTER price SET DEFAULT 500;
INSERT INTO offer VALUES (3, 7);
TRUNCATE ownership.conflict;
DROP TABLE offer;
DROP DOMAIN price;

-- the source of a table may write all of its own copy
UPDATE ownership.mirrored_table SET source = 'pim' WHERE table_name = 'event';
INSERT INTO event VALUES ('dusk', 2);
SELECT * FROM event;
TABLE evidence;

RESET ownership.system;
DROP VIEW evidence;
DROP EXTENSION ownership CASCADE;
DROP TABLE product, item, stock, lead, event;
DROP FUNCTION tick, derive, base;
DROP DOMAIN amount, grade;
DROP ROLE regress_steward;
