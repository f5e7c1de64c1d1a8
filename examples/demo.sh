#!/bin/sh
# Shows the main job on two private clusters with real replication, and checks
# every answer: "make demo".  KEEP=1 leaves the servers running.  ORDER says in which
# order the feeds come; the result is the same.
set -eu
cd "$(dirname "$0")/.." || exit 1
checkout=$(pwd)
. .ci/private.sh
# settings of the environment must change neither the servers nor what psql shows
for variable in $(env | sed -n 's/^\(PG[A-Z]*\)=.*/\1/p'); do unset "$variable"; done
export PGCLIENTENCODING=UTF8 LC_ALL=C

SKU='SKU-00042'
ORDER=${ORDER:-pim crm erp}
started=$(date +%s)
sockets=
done=

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$(printf '\033[1m') plain=$(printf '\033[0m')
else
	bold='' plain=''
fi

# Starting and stopping

# Writes a script that stops the servers and removes their data: with KEEP=1 it
# stays.
write_stop() {
	{
		echo '#!/bin/sh'
		echo "# Stops the demo's servers and removes their data."
		echo '{'
		if [ "$(id -u)" = 0 ]; then echo "run='runuser -u $SERVER_USER --'"; else echo 'run='; fi
		for server in hub sources; do
			echo "\$run '$BINDIR/pg_ctl' -D '$RUN/$server' -m immediate -w stop >/dev/null 2>&1"
		done
		echo "[ \"\${1:-}\" = keep-logs ] || rm -rf '$RUN'"
		echo "rm -rf '$sockets'"
		echo 'exit 0; }'
	} > "$RUN/stop"
}

finish() {
	status=$?
	trap - EXIT
	trap '' HUP INT TERM PIPE
	[ -z "${log:-}" ] || rm -f "$log"
	[ -n "$sockets" ] || exit "$status"
	if [ "$status" -gt 128 ]; then
		sh "$RUN/stop"
		echo 'Interrupted. The servers are stopped, and their data is removed.' >&2
	elif [ -z "$done" ]; then
		sh "$RUN/stop" keep-logs
		echo "The demo did not come to its end. Its servers are stopped; their logs are in $RUN." >&2
		[ "$status" != 0 ] || status=1
	elif [ -z "${KEEP:-}" ]; then
		sh "$RUN/stop"
	fi
	exit "$status"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

# start_server NAME PORT
start_server() {
	as_server "$BINDIR/initdb" -D "$RUN/$1" -U postgres -A trust --no-locale -E UTF8 -N \
		> "$RUN/$1.initdb.log" 2>&1 || { cat "$RUN/$1.initdb.log"; return 1; }
	{
		cat "$CONF"
		cat <<-SETTINGS
		shared_preload_libraries = 'ownership'
		unix_socket_directories = '$sockets'
		listen_addresses = ''
		port = $2
		wal_level = logical
		fsync = off
		shared_buffers = 32MB
		max_worker_processes = 20
		max_logical_replication_workers = 12
		max_sync_workers_per_subscription = 4
		max_replication_slots = 20
		max_wal_senders = 20
		track_commit_timestamp = on
		wal_retrieve_retry_interval = 200ms
		timezone = 'UTC'
		log_line_prefix = ''
		SETTINGS
	} | as_server tee -a "$RUN/$1/postgresql.conf" >/dev/null
	as_server "$BINDIR/pg_ctl" -D "$RUN/$1" -l "$RUN/$1.log" -w -t 30 start >/dev/null ||
		{ tail -n 20 "$RUN/$1.log"; return 1; }
}

# Talking to the servers

# sql DATABASE ROLE OPTION ...   psql; it reads standard input
sql() {
	case $1 in
		erp | crm | pim) port=$SOURCES_PORT ;;
		*) port=$HUB_PORT ;;
	esac
	database=$1 role=$2
	shift 2
	as_server "$BINDIR/psql" -X -h "$sockets" -p "$port" -U "$role" -d "$database" \
		-P pager=off -P footer=off "$@"
}

