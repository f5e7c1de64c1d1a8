-- Bytes of memory for each table whose map a session has loaded.
SET client_min_messages = warning;
SET ownership.system = 'erp';
CREATE TEMP VIEW memory AS
SELECT coalesce(sum(total_bytes), 0) AS bytes, count(*) FILTER (WHERE name = 'ownership map') AS maps FROM pg_backend_memory_contexts
WHERE name IN ('ownership map', 'ownership outline') OR parent IN ('ownership map', 'ownership outline');
SELECT bytes, maps FROM memory \gset before_
BEGIN;
SELECT format('UPDATE %I.%I SET price = 1, title = title WHERE id = 1', table_schema, table_name)
FROM ownership.mirrored_table WHERE table_schema = 'hub' \gexec
SELECT format('INSERT INTO %I.%I (id, price, title) VALUES (1, 1, NULL)', table_schema, table_name)
FROM ownership.mirrored_table WHERE table_schema = 'hub' \gexec
ROLLBACK;
SELECT (bytes - :before_bytes) / (maps - :before_maps) FROM memory;
