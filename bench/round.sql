-- One round of one variant: a fresh table, and one bulk UPDATE of an owned
-- column by the ERP.  Variables: variant, trigger (SQL that arms it).
\set ON_ERROR_STOP on
SET client_min_messages = warning;
DROP TABLE IF EXISTS t;
CREATE TABLE t (LIKE template INCLUDING ALL);
INSERT INTO t TABLE template;
:trigger;
GRANT SELECT, UPDATE ON t TO bench_erp;
VACUUM ANALYZE t;
CHECKPOINT;
SET ROLE bench_erp;
SELECT clock_timestamp() AS t0, pg_current_wal_insert_lsn() AS w0 \gset
UPDATE t SET price = price + 1;
SELECT extract(epoch FROM clock_timestamp() - :'t0') AS seconds, pg_current_wal_insert_lsn() - :'w0'::pg_lsn AS wal \gset
RESET ROLE;
INSERT INTO result VALUES (:'variant', :seconds, :wal);