# quietly DATABASE FILE OPTION ...   runs a file, and prints its output only if it fails
quietly() {
	database=$1 file=$2
	shift 2
	sql "$database" postgres -q -v ON_ERROR_STOP=1 -f "$file" "$@" > "$RUN/output" 2>&1 ||
		{ cat "$RUN/output"; return 1; }
}

# value DATABASE QUERY
value() {
	printf '%s\n' "$2" | sql "$1" postgres -qAt -v ON_ERROR_STOP=1
}

# await WHAT DATABASE CONDITION   waits until it is true, at most 20 seconds
await() {
	value "$2" "SET log_min_messages = panic; DO \$wait\$
		DECLARE give_up timestamptz := clock_timestamp() + interval '20 s';
		BEGIN
			WHILE ($3) IS NOT TRUE LOOP
				IF clock_timestamp() > give_up THEN
					RAISE EXCEPTION 'waited in vain for %', \$what\$$1\$what\$;
				END IF;
				PERFORM pg_sleep(0.05);
			END LOOP;
		END \$wait\$;" || {
		echo "The hub's log says:" >&2
		grep -E '^(WARNING|ERROR|FATAL|PANIC|DETAIL):' "$RUN/hub.log" | tail -n 10 >&2
		return 1
	}
}

# What a person sees: paragraphs, and below them what was checked

after=
paragraph() {
	after=paragraph
	echo
}
step() {
	paragraph
	echo "${bold}$1${plain}"
}
say() {
	paragraph
	echo "  $1"
}
# as psql prints it, without blank lines at the end
show_output() {
	sed 's/ *$//; s/^/    /' "$RUN/output" | sed '$ { /^ *$/ d; }'
}
show_statement() {
	case $2 in
		postgres) prompt="$1=#" ;;
		*) prompt="$2@$1=>" ;;
	esac
	paragraph
	printf '%s\n' "$3" | sed "1s/^/    $prompt /; 2,\$s/^/      /"
}

# ask DATABASE ROLE STATEMENT   shows it and the answer, which must be no error
ask() {
	show_statement "$@"
	printf '%s\n' "$3" | sql "$1" "$2" -v ON_ERROR_STOP=1 > "$RUN/output" 2>&1 || {
		show_output
		echo 'This should not have failed.' >&2
		return 1
	}
	show_output
}

# refused DATABASE ROLE STATEMENT   shows it and the error that it must be
refused() {
	show_statement "$@"
	printf '%s\n\\echo SQLSTATE: :SQLSTATE\n' "$3" | sql "$1" "$2" > "$RUN/output" 2>&1 || true
	show_output
	grep -q '^SQLSTATE: 42501$' "$RUN/output" || {
		echo 'This should have failed with SQLSTATE 42501.' >&2
		return 1
	}
}

ok() {
	[ "$after" = ok ] || echo
	after=ok
	echo "  ok: $1"
}

# holds SENTENCE DATABASE CONDITION
holds() {
	if [ "$(value "$2" "SELECT ($3) IS TRUE")" != t ]; then
		echo "    NOT SO: $1" >&2
		echo "    $2: $3" >&2
		return 1
	fi
	ok "$1"
}

# Setting up

echo "${bold}One hub, three sources, and a map of which system owns what${plain}"
echo
# an earlier demo that was kept
[ ! -f tmp_demo/stop ] || sh tmp_demo/stop

echo "  Building, and installing into a private directory."
log=$(mktemp)
private_setup demo > "$log" 2>&1 || { cat "$log"; exit 1; }
cd "$SRC"
sockets=$(as_server mktemp -d /tmp/ownership-sockets.XXXXXX)
SOURCES_PORT=5433
HUB_PORT=5432
write_stop

echo "  Starting two servers: sources (databases erp, crm, pim) and hub (database integration)."
start_server sources $SOURCES_PORT
start_server hub $HUB_PORT
for database in erp crm pim; do
	as_server "$BINDIR/createdb" -h "$sockets" -p $SOURCES_PORT -U postgres $database
	quietly $database examples/sources/$database.sql
