-- When is a value another one?  When its detoasted image differs; two numerics
-- that compare equal do not differ, also through domains.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');
CREATE DOMAIN amount AS numeric(12,4);
CREATE DOMAIN positive AS amount CHECK (VALUE > 0);
CREATE DOMAIN label AS text;
CREATE TYPE pair AS (a int, b text);
CREATE TYPE money_pair AS (a numeric, b text);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE span AS RANGE (subtype = float8);

-- judged(type, stored, proposed): what becomes of another system's UPDATE
CREATE FUNCTION judged(type text, stored text, proposed text) RETURNS text LANGUAGE plpgsql SET client_min_messages = error AS $$
DECLARE
	answer text := 'same';
BEGIN
	EXECUTE format('CREATE TABLE subject (id int PRIMARY KEY, v %s)', type);
	EXECUTE format('INSERT INTO subject VALUES (1, %s)', stored);
	GRANT ALL ON subject TO regress_crm;
	PERFORM ownership.assign('subject', '{v}', 'erp');
	BEGIN
		SET LOCAL ROLE regress_crm;
		EXECUTE format('UPDATE subject SET v = %s', proposed);
	EXCEPTION WHEN insufficient_privilege THEN
		answer := 'changed';
	END;
	RESET ROLE;
	DROP TABLE subject;
	RETURN answer;
END $$;

SELECT n, type, stored, proposed, judged(type, stored, proposed) FROM (VALUES
	(1, 'int', '1', '1'), (2, 'int', '1', '2'), (3, 'smallint', '-1', '-1'), (4, 'smallint', '-1', '1'),
	(5, 'bigint', '5000000000', '5e9::bigint'), (6, 'bigint', '5000000000', '5000000001'),
	(7, 'bool', 'true', $$'yes'$$), (8, 'bool', 'true', 'false'), (9, 'oid', '1', '1'), (10, '"char"', $$'a'$$, $$'b'$$),
	-- floats: -0 is stored otherwise than 0, and NaN is NaN
	(20, 'float8', '1', '1.0'), (21, 'float8', '0.1', '0.1 + 1e-17'), (22, 'float8', '0', $$'-0'$$), (23, 'float8', $$'NaN'$$, $$'NaN'$$),
	(24, 'float8', $$'NaN'$$, '0'), (25, 'float8', '0.1', '0.2'), (26, 'real', '0', $$'-0'$$), (27, 'real', '0.1', $$'0.1'$$), (28, 'float8', $$'Infinity'$$, $$'-Infinity'$$),
	-- numerics: the scale does not count
	(30, 'numeric', '1.5', '1.50'), (31, 'numeric', '1.5', '1.51'), (32, 'numeric', '100', '1e2'), (33, 'numeric', '0', '-0.000'),
	(34, 'numeric', $$'NaN'$$, $$'NaN'$$), (35, 'numeric', $$'NaN'$$, '0'), (36, 'numeric', $$'Infinity'$$, $$'Infinity'$$), (37, 'numeric', $$'Infinity'$$, $$'-Infinity'$$),
	(38, 'numeric(8,2)', '1.5', '1.504'), (39, 'numeric(8,2)', '1.5', '1.506'), (40, 'numeric', $$repeat('9', 20000)::numeric$$, $$(repeat('9', 20000) || '.000')::numeric$$),
	(41, 'numeric', $$repeat('9', 20000)::numeric$$, $$(repeat('9', 20000) || '.001')::numeric$$), (42, 'amount', '1', '1.0000'), (43, 'positive', '1', '1.00'), (44, 'positive', '1', '1.01'),
	(45, 'money', '1', '1.00'), (46, 'money', '1', '2')) v(n, type, stored, proposed) ORDER BY n;

