-- One measurement of one variant, from a fresh table t. Variables:
--   prepare    SQL that makes t
--   peer       the file of peers/ that puts the rule on it
--   role       the role that runs the measured statement
--   session    settings of the measured session, which is a new one
--   before     SQL of that role that is not measured
--   warm       a statement of that role that is rolled back: it loads catalogs and map
--   mark       SQL just before the statement
--   statement  what is measured
--   after      SQL that returns more metrics and their values
--   rows       number of rows that the statement writes
--   probe      the program that measures the backend (probe.sh)
-- Prints metrics and values.
SET client_min_messages = warning;
DROP TABLE IF EXISTS t;
DELETE FROM ownership.field WHERE entity = 't';
DELETE FROM ownership.mirrored_table WHERE (table_schema, table_name) = ('public', 't');
:prepare;
GRANT ALL ON t TO bench_erp, bench_pim;
\set session
\i :peer
SET ROLE :role;
:before;
RESET ROLE;
VACUUM (ANALYZE) t, evidence, ownership.conflict;
CHECKPOINT;
\connect
SET client_min_messages = warning;
:session;
SET ROLE :role;
BEGIN;
:warm;
ROLLBACK;
:mark;
SELECT pg_backend_pid() AS pid \gset
\set started `:probe start :pid`
SELECT clock_timestamp() AS t0, pg_current_wal_insert_lsn() AS w0 \gset
:statement;
SELECT extract(epoch FROM clock_timestamp() - :'t0') AS seconds, pg_current_wal_insert_lsn() AS w1 \gset
\set counted `:probe stop :pid`
RESET ROLE;
SELECT 'seconds', :seconds;
SELECT 'us_per_row', 1e6 * :seconds / :rows;
SELECT 'wal', :'w1'::pg_lsn - :'w0'::pg_lsn;
SELECT 'w0', :'w0';
SELECT 'w1', :'w1';
SELECT split_part(line, ' ', 1), split_part(line, ' ', 2)::numeric / CASE WHEN line LIKE 'instructions %' THEN :rows ELSE 1 END
FROM string_to_table(nullif(:'counted', ''), E'\n') line;
:after;