done
as_server "$BINDIR/createdb" -h "$sockets" -p $HUB_PORT -U postgres integration

quietly integration examples/hub.sql

# copied DATABASE SUBSCRIPTION   waits for the first copies
copied() {
	await "the first copies of $2" "$1" "(SELECT bool_and(srsubstate = 'r')
		FROM pg_subscription_rel JOIN pg_subscription s ON s.oid = srsubid WHERE subname = '$2')"
}

# caught_up SYSTEM SUBSCRIPTION   waits until the hub has applied what the source has written
caught_up() {
	await "what $1 has written" "$1" "(SELECT replay_lsn >= pg_current_wal_lsn() FROM pg_stat_replication WHERE application_name = '$2')"
}

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

# statement SENTENCE STATEMENT   the next one of the first act: asks the found hub, and adds up the time
statement() {
	statements=$((statements + 1))
	say "$statements. $1"
	began=$(milliseconds)
	ask found postgres "$2"
	took=$((took + $(milliseconds) - began))
}

# The first act: a hub that nobody knows
statements=0 took=0
step 'A hub that nobody knows'
say 'Three feeds write it. It has no map, and who set it up has left (examples/found.sql).'
as_server "$BINDIR/createdb" -h "$sockets" -p $HUB_PORT -U postgres found
quietly found examples/found.sql -v sources="host=$sockets port=$SOURCES_PORT user=postgres"
copied found from_erp
copied found from_crm
# a day of traffic: the sources send what they have once more, and the ERP some of it last
value pim "UPDATE shop.product SET name = name" && caught_up pim from_pim
value crm "UPDATE shop.product SET sales_note = sales_note; UPDATE shop.customer SET name = name" && caught_up crm from_crm
value erp "UPDATE erp.item SET on_hand = on_hand WHERE item_no > 'SKU-00400'" && caught_up erp from_erp
# running feeds take a setting of the server at once, one of the database when they start again
value found "CREATE EXTENSION ownership; ALTER SYSTEM SET ownership.enforcement = observe; SELECT pg_reload_conf()" > /dev/null

statement 'Who wrote the rows that are there?' "SELECT relation, origin, told_by, rows FROM ownership.discover();"
holds 'each row that a feed has changed is that feed'\''s, and the others are unknown' found \
	"(SELECT sum(rows) FILTER (WHERE origin = 'from_erp') = 2 * 800 AND sum(rows) FILTER (WHERE origin = 'from_crm') = 500 + 80
		AND sum(rows) FILTER (WHERE origin = 'from_pim') = 320 AND sum(rows) FILTER (WHERE origin IS NULL) = 400 FROM ownership.discover())"
statement 'So these are the feeds. Which systems they are is all that a person has to say:' \
	"SELECT ownership.add_system('erp', 'erp', subscription => 'from_erp'),
  ownership.add_system('pim', 'pim', subscription => 'from_pim'),
  ownership.add_system('crm', 'crm', subscription => 'from_crm');"
statement 'Which system should own what?' "SELECT column_name, system, sure, reason FROM ownership.suggest('shop.product');"
statement 'Which columns are copies of one field?' "SELECT columns, agree, sure FROM ownership.suggest_links();"
holds 'the copies are found by their values' found "(SELECT bool_or(sure AND columns @> '{erp.item.item_no,shop.product.sku}') FROM ownership.suggest_links())"
statement 'What is sure goes onto the map. The guard watches, and refuses nothing yet:' \
	"SELECT relation, outcome, owner, count(*) AS columns, string_agg(column_name, ' ') AS names
FROM ownership.adopt('*') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;"
# the feeds go on, and the guard sees what they change
value pim "UPDATE shop.product SET brand = brand" && caught_up pim from_pim
value crm "UPDATE shop.product SET price = price - 1 WHERE sku = 'SKU-00002'; UPDATE shop.product SET price = price + 1 WHERE sku = 'SKU-00002'" &&
	caught_up crm from_crm
await "the CRM's writes" found "(SELECT true FROM (SELECT ownership.flush()) f, ownership.activity
	WHERE column_name = 'price' AND system = 'crm' AND writes > 0)"
