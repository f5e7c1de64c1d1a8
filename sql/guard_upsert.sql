-- INSERT ... ON CONFLICT is judged as the inserts and updates that really
-- happen.  One that resends what is stored is no conflict; its own columns
-- land whatever the policy does to the others.
CREATE EXTENSION ownership;
\set VERBOSITY terse
CREATE TABLE product (
	id int PRIMARY KEY,
	sku text UNIQUE,
	price numeric(10,2),					-- the ERP's, policy changes below
	currency text NOT NULL DEFAULT 'EUR',	-- so is this
	unit text NOT NULL,						-- and this, without a default
	title text								-- the PIM's
);
INSERT INTO product VALUES (1, 'A1', 10, 'USD', 'kg', 'one'), (2, 'A2', NULL, 'EUR', 'pc', 'two');
DO $$ BEGIN
	PERFORM ownership.add_system('erp', 'erp');
	PERFORM ownership.add_system('pim', 'pim');
	PERFORM ownership.assign('product', '{id,sku,price,currency,unit}', 'erp');
	PERFORM ownership.assign('product', '{title}', 'pim');
END $$;
CREATE PROCEDURE policy(p text) LANGUAGE sql AS $$
	UPDATE ownership.field SET policy = p WHERE entity = 'product' AND owner = 'erp';
$$;
CREATE VIEW evidence AS
SELECT row_key, operation, outcome, columns, stored, proposed
FROM ownership.conflict ORDER BY row_key, id;
SET ownership.system = 'pim';

-- Resending everything is no conflict, whatever the policy.
PREPARE resend(text) AS INSERT INTO product VALUES (1, 'A1', 10.0, 'USD', 'kg', $1)
	ON CONFLICT (id) DO UPDATE SET id = excluded.id, sku = excluded.sku, price = excluded.price,
		currency = excluded.currency, unit = excluded.unit, title = excluded.title
	RETURNING *;
EXECUTE resend('by reject');
CALL policy('keep');
EXECUTE resend('by keep');
CALL policy('fill');
EXECUTE resend('by fill');
CALL policy('observe');
EXECUTE resend('by observe');
TABLE evidence;

-- Another price: by its policy, and the text lands where the row does.
PREPARE upsert(int, numeric, text) AS INSERT INTO product VALUES ($1, 'A' || $1, $2, 'USD', 'kg', $3)
	ON CONFLICT (id) DO UPDATE SET price = excluded.price, title = excluded.title
	RETURNING *;
CALL policy('reject');
EXECUTE upsert(1, 11, 'rejected');
CALL policy('keep');
EXECUTE upsert(1, 12, 'kept');
CALL policy('fill');
EXECUTE upsert(1, 13, 'not filled');
EXECUTE upsert(2, 14, 'filled');
CALL policy('observe');
EXECUTE upsert(1, 15, 'observed');
SELECT * FROM product ORDER BY id;
-- evidence holds what was proposed, and only of what the statement set
TABLE evidence;
TRUNCATE ownership.conflict;

-- The row is not there: the INSERT is judged, with its key.
CALL policy('reject');
EXECUTE upsert(3, 1, 'three');
CALL policy('keep');
EXECUTE upsert(3, 1, 'three');
CALL policy('fill');
EXECUTE upsert(3, 1, 'three');
-- sent again: the row that came is stored, and nothing else is proposed
EXECUTE upsert(3, 1, 'three again');
CALL policy('observe');
EXECUTE upsert(4, 1, 'four');
TABLE evidence;
TRUNCATE ownership.conflict;

-- Under keep a key of the writer's own: the row comes with defaults, and is
-- updated the next time.
UPDATE ownership.field SET owner = 'pim' WHERE entity = 'product' AND name IN ('id', 'sku', 'unit');
CALL policy('keep');
EXECUTE upsert(5, 50, 'five');
EXECUTE upsert(5, 50, 'five again');
TABLE evidence;
TRUNCATE ownership.conflict;

-- Several rows, each its own way: two that are there, one new.
INSERT INTO product VALUES (1, 'A1', 99, 'CHF', 'kg', 'm1'), (2, 'A2', 14, 'EUR', 'pc', 'm2'), (6, 'A6', 60, 'CHF', 'kg', 'm6')
	ON CONFLICT (id) DO UPDATE SET price = excluded.price, currency = excluded.currency, title = excluded.title;
SELECT * FROM product ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;
-- the same statement inserts a row and meets it again: PostgreSQL's own error
INSERT INTO product VALUES (7, 'A7', 1, 'EUR', 'kg', 'x'), (7, 'A7', 2, 'EUR', 'kg', 'y')
	ON CONFLICT (id) DO UPDATE SET title = excluded.title;

