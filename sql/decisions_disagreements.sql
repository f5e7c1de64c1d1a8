-- The view disagreements is a stream: LIMIT ends it, a cursor goes through it.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION ownership;
SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm');
CREATE TABLE item (id int PRIMARY KEY, price int, stock int);
CREATE TABLE part (id int PRIMARY KEY, price int);
SELECT ownership.assign('item', NULL, 'erp', policy => 'keep'), ownership.assign('part', NULL, 'erp', policy => 'keep');
SET ownership.system = 'erp';
INSERT INTO item SELECT i, 0, 0 FROM generate_series(1, 600) i;
INSERT INTO part SELECT i, 0 FROM generate_series(1, 300) i;
SET ownership.system = 'crm';
UPDATE item SET price = id, stock = id;
UPDATE part SET price = id;
-- the latest word counts
UPDATE item SET price = -1 WHERE id <= 50;
-- a row as a whole is one line; what is stored by now is none
DELETE FROM part WHERE id <= 20;
SET ownership.system = 'erp';
UPDATE item SET stock = id WHERE id > 500;
RESET ownership.system;
ANALYZE ownership.conflict;

CREATE TABLE whole AS SELECT conflict_id, relation, column_name, refused, stored FROM ownership.disagreements;
SELECT relation, column_name, count(*), count(DISTINCT conflict_id), min(refused), count(note) FROM ownership.disagreements
GROUP BY 1, 2 ORDER BY 1, 2;

-- LIMIT reads no more evidence than it needs
BEGIN;
SELECT count(*) FROM (SELECT FROM ownership.disagreements LIMIT 5) d;
SELECT pg_stat_get_xact_tuples_fetched('ownership.conflict'::regclass) < 300 AS some;
SELECT count(*) FROM pg_cursors WHERE statement LIKE '%ownership.conflict%' AND statement NOT LIKE '%pg_cursors%';
COMMIT;

-- a cursor that is read in subtransactions, of which one is rolled back
BEGIN;
DECLARE c CURSOR FOR SELECT conflict_id, relation, column_name, refused, stored FROM ownership.disagreements;
CREATE TEMP TABLE seen (LIKE whole);
CREATE FUNCTION pg_temp.take(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	c refcursor := 'c';
	d seen;
BEGIN
	FOR i IN 1..n LOOP
		FETCH c INTO d;
		EXIT WHEN NOT FOUND;
		INSERT INTO seen SELECT d.*;
	END LOOP;
END $$;
SELECT pg_temp.take(10);
SAVEPOINT s;
MOVE 100 FROM c;
ROLLBACK TO s;
SAVEPOINT s;
SELECT pg_temp.take(150);
RELEASE s;
-- what is decided on meanwhile is still returned: the cursor sees what was there when it was opened
UPDATE ownership.conflict SET resolution = 'dismissed';
SELECT pg_temp.take(10000);
SELECT count(*), count(DISTINCT seen) FROM seen;
SELECT count(*) FROM (SELECT * FROM seen EXCEPT SELECT * FROM whole) d;
SELECT (SELECT count(*) FROM whole) - (SELECT count(*) FROM seen) AS moved_over;
ROLLBACK;

-- the cursor begins in a subtransaction that is rolled back; one outlives its transaction
CREATE FUNCTION pg_temp.rest(c refcursor) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	id bigint;
	n bigint := 0;
BEGIN
	LOOP
		FETCH c INTO id;
		EXIT WHEN NOT FOUND;
		n := n + 1;
	END LOOP;
	RETURN n;
END $$;
BEGIN;
DECLARE c CURSOR FOR SELECT conflict_id FROM ownership.disagreements;
DECLARE h CURSOR WITH HOLD FOR SELECT conflict_id FROM ownership.disagreements;
SAVEPOINT s;
MOVE 100 FROM c;
ROLLBACK TO s;
SELECT pg_temp.rest('c');
MOVE 100 FROM h;
COMMIT;
SELECT pg_temp.rest('h');
CLOSE h;

-- the inner side of a join is read again
SELECT count(*) FROM (VALUES (1), (2)) v(n), LATERAL (SELECT FROM ownership.disagreements WHERE n > 0 LIMIT 3) d;

DROP TABLE item, part, whole;
DROP EXTENSION ownership;