statement 'And what people need to see who have no account here:' "SELECT length(ownership.page()) AS bytes_of_html;"
holds 'no field has a wrong owner, and none of those that have one is missing' found \
	"(SELECT string_agg(entity || '.' || name || ' ' || owner, ', ' ORDER BY entity COLLATE \"C\", name COLLATE \"C\") =
		'erp.item.list_price erp, erp.item.on_hand erp, erp.item.supplier erp, erp.item.unit_cost erp, '
		'shop.customer.email crm, shop.customer.name crm, shop.customer.newsletter crm, shop.customer.phone crm, shop.customer.segment crm, '
		'shop.product.brand pim, shop.product.description pim, shop.product.name pim, shop.product.price erp, shop.product.stock erp'
		FROM ownership.field WHERE owner IS NOT NULL)"
holds 'the page asks who owns the others, and says that the CRM writes the ERP'\''s price' found \
	"(SELECT page LIKE '%sales_note%' AND page ~ '<b>crm</b>|<bdi>crm</bdi>' AND page LIKE '%intrudes%' FROM ownership.page())"
ok "that took $statements statements, and the hub $took ms to answer them"
value found "ALTER SYSTEM RESET ownership.enforcement; SELECT pg_reload_conf()" > /dev/null
for system in erp pim crm; do value found "DROP SUBSCRIPTION from_$system" > /dev/null 2>&1; done
paragraph
echo '  From here on the hub gets its map first.'

# feed SYSTEM   subscribes the hub to it, and waits for the first copy
feed() {
	case $1 in
		erp) publications='erp_items, erp_orders' ;;
		crm) publications='crm_customers, crm_notes' ;;
		pim) publications='pim_texts' ;;
		*) echo "ORDER names a feed that there is not: $1" >&2; return 1 ;;
	esac
	quietly integration examples/feeds.sql -v feed="$1_feed" -v publications="$publications" \
		-v source="host=$sockets port=$SOURCES_PORT user=postgres dbname=$1"
	copied integration "$1_feed"
}

# refusals   the evidence of values that were kept out since the feeds are there
refusals() {
	echo "(SELECT count(*) FROM ownership.conflict WHERE id > $feeds_complete
		AND outcome IN ('kept', 'discarded'))"
}

step 'The map'
say 'The hub gets it before the feeds, so that their first copies are judged, too (examples/map.sql):'
sql integration postgres -a -t -A -v ON_ERROR_STOP=1 -f examples/map.sql > "$RUN/output" 2>&1 ||
	{ cat "$RUN/output"; exit 1; }
grep -v '^$' "$RUN/output" > "$RUN/output.lines" && mv "$RUN/output.lines" "$RUN/output"
paragraph
show_output
holds 'every table on the map is guarded' integration \
	'(SELECT count(*) = 4 AND bool_and(guarded) FROM ownership.guards)'

step 'One product table, three feeds'
say "They come in this order: $ORDER.  Only the ERP creates products.  What another feed
  brings of a product that is not there yet waits for it."
for system in $ORDER; do
	feed "$system"
	say "The $(echo "$system" | tr a-z A-Z) has sent its products:"
	ask integration postgres "SELECT count(*) AS products, count(price) AS prices, count(name) AS names,
  count(sales_note) AS notes,
  (SELECT count(*) FROM ownership.waiting) AS waiting
FROM shop.product;"
done
feeds_complete=$(value integration 'SELECT coalesce(max(id), 0) FROM ownership.conflict')
ask integration postgres "SELECT sku, name, brand, price, stock, sales_note FROM shop.product
WHERE sku = '$SKU';"
whole="(SELECT count(*) = 1200 AND count(price) = 1200 AND count(stock) = 1200 AND count(name) = 1200
		AND count(brand) = 1200 AND count(description) = 1200 FROM shop.product)"
holds 'each product has the price of the ERP, the texts of the PIM and the note of the CRM' integration \
	"$whole AND (SELECT count(*) = 240 FROM shop.product WHERE sales_note IS NOT NULL)"