-- The UPDATE arm proposes NULL, an expression, or does not use EXCLUDED.
INSERT INTO product VALUES (1, 'A1', 10, 'USD', 'kg', 'n')
	ON CONFLICT (id) DO UPDATE SET price = NULL, title = excluded.title RETURNING id, price, title;
INSERT INTO product (id, sku, unit) VALUES (1, 'A1', 'kg')
	ON CONFLICT (id) DO UPDATE SET price = product.price + 1, title = 'expression' RETURNING id, price, title;
-- what the INSERT proposes and the UPDATE does not set is written nowhere
INSERT INTO product VALUES (1, 'A1', 77, 'CHF', 'kg', 'set')
	ON CONFLICT (id) DO UPDATE SET title = excluded.title RETURNING id, price, currency, title;
-- the arm's WHERE sees what was proposed
INSERT INTO product VALUES (1, 'A1', 78, 'CHF', 'kg', 'where')
	ON CONFLICT (id) DO UPDATE SET title = excluded.title
	WHERE excluded.price = 78 AND excluded.currency = 'CHF' RETURNING id, price, currency, title;
INSERT INTO product VALUES (1, 'A1', 79, 'CHF', 'kg', 'nowhere')
	ON CONFLICT (id) DO UPDATE SET price = excluded.price, title = excluded.title WHERE false RETURNING id;
TABLE evidence;
TRUNCATE ownership.conflict;

-- DO NOTHING: on a row that is there nothing happens, and nothing is told
INSERT INTO product VALUES (1, 'A1', 80, 'CHF', 'kg', 'nothing') ON CONFLICT DO NOTHING RETURNING id;
INSERT INTO product VALUES (1, 'A1', 80, 'CHF', 'kg', 'nothing') ON CONFLICT (sku) DO NOTHING RETURNING id;
CALL policy('reject');
INSERT INTO product VALUES (1, 'A1', 80, 'CHF', 'kg', 'nothing') ON CONFLICT DO NOTHING RETURNING id;
INSERT INTO product VALUES (8, 'A8', 80, 'CHF', 'kg', 'something') ON CONFLICT DO NOTHING RETURNING id;
CALL policy('keep');
INSERT INTO product VALUES (8, 'A8', 80, 'CHF', 'kg', 'something') ON CONFLICT DO NOTHING RETURNING *;
SELECT * FROM product WHERE id = 1;
TABLE evidence;
TRUNCATE ownership.conflict;

-- A plain INSERT of a row that is there: PostgreSQL's own error, and no evidence
INSERT INTO product VALUES (1, 'A1', 81, 'CHF', 'kg', 'plain');
TABLE evidence;

-- The row meets the stored one in a unique index other than the primary key.
INSERT INTO product VALUES (99, 'A1', 82, 'CHF', 'kg', 'by sku')
	ON CONFLICT (sku) DO UPDATE SET price = excluded.price, currency = excluded.currency, title = excluded.title RETURNING *;
TABLE evidence;
TRUNCATE ownership.conflict;
-- by a key that is another's: the row is there, so nothing is created
UPDATE ownership.field SET owner = 'erp' WHERE entity = 'product' AND name IN ('id', 'sku');
CALL policy('keep');
INSERT INTO product VALUES (1, 'A1', 83, 'CHF', 'kg', 'by id') ON CONFLICT (id) DO UPDATE SET price = excluded.price, title = excluded.title RETURNING *;
INSERT INTO product VALUES (99, 'A1', 84, 'CHF', 'kg', 'by sku') ON CONFLICT (sku) DO UPDATE SET price = excluded.price, title = excluded.title RETURNING *;
INSERT INTO product VALUES (99, 'A99', 84, 'CHF', 'kg', 'new') ON CONFLICT (sku) DO UPDATE SET price = excluded.price, title = excluded.title RETURNING *;
SELECT row_key, operation, outcome, columns, proposed FROM evidence;
TRUNCATE ownership.conflict;
SELECT * FROM product ORDER BY id;

-- A unique index that contains a column which would be amended.  The row that
-- is meant is the one that was proposed; with the default in its place another
-- one must not be hit.
CREATE TABLE listing (
	id int,									-- the PIM's
	channel text NOT NULL DEFAULT 'web',	-- the ERP's, kept
	price int,								-- the ERP's, kept
	title text,								-- the PIM's
	UNIQUE (id, channel)
);
INSERT INTO listing VALUES (1, 'web', 1, 'web'), (1, 'shop', 2, 'shop');
DO $$ BEGIN
	PERFORM ownership.assign('listing', '{id,title}', 'pim');
	PERFORM ownership.assign('listing', '{channel,price}', 'erp', policy => 'keep');
	UPDATE ownership.field SET key = true WHERE entity = 'listing' AND name = 'id';
