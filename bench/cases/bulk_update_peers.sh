begin_case bulk_update_peers 'Bulk UPDATE of owned columns, all peers' \
	"$((ROWS / 5)) narrow rows; each variant enforces the same rule, but for the unguarded table and \`suppress_redundant_updates_trigger()\`, the least that a row trigger costs. No target."

rows=$((ROWS / 5))
prepare=$(narrow $rows)
warm='UPDATE t SET price = price + 1 WHERE id = 1'
statement='UPDATE t SET price = price + 1'
compare unguarded ownership ownership_lift_off grants suppress hard_coded from_table to_jsonb