holds 'nothing waits any more, and no value that was refused differs from what is stored' integration \
	"NOT EXISTS (SELECT FROM ownership.waiting)
	AND NOT EXISTS (SELECT FROM ownership.disagreements)"
holds 'the hub has the data of all three' integration \
	"(SELECT count(*) = 1200 FROM erp.item) AND (SELECT count(*) = 500 FROM shop.customer)
	AND (SELECT count(*) = 2020 AND count(tracking_no) = 1850 FROM shop.orders)"

# The steps

step '1. The ERP changes a price, and it arrives in the hub.'
say 'The price is the ERP'\''s field. The hub contains two copies of it, and both follow.'
ask erp postgres "UPDATE erp.item SET list_price = 54.90 WHERE item_no = '$SKU';"
await 'the new price' integration "(SELECT price = 54.90 FROM shop.product WHERE sku = '$SKU')"
await 'the new price in the copy of the ERP'\''s items' integration \
	"(SELECT list_price = 54.90 FROM erp.item WHERE item_no = '$SKU')"
ask integration postgres "SELECT sku, name, price, list_price
FROM shop.product JOIN erp.item ON item_no = sku WHERE sku = '$SKU';"
holds 'the ERP'\''s price is in both, and nothing is in conflict' integration \
	"(SELECT p.price = 54.90 AND i.list_price = 54.90 FROM shop.product p JOIN erp.item i ON i.item_no = p.sku
		WHERE p.sku = '$SKU') AND $(refusals) = 0"

step '2. A replicated CRM update carries its own note, and a product price.'
say 'Its own note lands. The price stays the ERP'\''s, the refused one is kept as evidence, and the stream goes on.'
worker=$(value integration "SELECT pid FROM pg_stat_subscription WHERE subname = 'crm_feed' AND relid IS NULL")
ask crm postgres "UPDATE shop.product
SET sales_note = 'Offered at 39.00 until Friday', price = 39.00
WHERE sku = '$SKU';"
await "the CRM's note" integration "(SELECT sales_note LIKE 'Offered%' FROM shop.product WHERE sku = '$SKU')"
ask integration postgres "SELECT sku, name, price, sales_note FROM shop.product WHERE sku = '$SKU';"
ask integration postgres "SELECT * FROM ownership.conflict WHERE outcome = 'kept' \\gx"
holds 'the note landed, the price is still the ERP'\''s' integration \
	"(SELECT price = 54.90 AND sales_note = 'Offered at 39.00 until Friday' FROM shop.product WHERE sku = '$SKU')"
holds 'the refused price is in ownership.conflict, once' integration \
	"(SELECT count(*) = 1 AND bool_and(system = 'crm' AND outcome = 'kept' AND operation = 'UPDATE'
		AND row_key = jsonb_build_object('sku', '$SKU') AND columns = '{price}'
		AND stored = '{\"price\": \"54.90\"}' AND proposed = '{\"price\": \"39.00\"}') FROM ownership.conflict
		WHERE outcome = 'kept')"
say 'The hub'\''s log warns of it:'
sed -n '/^WARNING:  system "crm" may not write column "price" of table "shop.product"/,/^HINT/p' "$RUN/hub.log" > "$RUN/output"
paragraph
show_output
grep -q '^WARNING' "$RUN/output"
say 'And the next update comes through the same stream:'
ask crm postgres "UPDATE shop.product SET sales_note = 'Sold out at the fair' WHERE sku = 'SKU-00043';"
await "the CRM's next note" integration "(SELECT sales_note LIKE 'Sold%' FROM shop.product WHERE sku = 'SKU-00043')"
ask integration postgres "SELECT sku, price, sales_note FROM shop.product WHERE sku = 'SKU-00043';"
holds 'the feed never stopped, and there is no new conflict' integration \
	"(SELECT pid = $worker FROM pg_stat_subscription WHERE subname = 'crm_feed' AND relid IS NULL)
	AND $(refusals) = 1"

