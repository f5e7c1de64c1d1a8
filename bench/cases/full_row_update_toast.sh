begin_case full_row_update_toast 'Full-row UPDATE with 8 kB toasted foreign columns' \
	"$((ROWS / 50)) rows; the foreign column is stored out of line, is named, and does not change. \"toast blocks\": read from or hit in the toast table and its index by the statement."
must ratio seconds ownership unguarded '<=' 1.4 '≤ 1.4 × unguarded'
must absolute toast_blocks ownership '' '<=' 0 'foreign toast is never fetched (blocks)'

rows=$((ROWS / 50))
sql -c "CREATE TABLE toasted (id int, price numeric(10,2), stock int, title text)" \
	-c 'ALTER TABLE toasted ALTER title SET STORAGE EXTERNAL' \
	-c "INSERT INTO toasted SELECT i, i % 1000, i % 50, repeat(md5(i::text), 256) FROM generate_series(1, $rows) i"
prepare='CREATE TABLE t (LIKE toasted INCLUDING STORAGE, PRIMARY KEY (id)); INSERT INTO t TABLE toasted'
statement='UPDATE t SET id = id, price = price + 1, stock = stock, title = title'
warm="$statement WHERE id = 1"
fetched="coalesce(toast_blks_read, 0) + coalesce(toast_blks_hit, 0) + coalesce(tidx_blks_read, 0) + coalesce(tidx_blks_hit, 0) AS n
	FROM pg_statio_all_tables WHERE relid = 't'::regclass"
mark="SELECT pg_stat_force_next_flush(); CREATE TEMP TABLE mark AS SELECT $fetched"
after="SELECT pg_stat_force_next_flush(); SELECT 'toast_blocks', now.n - mark.n FROM (SELECT $fetched) now, mark"
compare unguarded ownership suppress to_jsonb