END $$;
PREPARE list(int, text, int, text) AS INSERT INTO listing VALUES ($1, $2, $3, $4)
	ON CONFLICT (id, channel) DO UPDATE SET price = excluded.price, title = excluded.title RETURNING *;
EXECUTE list(1, 'web', 1, 'web again');
EXECUTE list(2, 'web', 3, 'web, new');
EXECUTE list(1, 'shop', 2, 'shop again');
\set VERBOSITY default
EXECUTE list(1, 'mail', 2, 'mail');
\set VERBOSITY terse
SELECT * FROM listing ORDER BY id, channel COLLATE "C";
TABLE evidence;
TRUNCATE ownership.conflict;

-- the same without a target, and in a plain INSERT, which is amended
INSERT INTO listing VALUES (1, 'shop', 9, 'nothing') ON CONFLICT DO NOTHING;
INSERT INTO listing VALUES (1, 'mail', 9, 'meets another') ON CONFLICT DO NOTHING;
INSERT INTO listing VALUES (1, 'shop', 9, 'plain');
INSERT INTO listing VALUES (3, 'shop', 9, 'plain') RETURNING *;
TABLE evidence;
TRUNCATE ownership.conflict;
-- a surrogate key, and the other system's number beside it
CREATE TABLE part (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, sku text UNIQUE, title text);
DO $$ BEGIN
	PERFORM ownership.assign('part', '{id}', NULL);
	PERFORM ownership.assign('part', '{sku}', 'erp', policy => 'keep');
	PERFORM ownership.assign('part', '{title}', 'pim');
END $$;
INSERT INTO part (id, title) VALUES (100, 'no number yet');
SET ownership.system = 'erp';
INSERT INTO part (id, sku) VALUES (101, 'P1');
SET ownership.system = 'pim';
INSERT INTO part (sku, title) VALUES ('P1', 'one') ON CONFLICT (sku) DO UPDATE SET title = excluded.title RETURNING *;
INSERT INTO part (id, sku, title) VALUES (102, 'P2', 'two') ON CONFLICT (sku) DO UPDATE SET title = excluded.title RETURNING *;
TABLE evidence;
TRUNCATE ownership.conflict;

-- a default that is not constant, where some rows are there and others come
CREATE TABLE stamp (id int PRIMARY KEY, since timestamptz DEFAULT now(), body text DEFAULT repeat(current_user, 1000), title text);
INSERT INTO stamp VALUES (1, '2020-01-01', 'b', 'one');
DO $$ BEGIN
	PERFORM ownership.assign('stamp', '{id,title}', 'pim');
	PERFORM ownership.assign('stamp', '{since,body}', 'erp', policy => 'keep');
END $$;
BEGIN;
INSERT INTO stamp VALUES (1, '2021-01-01', 'c', 'again'), (2, '2021-01-01', 'c', 'two'), (3, '2021-01-01', 'c', 'three')
	ON CONFLICT (id) DO UPDATE SET since = excluded.since, body = excluded.body, title = excluded.title;
SELECT id, since = now() AS now, since = '2020-01-01' AS then, body = repeat(current_user, 1000) AS body, title FROM stamp ORDER BY id;
COMMIT;
SELECT row_key, operation, outcome, columns, proposed FROM evidence;
TRUNCATE ownership.conflict;
-- a trigger that fires after the guard cannot put it back
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.since := '2021-01-01'; RETURN new; END $$;
CREATE TRIGGER zzzzz_late BEFORE INSERT ON stamp FOR EACH ROW EXECUTE FUNCTION late();
INSERT INTO stamp VALUES (4, '2021-01-01', 'c', 'four');
DROP TRIGGER zzzzz_late ON stamp;

-- Within other statements: a CTE, a function, a trigger's cascade of its own.
WITH u AS (
	INSERT INTO part (sku, title) VALUES ('P1', 'by CTE') ON CONFLICT (sku) DO UPDATE SET title = excluded.title RETURNING *
) SELECT id, sku, title FROM u;
CREATE FUNCTION put(s text, t text) RETURNS SETOF part LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY INSERT INTO part AS p (sku, title) VALUES (s, t)
		ON CONFLICT (sku) DO UPDATE SET sku = excluded.sku || '!', title = excluded.title RETURNING p.*;
END $$;
SELECT * FROM put('P1', 'by function');
INSERT INTO listing SELECT 9, 'web', NULL, title FROM put('P1', 'by function in an INSERT') RETURNING *;
TABLE evidence;
TRUNCATE ownership.conflict;