SELECT n, type, stored, proposed, judged(type, stored, proposed) FROM (VALUES
	-- texts: byte by byte
	(1, 'text', $$'a'$$, $$'a'$$), (2, 'text', $$'a'$$, $$'A'$$), (3, 'text', $$'a'$$, $$'a '$$), (4, 'text', $$''$$, $$' '$$), (5, 'text', $$U&'\00e9'$$, $$U&'e\0301'$$),
	(6, 'char(5)', $$'ab'$$, $$'ab  '$$), (7, 'char(5)', $$'ab'$$, $$'abc'$$), (8, 'varchar(5)', $$'ab'$$, $$'ab '$$), (9, 'varchar(5)', $$'ab'$$, $$'ab'::text$$), (10, 'name', $$'ab'$$, $$'ab'$$),
	(11, 'name', $$'ab'$$, $$'ac'$$), (12, 'label', $$'a'$$, $$'a'$$), (13, 'label', $$'a'$$, $$'b'$$), (14, 'text COLLATE "C"', $$'a'$$, $$'a'$$),
	(20, 'bytea', $$'\x0001'$$, $$'\000\001'$$), (21, 'bytea', $$'\x00'$$, $$'\x0000'$$),
	(22, 'uuid', $$'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'$$, $$'{A0EEBC99-9C0B4EF8BB6D6BB9BD380A11}'$$), (23, 'uuid', $$'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'$$, $$'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12'$$),
	(24, 'inet', $$'10.0.0.1'$$, $$'10.0.0.1/32'$$), (25, 'inet', $$'10.0.0.1'$$, $$'10.0.0.1/24'$$), (26, 'cidr', $$'10.0.0.0/8'$$, $$'10/8'$$), (27, 'macaddr', $$'08:00:2b:01:02:03'$$, $$'08002B-010203'$$),
	(28, 'bit(3)', $$B'101'$$, $$'101'$$), (29, 'varbit', $$B'1'$$, $$B'10'$$), (30, 'mood', $$'ok'$$, $$'ok'$$), (31, 'mood', $$'ok'$$, $$'happy'$$),
	-- date and time: what is stored, not what is equal
	(40, 'date', $$'2024-02-29'$$, $$'Feb 29 2024'$$), (41, 'date', $$'2024-02-29'$$, $$'2024-03-01'$$), (42, 'time', $$'10:00'$$, $$'10:00:00.000'$$), (43, 'timestamp', $$'2024-02-29 10:00'$$, $$'2024-02-29 10:00:01'$$),
	(44, 'timestamptz', $$'2024-02-29 10:00+00'$$, $$'2024-02-29 12:00+02'$$), (45, 'timestamptz', $$'2024-02-29 10:00+00'$$, $$'2024-02-29 10:00+02'$$), (46, 'timetz', $$'10:00+00'$$, $$'12:00+02'$$), (47, 'date', $$'infinity'$$, $$'infinity'$$),
	(48, 'interval', $$'1 mon'$$, $$'1 month'$$), (49, 'interval', $$'1 mon'$$, $$'30 days'$$), (50, 'interval', $$'1 day'$$, $$'24 hours'$$), (51, 'interval', $$'90 min'$$, $$'1:30'$$)) v(n, type, stored, proposed) ORDER BY n;

