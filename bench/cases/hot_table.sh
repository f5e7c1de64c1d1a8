begin_case hot_table '8 clients on one hot table: what they wait for' \
	"UPDATE by key of 100 rows, $DURATION seconds. Half of the clients name a column of the PIM's with its value, so that rows are judged; each also reads. Every 10 ms the wait event of each client is looked at."
must absolute waits_ownership ownership '' '<=' 0 'samples that wait for the shared memory of activity'

new_database hot
on hub hot -c "$(narrow 100)" -c 'GRANT ALL ON t TO bench_erp' -f bench/peers/ownership.sql \
	-c 'CREATE TABLE waits (type text, event text)'
printf '\\set id random(1, 100)\nUPDATE t SET price = price + 1 WHERE id = :id;\nSELECT title FROM t WHERE id = :id;\n' > "$RUN/hot_lifted"
printf '\\set id random(1, 100)\nUPDATE t SET price = price + 1, title = title WHERE id = :id;\nSELECT title FROM t WHERE id = :id;\n' > "$RUN/hot_judged"
say "  $DURATION seconds"
"$BINDIR/pgbench" -n -M prepared -h "$SOCKETS/hub" -U bench_erp -c 8 -j 2 -T "$DURATION" \
	-f "$RUN/hot_lifted" -f "$RUN/hot_judged" hot > "$RUN/pgbench" &
on hub hot <<-END
	DO \$\$ BEGIN
		FOR i IN 1 .. $DURATION * 100 LOOP
			INSERT INTO waits SELECT wait_event_type, wait_event FROM pg_stat_activity WHERE usename = 'bench_erp';
			PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
		END LOOP;
	END \$\$;
END
wait $!
round=1
record ownership waits "$(on hub hot -c "SELECT count(*) FROM waits WHERE type IS NOT NULL AND type <> 'Client'")"
# 'ownership' is the name of the tranche of the locks
record ownership waits_ownership "$(on hub hot -c "SELECT count(*) FROM waits WHERE event = 'ownership'")"
record ownership tps_8 "$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$RUN/pgbench")"
on hub hot -c "SELECT '$CASE', line FROM (VALUES (0, 'Of ' || (SELECT count(*) FROM waits) || ' samples:'), (1, ''), (2, '| wait event | samples |'), (3, '|---|--:|')) v (n, line)
	UNION ALL SELECT '$CASE', format('| %s | %s |', coalesce(type || ': ' || event, 'none, at work'), n)
	FROM (SELECT type, event, count(*) AS n FROM waits GROUP BY 1, 2 ORDER BY 3 DESC) w" >> "$RUN/profiles.tsv"