-- Partial and expression indexes, and one that is not immediate.
CREATE TABLE account (
	id int,									-- the PIM's
	email text,								-- the PIM's
	active boolean DEFAULT true,			-- the PIM's
	tier text DEFAULT 'std',				-- the ERP's, kept
	no int UNIQUE DEFERRABLE
);
CREATE UNIQUE INDEX ON account (lower(email)) WHERE active;
INSERT INTO account VALUES (1, 'Ann@example.org', true, 'gold', 1), (2, 'bob@example.org', false, 'gold', 2);
DO $$ BEGIN
	PERFORM ownership.assign('account', '{id,email,active}', 'pim');
	PERFORM ownership.assign('account', '{tier}', 'erp', policy => 'keep');
END $$;
-- meets the stored row
INSERT INTO account VALUES (3, 'ANN@example.org', true, 'silver', 3)
	ON CONFLICT (lower(email)) WHERE active DO UPDATE SET tier = excluded.tier, id = excluded.id RETURNING *;
-- outside the index: a new row, with the default
INSERT INTO account VALUES (4, 'ann@example.org', false, 'silver', 4)
	ON CONFLICT (lower(email)) WHERE active DO UPDATE SET tier = excluded.tier, id = excluded.id RETURNING *;
INSERT INTO account VALUES (5, 'BOB@example.org', true, 'silver', 5)
	ON CONFLICT (lower(email)) WHERE active DO UPDATE SET tier = excluded.tier, id = excluded.id RETURNING *;
-- a deferrable constraint cannot be an arbiter, and is no hindrance
INSERT INTO account VALUES (6, 'eve@example.org', true, 'silver', 1)
	ON CONFLICT (lower(email)) WHERE active DO UPDATE SET tier = excluded.tier;
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO account VALUES (6, 'eve@example.org', true, 'silver', 1)
	ON CONFLICT (lower(email)) WHERE active DO UPDATE SET tier = excluded.tier RETURNING *;
DELETE FROM account WHERE id = 3;
COMMIT;
SELECT * FROM account ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;

-- an index over an expression and a predicate of an amended column
CREATE UNIQUE INDEX tiers ON account ((upper(tier) || id)) WHERE tier <> 'std';
INSERT INTO account VALUES (2, 'x@example.org', false, 'gold', 22)
	ON CONFLICT ((upper(tier) || id)) WHERE tier <> 'std' DO UPDATE SET email = excluded.email RETURNING *;
INSERT INTO account VALUES (7, 'y@example.org', false, 'gold', 23)
	ON CONFLICT ((upper(tier) || id)) WHERE tier <> 'std' DO UPDATE SET email = excluded.email RETURNING *;
TABLE evidence;
TRUNCATE ownership.conflict;
DROP INDEX tiers;

-- An exclusion constraint as arbiter of DO NOTHING.
CREATE TABLE booking (slot int4range, note text, EXCLUDE USING gist (slot WITH &&));
INSERT INTO booking VALUES ('[1,5)', 'n');
DO $$ BEGIN
	PERFORM ownership.assign('booking', '{slot}', 'pim');
	PERFORM ownership.assign('booking', '{note}', 'erp', policy => 'keep');
END $$;
INSERT INTO booking VALUES ('[2,3)', 'm') ON CONFLICT DO NOTHING;
INSERT INTO booking VALUES ('[5,6)', 'm') ON CONFLICT DO NOTHING;
SELECT * FROM booking ORDER BY slot;
SELECT outcome, proposed FROM evidence;
TRUNCATE ownership.conflict;

-- A partitioned table, with partitions of other layouts.
CREATE TABLE stock (id int, region text, qty int, price int, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE stock_eu (price int, gone int, id int NOT NULL, region text NOT NULL, qty int);
ALTER TABLE stock_eu DROP COLUMN gone;
ALTER TABLE stock ATTACH PARTITION stock_eu FOR VALUES IN ('eu');
CREATE TABLE stock_us PARTITION OF stock FOR VALUES IN ('us');
INSERT INTO stock VALUES (1, 'eu', 1, 10), (1, 'us', 1, 20);
DO $$ BEGIN
	PERFORM ownership.assign('stock', '{id,region,qty}', 'pim');
	PERFORM ownership.assign('stock', '{price}', 'erp', policy => 'keep');
END $$;
INSERT INTO stock VALUES (1, 'eu', 2, 11), (1, 'us', 2, 20), (2, 'eu', 2, 12), (2, 'us', 2, NULL)
	ON CONFLICT (id, region) DO UPDATE SET qty = excluded.qty, price = excluded.price;
SELECT tableoid::regclass, * FROM stock ORDER BY id, region COLLATE "C";
TABLE evidence;

RESET ownership.system;
DROP VIEW evidence;
DROP EXTENSION ownership CASCADE;
DROP FUNCTION put, late;
DROP TABLE product, listing, stamp, part, account, booking, stock;
DROP PROCEDURE policy;