SELECT n, type, stored, proposed, judged(type, stored, proposed) FROM (VALUES
	-- documents: jsonb as it is stored, json as it was written
	(1, 'jsonb', $$'{"a": 1, "b": [1, 2]}'$$, $$'{"b":[1,2],"a":1}'$$), (2, 'jsonb', $$'{"a": 1}'$$, $$'{"a": 2, "a": 1}'$$), (3, 'jsonb', $$'{"a": 1}'$$, $$'{"a": 2}'$$), (4, 'jsonb', $$'{"a": 1}'$$, $$'{"a": 1.0}'$$),
	(5, 'jsonb', $$'null'$$, 'NULL'), (6, 'json', $$'{"a": 1}'$$, $$'{"a": 1}'$$), (7, 'json', $$'{"a": 1}'$$, $$'{"a":1}'$$), (8, 'jsonpath', $$'$.a'$$, $$'$."a"'$$),
	(9, 'tsvector', $$'a b'$$, $$'b a'$$), (10, 'tsvector', $$'a b'$$, $$'a c'$$), (11, 'tsquery', $$'a & b'$$, $$'a & b'$$), (12, 'tsquery', $$'a & b'$$, $$'a | b'$$),
	-- arrays, composites, ranges: by image, numerics in them, too
	(20, 'int[]', $$'{1,2}'$$, 'ARRAY[1, 2]'), (21, 'int[]', $$'{1,2}'$$, $$'{2,1}'$$), (22, 'int[]', $$'{1,NULL}'$$, 'ARRAY[1, NULL]'), (23, 'int[]', $$'{1}'$$, $$'[0:0]={1}'$$), (24, 'int[]', $$'{}'$$, 'NULL'),
	(25, 'text[]', $$'{a,"b c"}'$$, $$ARRAY['a', 'b c']$$), (26, 'numeric[]', $$'{1.5}'$$, $$'{1.5}'$$), (27, 'numeric[]', $$'{1.5}'$$, $$'{1.50}'$$), (28, 'int[][]', $$'{{1,2},{3,4}}'$$, $$'{{1,2},{3,4}}'$$), (29, 'int[][]', $$'{{1,2},{3,4}}'$$, $$'{1,2,3,4}'$$),
	(40, 'pair', $$ROW(1, 'a')$$, $$'(1,a)'$$), (41, 'pair', $$ROW(1, 'a')$$, $$ROW(1, 'b')$$), (42, 'pair', 'ROW(NULL, NULL)', 'NULL'), (43, 'pair', $$ROW(1, NULL)$$, $$'(1,)'$$), (44, 'money_pair', $$ROW(1.5, 'a')$$, $$ROW(1.5, 'a')$$),
	(45, 'money_pair', $$ROW(1.5, 'a')$$, $$ROW(1.50, 'a')$$), (46, 'pair[]', $$ARRAY[ROW(1, 'a')::pair]$$, $$'{"(1,a)"}'$$), (47, 'pair[]', $$ARRAY[ROW(1, 'a')::pair]$$, $$'{"(1,b)"}'$$),
	(60, 'int4range', $$'[1,3)'$$, $$'[1,2]'$$), (61, 'int4range', $$'[1,3)'$$, $$'[1,4)'$$), (62, 'int4range', $$'empty'$$, $$'[1,1)'$$), (63, 'numrange', $$'[1,2)'$$, $$'[1.0,2)'$$), (64, 'span', $$'[1,2)'$$, $$'[1,2]'$$), (65, 'span', $$'[1,2)'$$, $$'[1.0,2.0)'$$),
	(66, 'int4multirange', $$'{[1,3)}'$$, $$'{[1,2),[2,3)}'$$), (67, 'daterange', $$'[2024-01-01,)'$$, $$'[2024-01-01,infinity)'$$),
	-- geometry, and what else there is
	(80, 'point', $$'(0,1)'$$, $$'(0,1)'$$), (81, 'point', $$'(0,1)'$$, $$'(-0,1)'$$), (82, 'box', $$'(1,1),(0,0)'$$, $$'(0,0),(1,1)'$$), (83, 'path', $$'[(0,0),(1,1)]'$$, $$'((0,0),(1,1))'$$), (84, 'polygon', $$'((0,0),(1,1))'$$, $$'((0,0),(1,1))'$$),
	(85, 'circle', $$'<(0,0),1>'$$, $$'<(0,0),2>'$$), (86, 'pg_lsn', $$'0/1'$$, $$'0/1'$$), (87, 'pg_lsn', $$'0/1'$$, $$'0/2'$$), (88, 'regclass', $$'pg_class'$$, $$'pg_catalog.pg_class'$$), (89, 'xid8', $$'1'$$, $$'2'$$),
	-- NULL
	(90, 'int', 'NULL', 'NULL'), (91, 'int', 'NULL', '0'), (92, 'int', '0', 'NULL'), (93, 'text', 'NULL', $$''$$), (94, 'text', $$''$$, 'NULL'), (95, 'numeric', 'NULL', '0'), (96, 'jsonb', 'NULL', 'NULL')) v(n, type, stored, proposed) ORDER BY n;