step '3. The CRM tries the same over SQL, as its own role.'
say 'PostgreSQL'\''s privileges would let it. The map does not, and says so:'
refused integration crm_app "UPDATE shop.product SET price = 39.00 WHERE sku = '$SKU';"
holds 'crm_app has the privilege, the price is unchanged' integration \
	"has_column_privilege('crm_app', 'shop.product', 'price', 'UPDATE')
	AND (SELECT price = 54.90 FROM shop.product WHERE sku = '$SKU')"
say 'Its transaction rolled back; that it tried is remembered all the same:'
value integration 'SELECT ownership.flush()' > /dev/null
ask integration postgres "SELECT outcome, system, role, application_name, row_key, stored, proposed
FROM ownership.conflict WHERE outcome = 'rejected' \\gx"
holds 'the rejected attempt is in ownership.conflict' integration \
	"(SELECT count(*) = 1 AND bool_and(system = 'crm' AND role = 'crm_app' AND proposed = '{\"price\": \"39.00\"}')
		FROM ownership.conflict WHERE outcome = 'rejected')"

step '4. The PIM upserts a whole row.'
say 'It sends back the price and the stock that it last read. Nothing changes there, so nothing is in conflict:'
stock=$(value integration "SELECT stock FROM shop.product WHERE sku = '$SKU'")
upsert() {
	echo "INSERT INTO shop.product (sku, name, description, brand, price, stock)
VALUES ('$SKU', 'Linen lamp, large', '$1',
  'Nordlicht', $2, $stock)
ON CONFLICT (sku) DO UPDATE SET name = excluded.name,
  description = excluded.description, brand = excluded.brand,
  price = excluded.price, stock = excluded.stock;"
}
ask integration pim_app "$(upsert 'Warm light for long evenings.' 54.90)"
ask integration postgres "SELECT sku, name, description, price, stock FROM shop.product
WHERE sku = '$SKU';"
holds 'the texts landed, and nothing else is in conflict' integration \
	"(SELECT name = 'Linen lamp, large' AND description LIKE 'Warm%' AND price = 54.90 FROM shop.product WHERE sku = '$SKU')
	AND $(refusals) = 1"
say 'Then with a price of its own:'
refused integration pim_app "$(upsert 'Now even warmer.' 44.90)"
holds 'the row is as it was' integration \
	"(SELECT description LIKE 'Warm%' AND price = 54.90 FROM shop.product WHERE sku = '$SKU')"

step '5. The ERP reloads its products.'
say 'Before:'
golden="SELECT count(*) AS products, count(price) AS prices, count(name) AS names,
  count(sales_note) AS notes, md5(string_agg(p::text, ',' ORDER BY sku)) AS all_values
FROM shop.product p;"
ask integration postgres "$golden"
before=$(value integration "$golden")
say 'The ERP deletes every product, and commits. Prices and stock are its own; texts and notes are remembered:'
ask erp postgres "DELETE FROM shop.product;"
await 'the deletes' integration "NOT EXISTS (SELECT FROM shop.product)"
ask integration postgres "SELECT column_name, system, value, outcome, since::date, until::date
FROM ownership.waiting WHERE row_key = '{\"sku\": \"$SKU\"}';"
holds 'the values of the others wait for 1,200 products' integration \
	"(SELECT count(DISTINCT row_key) = 1200 FROM ownership.waiting WHERE outcome = 'remembered')"
say 'Then it loads them again, and they are complete at once:'
ask erp postgres "INSERT INTO shop.product SELECT item_no, list_price, on_hand FROM erp.item;"
await 'the load' integration "(SELECT count(*) = 1200 FROM shop.product)"
ask integration postgres "$golden"
[ "$(value integration "$golden")" = "$before" ] || { echo 'The table is another one.' >&2; exit 1; }
ok 'every value of every product is what it was'
say 'The nightly load on the hub truncates, and inserts, in one transaction:'
ask integration erp_app "BEGIN;
TRUNCATE shop.product;
INSERT INTO shop.product (sku, price, stock) SELECT item_no, list_price, on_hand FROM erp.item;
COMMIT;"
ask integration postgres "$golden"
[ "$(value integration "$golden")" = "$before" ] || { echo 'The table is another one.' >&2; exit 1; }
ok 'every value of every product is what it was'
holds 'nothing waits, and nothing was refused' integration \
	"NOT EXISTS (SELECT FROM ownership.waiting) AND $(refusals) = 1"

