# DDL under a live feed: renamed subscriptions, columns and tables, swapped
# tables, new partitions, triggers that a restore switched off and on.  The
# guard holds in the apply worker at every step, with the library preloaded and
# without.  And DDL in sessions where nothing loaded the library before.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $pub = new_node('source');
sql($pub, 'postgres', 'CREATE DATABASE crm');

foreach my $preload (1, 0)
{
	my $what = $preload ? 'preloaded' : 'not preloaded';
	my $hub = new_node("hub$preload", preload => $preload, extra => "wal_retrieve_retry_interval = '200ms'\n");
	my $slot = "hub$preload";

	sql($pub, 'crm', q{
		DROP PUBLICATION IF EXISTS p;
		DROP TABLE IF EXISTS item, stock;
		CREATE TABLE item (id int PRIMARY KEY, price numeric, title text);
		CREATE TABLE stock (site text, sku text, qty int, PRIMARY KEY (site, sku));
		CREATE PUBLICATION p FOR TABLE item, stock WITH (publish = 'insert, update, delete');
		INSERT INTO item VALUES (1, 10, 'one');
		INSERT INTO stock VALUES ('a', 'x', 1)});
	sql($hub, 'postgres', 'CREATE DATABASE integration');
	sql($hub, 'integration', q{
		CREATE TABLE item (id int PRIMARY KEY, price numeric, title text);
		CREATE TABLE stock (site text, sku text, qty int, PRIMARY KEY (site, sku)) PARTITION BY LIST (site);
		CREATE TABLE stock_a PARTITION OF stock FOR VALUES IN ('a');
		CREATE EXTENSION ownership;
		SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm')});
	my $conn = connstr($pub, 'crm');
	sql($hub, 'integration', "CREATE SUBSCRIPTION s CONNECTION '$conn' PUBLICATION p WITH (slot_name = '$slot')");
	# before there is a guard
	wait_for($hub, 'integration', q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel});
	sql($hub, 'integration', q{
		SELECT ownership.identify('crm', subscription => 's');
		SELECT ownership.assign('item', '{price}', 'erp', policy => 'keep'), ownership.assign('item', '{id,title}', 'crm');
		SELECT ownership.assign('stock', '{qty}', 'erp', policy => 'keep'), ownership.assign('stock', '{site,sku}', 'crm')});

	my $send = sub {
		sql($pub, 'crm', $_[0]);
		$pub->wait_for_catchup($_[1] // 's');
	};
	my $hubsql = sub { return sql($hub, 'integration', $_[0]) };
	my $last = sub { return $hubsql->(q{SELECT system, table_name, columns, proposed FROM ownership.conflict ORDER BY id DESC LIMIT 1}) };

	$send->(q{UPDATE item SET price = 11, title = 'uno'});
	is($hubsql->('SELECT price, title FROM item'), '10|uno', "$what: the feed's foreign value is kept out");

	# the feed gets another name
	$hubsql->('ALTER SUBSCRIPTION s RENAME TO feed');
	is($hubsql->(q{SELECT name FROM ownership.identity WHERE kind = 'subscription'}), 'feed', "$what: the map follows a subscription");
	$send->(q{UPDATE item SET price = 12, title = 'due'}, 'feed');
	is($hubsql->('SELECT price, title FROM item'), '10|due', "$what: a renamed feed is the same system's");
	is($last->(), 'crm|item|{price}|{"price": "12"}', "$what: told so");

	# a column, on both sides
	$hubsql->('ALTER TABLE item RENAME price TO amount');
	sql($pub, 'crm', 'ALTER TABLE item RENAME price TO amount');
	$send->(q{UPDATE item SET amount = 13, title = 'tre'}, 'feed');
	is($hubsql->('SELECT amount, title FROM item'), '10|tre', "$what: a renamed column is the same field");
	is($last->(), 'crm|item|{amount}|{"amount": "13"}', "$what: told by its name");

	# a partition
	$hubsql->(q{CREATE TABLE stock_b (LIKE stock INCLUDING ALL);
		ALTER TABLE stock ATTACH PARTITION stock_b FOR VALUES IN ('b');
		CREATE TABLE stock_c PARTITION OF stock FOR VALUES IN ('c')});
	$send->(q{INSERT INTO stock VALUES ('b', 'x', 5), ('c', 'x', 6)}, 'feed');
	is($hubsql->('SELECT site, qty FROM stock ORDER BY site'), "a|1\nb|\nc|", "$what: new partitions are guarded in replication");

	# a load swaps the target
	$hubsql->(q{
		BEGIN;
		ALTER TABLE item RENAME TO item_old;
		CREATE TABLE item (LIKE item_old INCLUDING ALL);
		INSERT INTO item SELECT * FROM item_old;
		DROP TABLE item_old;
		COMMIT;
		ALTER SUBSCRIPTION feed REFRESH PUBLICATION WITH (copy_data = false)});
	wait_for($hub, 'integration', q{SELECT count(*) = 2 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel});
	$send->(q{UPDATE item SET amount = 14, title = 'quattro'}, 'feed');
	is($hubsql->('SELECT amount, title FROM item'), '10|quattro', "$what: the guard is on the new table, in replication, too");
	is($hubsql->(q{SELECT subscriptions FROM ownership.guards WHERE relation = 'item'}), '{feed}', "$what: and the feed is known");

	# as pg_restore --disable-triggers does it
	$hubsql->('ALTER TABLE item DISABLE TRIGGER ALL');
	is($hubsql->(q{SELECT severity FROM ownership.risks WHERE risk = 'unguarded'}), 'high', "$what: switched off is a high risk");
	$hubsql->('ALTER TABLE item ENABLE TRIGGER ALL');
	$send->(q{UPDATE item SET amount = 15, title = 'cinque'}, 'feed');
	is($hubsql->('SELECT amount, title FROM item'), '10|cinque', "$what: switched on again, it is armed in replication");

	# the feed goes
	$hubsql->('DROP SUBSCRIPTION feed');
	is($hubsql->(q{SELECT detail FROM ownership.risks WHERE risk = 'unknown_identity'}), 'Subscription feed is not there.', "$what: a dropped subscription is a risk");
	is($hubsql->(q{SELECT risk, relation FROM ownership.risks WHERE risk IN ('unguarded', 'broken_mirror')}), '', "$what: nothing else is");

	# a new session for each command: whatever it needs is loaded by the event trigger
	$hubsql->($_) foreach 'ALTER TABLE item RENAME TO article', 'ALTER TABLE article RENAME title TO name',
	  'DROP TABLE article', 'CREATE TABLE article (id int PRIMARY KEY, amount numeric, name text)';
	is($hubsql->(q{SELECT relation, guarded FROM ownership.guards ORDER BY 1}), "article|t\nstock|t", "$what: followed in new sessions");
	is($hubsql->(q{SELECT column_name, field FROM ownership.mirrored_column WHERE table_name = 'article' ORDER BY 1}), "amount|price\nid|id\nname|title", "$what: names, too");

	# 500 tables in one transaction, and their end
	$hubsql->(q{SELECT ownership.add_tables('article', owner => 'erp');
		INSERT INTO ownership.mirrored_pattern (pattern, source) VALUES ('many.*', 'crm');
		CREATE SCHEMA many;
		DO $$BEGIN FOR i IN 1..500 LOOP EXECUTE format('CREATE TABLE many.t%s (id int PRIMARY KEY, x int)', i); END LOOP; END$$});
	is($hubsql->(q{SELECT count(*) FROM ownership.guards WHERE guarded AND table_schema = 'many'}), '500', "$what: many at once");
	$hubsql->('ALTER SCHEMA many RENAME TO lots');
	is($hubsql->(q{SELECT count(*) FROM ownership.guards WHERE guarded AND table_schema = 'lots'}), '500', "$what: and moved at once");
	$hubsql->(q{DO $$BEGIN FOR i IN 1..500 LOOP EXECUTE format('DROP TABLE lots.t%s', i); END LOOP; END$$});
	is($hubsql->(q{SELECT count(*) FROM ownership.risks WHERE risk = 'broken_mirror' AND relation LIKE 'lots.%'}), '500', "$what: and dropped");
	is($hubsql->('SELECT count(*) FROM ownership.ddl_queue'), '0', "$what: nothing is left to do");

	# a crash: nothing is left of what was not committed
	$hubsql->('CREATE TABLE lots.t1 (id int PRIMARY KEY, x int)');
	$hub->stop('immediate');
	$hub->start;
	is($hubsql->(q{SELECT guarded FROM ownership.guards WHERE relation = 'lots.t1'}), 't', "$what: what was committed is there after a crash");
	$hubsql->('ALTER TABLE lots.t1 RENAME x TO y; DROP SCHEMA lots CASCADE');
	is($hubsql->(q{SELECT count(*) FROM ownership.mirrored_column WHERE table_schema = 'lots' AND column_name = 'y'}), '1', "$what: and DDL is followed");
	$hub->stop;
}

$pub->stop;
done_testing();