--
-- TOAST: however it is stored, sent or compressed, only the content counts.
--
CREATE TABLE big (id int PRIMARY KEY, kind text, t text, j jsonb, note text);
ALTER TABLE big ALTER kind SET STORAGE PLAIN;
CREATE FUNCTION random_text() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT string_agg(md5(i::text), '') FROM generate_series(1, 3000) i $$;
CREATE FUNCTION plain_text() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT repeat('compressible ', 20000) $$;
ALTER TABLE big ALTER t SET STORAGE EXTERNAL;
INSERT INTO big VALUES (1, 'external', random_text(), NULL, 'n');
ALTER TABLE big ALTER t SET STORAGE EXTENDED;
INSERT INTO big VALUES (2, 'compressed', plain_text(), jsonb_build_object('t', plain_text()), 'n');
INSERT INTO big VALUES (3, 'compressed, external', random_text() || plain_text(), jsonb_build_object('t', random_text()), 'n');
ALTER TABLE big ALTER t SET STORAGE MAIN;
INSERT INTO big VALUES (4, 'main', repeat('x', 3000), NULL, 'n');
INSERT INTO big VALUES (5, 'short', 'abc', '{"a": 1}', 'n');
ALTER TABLE big ALTER t SET STORAGE EXTENDED;
GRANT ALL ON big TO PUBLIC;
SELECT ownership.assign('big', '{t,j}', 'erp'), ownership.assign('big', '{note}', 'crm');
CREATE TABLE copy AS SELECT id, t || '' AS t, j || '{}' AS j FROM big;
GRANT ALL ON copy TO PUBLIC;
SET ROLE regress_crm;
-- as it was stored, sent anew, and from another table, where it is stored again
UPDATE big SET t = t, j = j, note = 'same';
UPDATE big SET t = t || '', j = j || '{}', note = 'anew';
UPDATE big SET t = copy.t, j = copy.j, note = 'copied' FROM copy WHERE copy.id = big.id;
UPDATE big SET t = random_text(), note = 'literal' WHERE id = 1;
UPDATE big SET t = plain_text(), note = 'literal' WHERE id = 2;
UPDATE big SET t = random_text() || plain_text(), note = 'literal' WHERE id = 3;
UPDATE big SET t = repeat('x', 3000), note = 'literal' WHERE id = 4;
-- the last byte, the length
UPDATE big SET t = left(t, -1) || '!' WHERE id = 1;
UPDATE big SET t = left(t, -1) || '!' WHERE id = 2;
UPDATE big SET t = left(t, -1) || '!' WHERE id = 3;
UPDATE big SET t = t || '!' WHERE id = 4;
UPDATE big SET t = left(t, -1) WHERE id = 3;
UPDATE big SET j = j || '{"x": 1}' WHERE id = 3;
RESET ROLE;
-- stored in another way from now on
ALTER TABLE big ALTER t SET STORAGE EXTERNAL, ALTER j SET STORAGE EXTERNAL;
SET ROLE regress_crm;
UPDATE big SET t = t || '', j = j || '{}', note = 'external';
UPDATE big SET t = left(t, -1) || '!' WHERE id = 2;
RESET ROLE;
SELECT id, kind, note FROM big ORDER BY id;
-- kept, it is what it was
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'big';
SET ROLE regress_crm;
UPDATE big SET t = 'gone', j = 'null', note = 'kept';
RESET ROLE;
SELECT big.id, note, big.t = copy.t AND big.j IS NOT DISTINCT FROM copy.j AS intact FROM big JOIN copy USING (id) ORDER BY id;
SELECT count(*) FROM ownership.conflict WHERE outcome = 'kept';