step '6. An order'\''s status changes hands at checkout.'
say 'In its cart the order is the storefront'\''s:'
ask integration storefront_app "UPDATE shop.orders SET status = 'checkout' WHERE order_no = 'O-02001';"
ask integration storefront_app "UPDATE shop.orders SET status = 'placed' WHERE order_no = 'O-02001';"
holds 'the storefront has placed the order' integration \
	"(SELECT status = 'placed' FROM shop.orders WHERE order_no = 'O-02001')"
say 'After checkout it is the ERP'\''s, and the storefront cannot take it back:'
refused integration storefront_app "UPDATE shop.orders SET status = 'cancelled' WHERE order_no = 'O-02001';"
holds 'the order is still placed' integration \
	"(SELECT status = 'placed' FROM shop.orders WHERE order_no = 'O-02001')"
say 'The ERP books the order and ships it, and the hub hears of it:'
ask erp postgres "INSERT INTO shop.orders VALUES ('O-02001', 'C-0002', 32.80, 'placed');"
ask erp postgres "UPDATE shop.orders SET status = 'shipped', tracking_no = 'TRK702001'
WHERE order_no = 'O-02001';"
await 'the new status' integration "(SELECT status = 'shipped' FROM shop.orders WHERE order_no = 'O-02001')"
ask integration postgres "SELECT * FROM shop.orders WHERE order_no = 'O-02001';"
holds 'the ERP has changed the status, without a conflict' integration \
	"(SELECT status = 'shipped' AND tracking_no = 'TRK702001' FROM shop.orders WHERE order_no = 'O-02001')
	AND $(refusals) = 1"

step '7. Where are the risks?'
say 'The highest first: fields without an owner, fields that several systems write, columns that are not on the map.'
ask integration postgres "SELECT severity, risk, detail FROM ownership.risks;"
holds 'the highest come first' integration \
	"(WITH r AS (SELECT array_position('{high,medium,low}', severity) AS s, row_number() OVER () AS n FROM ownership.risks)
		SELECT array_agg(s ORDER BY n) = array_agg(s ORDER BY s) FROM r)"
holds 'product.weight_g, customer.phone and customer.newsletter have no owner' integration \
	"(SELECT array_agg(entity || '.' || field ORDER BY entity, field) = '{customer.newsletter,customer.phone,product.weight_g}'
		FROM ownership.risks WHERE risk = 'unowned')"
holds 'several systems write customer.newsletter, product.stock and product.weight_g' integration \
	"(SELECT array_agg(entity || '.' || field ORDER BY entity, field) = '{customer.newsletter,product.stock,product.weight_g}'
		FROM ownership.risks WHERE risk = 'contested')"
holds 'shop.customer.loyalty_points and shop.product.ean are not on the map' integration \
	"(SELECT array_agg(relation || '.' || column_name ORDER BY relation) = '{shop.customer.loyalty_points,shop.product.ean}'
		FROM ownership.risks WHERE risk = 'unmapped')"

step '8. The whole map, and the spreadsheet again.'
say 'Who owns what, column by column:'
ask integration postgres "SELECT relation, column_name, entity || '.' || field AS field,
  owner, writers, policy, guarded FROM ownership.map;"
holds 'every mirrored column is on it, and guarded' integration \
	"(SELECT count(*) = 24 AND bool_and(guarded) FROM ownership.map)
	AND (SELECT count(*) = 24 FROM ownership.mirrored_column)"
say 'The map goes back into a spreadsheet, and is the one that came in:'
cd "$RUN"
ask integration postgres "\\copy (table ownership.sheet) to 'exported.csv' with (format csv, header)"
cd "$SRC"
cmp examples/ownership.csv "$RUN/exported.csv"
ok 'the exported file and examples/ownership.csv are the same, byte for byte'

