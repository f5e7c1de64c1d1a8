-- Strangers are left alone: tables off the map behave as if the extension were
-- not there, and its removal leaves no trace.
\set VERBOSITY terse
CREATE SCHEMA stranger;
SET search_path = stranger;
CREATE TABLE parent (id int PRIMARY KEY, name text UNIQUE, amount numeric DEFAULT 1);
CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE, note text);
CREATE TABLE parted (id int, day date, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2024-01-01') TO ('2024-07-01');
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM ('2024-07-01') TO ('2025-01-01');
CREATE TABLE log (n int, what text);
CREATE VIEW parents AS SELECT id, name FROM parent;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO stranger.log SELECT coalesce(max(n), 0) + 1, TG_OP || ' ' || TG_TABLE_NAME FROM stranger.log;
	RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER note BEFORE INSERT OR UPDATE OR DELETE ON parent FOR EACH ROW EXECUTE FUNCTION note();
CREATE RULE also AS ON UPDATE TO child DO ALSO INSERT INTO stranger.log VALUES (0, 'rule');

ALTER TABLE parent SET (autovacuum_enabled = off);
ALTER TABLE child SET (autovacuum_enabled = off);
ALTER TABLE parted_1 SET (autovacuum_enabled = off);
ALTER TABLE parted_2 SET (autovacuum_enabled = off);
ALTER TABLE log SET (autovacuum_enabled = off);

-- plans of what a client may do, and what comes of it
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN NEXT query;
	RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query;
END $$;
CREATE FUNCTION plans() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT plan(q) FROM unnest(ARRAY[
		'SELECT * FROM parent JOIN child ON child.parent = parent.id WHERE parent.name = ''a''',
		'INSERT INTO parent VALUES (1, ''a'', 2) ON CONFLICT (id) DO UPDATE SET name = excluded.name',
		'UPDATE parent SET amount = amount + 1 WHERE id = 1',
		'UPDATE parted SET v = ''x'' WHERE day = ''2024-02-01''',
		'DELETE FROM child WHERE parent = 1',
		'MERGE INTO parent USING child ON parent.id = child.parent WHEN MATCHED THEN UPDATE SET amount = 0 WHEN NOT MATCHED THEN DO NOTHING',
		'UPDATE parents SET name = ''z'' WHERE id = 2',
		'WITH gone AS (DELETE FROM child RETURNING *) INSERT INTO log SELECT id, note FROM gone']) q
$$;
CREATE FUNCTION work() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
	answer text;
	command text;
BEGIN
	FOREACH command IN ARRAY ARRAY[
		'INSERT INTO parent VALUES (1, ''a''), (2, ''b''), (3, ''c'')',
		'INSERT INTO child VALUES (1, 1, ''x''), (2, 2, ''y'')',
		'INSERT INTO parted SELECT i, date ''2024-01-01'' + i, ''v'' FROM generate_series(1, 300, 30) i',
		'INSERT INTO parent VALUES (1, ''a2'', 5), (4, ''d'', 5) ON CONFLICT (id) DO UPDATE SET name = excluded.name, amount = excluded.amount',
		'INSERT INTO parent VALUES (9, ''b'') ON CONFLICT DO NOTHING',
		'UPDATE parent SET id = id + 10',
		'UPDATE parted SET day = day + 183 WHERE day < ''2024-03-01''',
		'UPDATE child SET note = note || ''!''',
		'UPDATE parents SET name = ''bb'' WHERE id = 12',
		'MERGE INTO parent p USING child c ON p.id = c.parent WHEN MATCHED AND c.id = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET amount = 77',
		'DELETE FROM parent WHERE id = 13',
		'INSERT INTO parent VALUES (14, ''dup'')',
		'TRUNCATE parted_1'] LOOP
		BEGIN
			EXECUTE command;
			GET DIAGNOSTICS n = ROW_COUNT;
			answer := n;
		EXCEPTION WHEN OTHERS THEN
			answer := SQLSTATE;
		END;
		RETURN NEXT format('%s: %s', answer, command);
	END LOOP;
	RETURN QUERY SELECT format('parent %s', p) FROM parent p ORDER BY id;
	RETURN QUERY SELECT format('child %s', c) FROM child c ORDER BY id;
	RETURN QUERY SELECT format('%s %s', tableoid::regclass, p) FROM parted p ORDER BY id, day;
	RETURN QUERY SELECT format('log %s', l) FROM log l ORDER BY l.n, l.what;
	TRUNCATE parent, child, parted, log;
END $$;
CREATE FUNCTION described() RETURNS text LANGUAGE sql AS $$
	SELECT md5(concat(
		(SELECT string_agg(concat_ws('|', oid, relname, relhastriggers, relhasrules, relacl, reloptions, relfilenode), ';' ORDER BY oid) FROM pg_class WHERE relnamespace = 'stranger'::regnamespace),
		(SELECT string_agg(concat_ws('|', tgrelid, tgname, tgenabled::text, tgfoid), ';' ORDER BY t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE relnamespace = 'stranger'::regnamespace),
		(SELECT string_agg(concat_ws('|', classid, objid, refclassid, refobjid, deptype::text), ';' ORDER BY classid, objid, refobjid, deptype) FROM pg_depend d JOIN pg_class c ON classid = 'pg_class'::regclass AND objid = c.oid WHERE relnamespace = 'stranger'::regnamespace)))
$$;

-- how it is without the extension
CREATE TEMPORARY TABLE before_work AS SELECT row_number() OVER () AS n, work AS line FROM work();
CREATE TEMPORARY TABLE before_plans AS SELECT row_number() OVER () AS n, plans AS line FROM plans();
SELECT line FROM before_work ORDER BY n;
SELECT described() AS described \gset

-- with it, and with another table on the map
CREATE EXTENSION ownership;
CREATE ROLE regress_erp;
CREATE ROLE regress_stranger;
SET client_min_messages = warning;
CREATE TABLE public.product (id int PRIMARY KEY, price numeric, title text);
INSERT INTO public.product VALUES (1, 10, 'one');
CREATE TABLE public.stock (id int PRIMARY KEY, qty int) PARTITION BY RANGE (id);
CREATE TABLE public.stock_1 PARTITION OF public.stock FOR VALUES FROM (0) TO (10);
CREATE TABLE public.base (id int PRIMARY KEY, v text);
CREATE TABLE public.heir (w text) INHERITS (public.base);
SELECT md5(string_agg(concat_ws('|', attname, atttypid::regtype, attnotnull, attidentity::text), ';' ORDER BY attrelid::regclass::text COLLATE "C", attnum)) AS columns
	FROM pg_attribute WHERE attrelid IN ('public.product'::regclass, 'public.stock'::regclass, 'public.stock_1'::regclass, 'public.base'::regclass, 'public.heir'::regclass) AND attnum > 0 \gset
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.assign('public.product', NULL, 'erp'), ownership.assign('public.stock', NULL, 'erp'), ownership.assign('public.base', NULL, 'erp');
GRANT ALL ON public.product TO PUBLIC;
RESET client_min_messages;
SELECT described() = :'described' AS untouched;
CREATE TEMPORARY TABLE now_work AS SELECT row_number() OVER () AS n, work AS line FROM work();
CREATE TEMPORARY TABLE now_plans AS SELECT row_number() OVER () AS n, plans AS line FROM plans();
(TABLE now_work EXCEPT TABLE before_work) UNION ALL (TABLE before_work EXCEPT TABLE now_work);
(TABLE now_plans EXCEPT TABLE before_plans) UNION ALL (TABLE before_plans EXCEPT TABLE now_plans);
-- who is writing is not asked: an unknown name troubles guarded tables only
SET ownership.system = 'nobody';
SELECT count(*) FROM work();
UPDATE public.product SET price = 11;
RESET ownership.system;
-- COPY, both ways
COPY parent FROM stdin WITH (FORMAT csv);
1,a,
2,b,5
\.
COPY parent TO stdout WITH (FORMAT csv);
COPY parted (day, id) FROM stdin;
2024-02-01	1
2024-08-01	2
\.
SELECT tableoid::regclass, * FROM parted ORDER BY id;
-- prepared statements, cursors, transactions
PREPARE raise (numeric) AS UPDATE parent SET amount = $1 WHERE id = 1 RETURNING amount;
EXECUTE raise (8);
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM parent ORDER BY id FOR UPDATE;
FETCH c;
UPDATE parent SET amount = 9 WHERE CURRENT OF c;
SAVEPOINT s;
DELETE FROM parent;
ROLLBACK TO s;
COMMIT;
SELECT id, amount FROM parent ORDER BY id;
SET session_replication_role = replica;
UPDATE parent SET amount = 10 WHERE id = 1;
RESET session_replication_role;
-- temporary tables, DDL
CREATE TEMPORARY TABLE scratch AS SELECT * FROM parent;
UPDATE scratch SET amount = 0;
ALTER TABLE parent ADD extra int DEFAULT 3, DROP COLUMN amount;
DROP TABLE scratch;
-- nothing of all this is evidence
SELECT count(*) FROM ownership.conflict;

-- The plan of a guarded table is the stranger's, too.
EXPLAIN (COSTS OFF) UPDATE public.product SET price = 1 WHERE id = 1;
EXPLAIN (COSTS OFF) DELETE FROM public.stock WHERE id = 1;

-- unguard() leaves the table as it was
SELECT ownership.unguard('public.stock');
SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('public.stock'::regclass, 'public.stock_1'::regclass);
SELECT ownership.guard('public.stock');

-- Dropping the extension takes the guards along, without CASCADE, and leaves
-- the tables, their rows and everything else as they were.
SET ROLE regress_erp;
UPDATE public.product SET price = 12;
SET ROLE regress_stranger;
UPDATE public.product SET price = 13;
RESET ROLE;
DROP EXTENSION ownership;
SET ROLE regress_stranger;
UPDATE public.product SET price = 13;
INSERT INTO public.product VALUES (2, 1, 'two');
RESET ROLE;
TRUNCATE public.stock;
TABLE public.product;
SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('public.product'::regclass, 'public.stock'::regclass, 'public.stock_1'::regclass, 'public.base'::regclass, 'public.heir'::regclass);
SELECT md5(string_agg(concat_ws('|', attname, atttypid::regtype, attnotnull, attidentity::text), ';' ORDER BY attrelid::regclass::text COLLATE "C", attnum)) = :'columns' AS as_it_was
	FROM pg_attribute WHERE attrelid IN ('public.product'::regclass, 'public.stock'::regclass, 'public.stock_1'::regclass, 'public.base'::regclass, 'public.heir'::regclass) AND attnum > 0;
SELECT count(*) FROM pg_namespace WHERE nspname = 'ownership';
SELECT count(*) FROM pg_depend d WHERE deptype = 'x';
-- it can come again, and begins anew
CREATE EXTENSION ownership;
SELECT count(*) FROM ownership.field;
UPDATE public.product SET price = 14;
DROP EXTENSION ownership;

RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA stranger CASCADE;
DROP TABLE public.product, public.stock, public.base, public.heir;
DROP ROLE regress_erp, regress_stranger;