--
-- Columns that came and went
--
CREATE TABLE changed (gone int, id int PRIMARY KEY, gone_too text, price numeric);
INSERT INTO changed VALUES (1, 1, 'x', 10);
ALTER TABLE changed DROP gone;
ALTER TABLE changed ADD amount int DEFAULT 5, ADD word text DEFAULT 'word', ADD due numeric DEFAULT 1.5, ADD nothing int;	-- not in the stored row
ALTER TABLE changed DROP gone_too;
ALTER TABLE changed ADD total numeric GENERATED ALWAYS AS (price * amount) STORED, ADD own int;
GRANT ALL ON changed TO PUBLIC;
SELECT ownership.assign('changed', NULL, 'erp'), ownership.assign('changed', '{own}', 'crm');
ALTER TABLE changed ADD later int DEFAULT 7;
SELECT ownership.assign('changed', '{later}', 'erp');
SET ROLE regress_crm;
UPDATE changed SET amount = 5, word = 'word', due = 1.50, nothing = NULL, later = 7, own = 1;
UPDATE changed SET amount = 6;
UPDATE changed SET word = 'words';
UPDATE changed SET due = 1.51;
UPDATE changed SET nothing = 0;
UPDATE changed SET later = NULL;
-- the message names what was written, not what is computed from it
UPDATE changed SET price = 11;
RESET ROLE;
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'changed';
TRUNCATE ownership.conflict;
ALTER TABLE changed ADD last text DEFAULT 'last';
SET ROLE regress_crm;
UPDATE changed SET price = 11, amount = 6, word = 'words', due = 2, nothing = 0, later = 8, own = 2;
RESET ROLE;
SELECT * FROM changed;
SELECT columns, row_key, stored, proposed FROM ownership.conflict;
-- a column off the map, and one that is dropped and made again
SET ROLE regress_crm;
UPDATE changed SET last = 'anything', own = 3;
RESET ROLE;
ALTER TABLE changed DROP price CASCADE;
SET ROLE regress_crm;
UPDATE changed SET amount = 6, own = 4;
RESET ROLE;
ALTER TABLE changed ADD price text;
SET ROLE regress_crm;
UPDATE changed SET price = 'eleven', own = 5;
RESET ROLE;
SELECT id, amount, own, price FROM changed;
-- a type that changes: what was there is compared in the new one
ALTER TABLE changed ALTER due TYPE float8, ALTER amount TYPE numeric;
UPDATE ownership.field SET policy = 'reject' WHERE entity = 'changed';
SET ROLE regress_crm;
UPDATE changed SET amount = 5.00, due = 1.5, own = 6;
UPDATE changed SET amount = 5.01;
UPDATE changed SET due = 1.51;
RESET ROLE;

-- a composite is compared value by value: what is inside may be compressed in
-- one of the two only
CREATE TYPE letter AS (body text);
CREATE TABLE draft (body text);
INSERT INTO draft VALUES (repeat('ab', 5000));
CREATE TABLE sent (id int PRIMARY KEY, v letter);
INSERT INTO sent VALUES (1, ROW(repeat('ab', 5000)));
SELECT ownership.assign('sent', '{id,v}', 'erp');
GRANT ALL ON sent, draft TO regress_crm;
SET ROLE regress_crm;
UPDATE sent SET v = ROW(draft.body)::letter FROM draft;
UPDATE sent SET v = ROW(draft.body || 'c')::letter FROM draft;
RESET ROLE;
DROP TABLE sent, draft;
DROP TYPE letter;

DROP EXTENSION ownership CASCADE;
DROP TABLE big, copy, changed;
DROP FUNCTION judged, random_text, plain_text;
DROP DOMAIN positive, amount, label;
DROP TYPE pair, money_pair, mood, span;
DROP ROLE regress_erp, regress_crm;