step '9. Which systems really read and write?'
say 'customer.phone has no owner. Instead of asking every team, observe a day of traffic; the guard refuses nothing in that time:'
ask integration postgres "ALTER DATABASE integration SET ownership.enforcement = observe;"
for customer in C-0003 C-0006 C-0009; do
	value integration "SET ROLE storefront_app; SET application_name = 'checkout';
		UPDATE shop.customer SET phone = '+49 40 771${customer#C-}' WHERE customer_no = '$customer'"
done
value crm "UPDATE shop.customer SET phone = '+49 30 123456' WHERE customer_no = 'C-0012'"
value integration "SET ROLE pim_app; SELECT count(phone) FROM shop.customer" > /dev/null
await "the CRM's phone number" integration \
	"(SELECT true FROM (SELECT ownership.flush()) f, ownership.activity
		WHERE column_name = 'phone' AND system = 'crm' AND writes > 0)"
ask integration postgres "SELECT system, reads, writes, first_seen::date AS since
FROM ownership.activity
WHERE table_name = 'customer' AND column_name = 'phone' ORDER BY system;"
ask integration postgres "SELECT entity, field, owner, systems FROM ownership.matrix
WHERE entity = 'customer' AND field = 'phone' \\gx"
holds 'the CRM and the storefront write it, the PIM reads it, and the ERP only said so' integration \
	"(SELECT systems = '{\"crm\": \"writer (seen)\", \"storefront\": \"writer (seen)\", \"pim\": \"reader (seen)\",
		\"erp\": \"reader (declared)\"}' FROM ownership.matrix WHERE (entity, field) = ('customer', 'phone'))"
say 'So the CRM becomes the system of record. Which systems would that stop tomorrow?'
ask integration postgres "SELECT ownership.assign('shop.customer', '{phone}', 'crm', entity => 'customer');"
value integration "SET ROLE storefront_app; SET application_name = 'checkout';
	UPDATE shop.customer SET phone = '+49 40 7710015' WHERE customer_no = 'C-0015'"
value integration 'SELECT ownership.flush()' > /dev/null
ask integration postgres "SELECT * FROM ownership.readiness WHERE field = 'phone' \\gx"
holds 'readiness names the storefront, its role and its application' integration \
	"(SELECT count(*) = 1 AND bool_and(system = 'storefront' AND rows = 1 AND writes = 4
		AND roles = '{storefront_app}' AND application_names = '{checkout}')
		FROM ownership.readiness WHERE (entity, field) = ('customer', 'phone'))"
say 'Its team changes the checkout, and the map is enforced again:'
ask integration postgres "ALTER DATABASE integration RESET ownership.enforcement;"
refused integration storefront_app "UPDATE shop.customer SET phone = NULL WHERE customer_no = 'C-0015';"

step '10. For all other people: a page.'
say 'Risks, picture, matrix, conflicts and decisions in one file, which needs neither network nor script:'
paragraph
echo "    psql -XAtc 'SELECT ownership.page()' integration > ownership.html"
value integration 'SELECT ownership.flush()' > /dev/null
value integration 'SELECT ownership.page()' > "$checkout/ownership.html"
holds 'the page says which system intrudes, and what the CRM tried' integration \
	"(SELECT page LIKE '%intrudes%' AND page LIKE '%SKU-00042%' AND page LIKE '%</html>%' FROM ownership.page())"
ok "it is in $checkout/ownership.html: open it in a browser"

done=yes
echo
echo "${bold}All ten hold. That took $(($(date +%s) - started)) seconds.${plain}"
if [ -n "${KEEP:-}" ]; then
	psql="'$BINDIR/psql' -h $sockets -U postgres"
	cat <<-END

	The servers are running. Explore the hub:
	  $psql -p $HUB_PORT integration
	or as one of its systems, with -U crm_app, erp_app, pim_app or storefront_app.
	Change something in a source (erp, crm or pim), and see what arrives:
	  $psql -p $SOURCES_PORT erp
	Stop both servers and remove their data:
	  sh '$RUN/stop'
	END
fi
