# SQL that runs inside a replication worker is judged like SQL of that feed's
# writer: triggers of landing tables, functions of column defaults, in apply,
# in the first copy and in parallel apply; with the library preloaded, and
# loaded by the very change.  Only the applied row change itself is a
# replicated one.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $pub = new_node('sources', extra => "max_wal_senders = 20\nmax_replication_slots = 20\nlogical_decoding_work_mem = 64kB\n");
sql($pub, 'postgres', 'CREATE DATABASE crm');
my $rows = 6;

sub source { return sql($pub, 'crm', $_[0]) }

my $landing = 'CREATE TABLE %s (id int PRIMARY KEY, price int, note text)';
source(sprintf($landing, $_)) foreach qw(up found own copied);
source(q{
	CREATE TABLE base (id int PRIMARY KEY, note text);
	INSERT INTO copied VALUES (1, 900, 'copied'), (2, 901, 'copied too'), (8, 902, 'new');
	CREATE PUBLICATION live FOR TABLE up, found, own, base;
	CREATE PUBLICATION first FOR TABLE copied});

foreach my $preload (1, 0)
{
	my $how = $preload ? 'preloaded' : 'loaded by a change';
	my $hub = new_node("hub_$preload", preload => $preload, extra => "wal_retrieve_retry_interval = '100ms'\n");
	my $told = 0;
	my $run = sub { return sql($hub, 'postgres', $_[0]) };
	my $evidence = sub {
		my $found = $run->(qq{SELECT table_name, system, operation, outcome, columns, row_key, stored, proposed
			FROM ownership.conflict WHERE id > $told ORDER BY id});
		$told = $run->('SELECT coalesce(max(id), 0) FROM ownership.conflict');
		return $found;
	};
	my $subscribe = sub {
		my ($name, $publication, $options) = @_;
		my $conninfo = connstr($pub, 'crm');
		$run->(qq{CREATE SUBSCRIPTION $name CONNECTION '$conninfo' PUBLICATION $publication WITH (slot_name = '${name}_$preload', enabled = false, $options)});
		$run->("SELECT ownership.identify('crm', subscription => '$name')");
		$run->("ALTER SUBSCRIPTION $name ENABLE");
	};
	my $send = sub {
		source($_[0]);
		$pub->wait_for_catchup('live');
	};

	$run->(sprintf($landing, $_)) foreach qw(up found own copied);
	$run->(q{
		CREATE TABLE hub (id int PRIMARY KEY, price int, note text, seen int DEFAULT 0);
		CREATE TABLE parted (id int, region text DEFAULT 'de', price int, note text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
		CREATE TABLE parted_de PARTITION OF parted FOR VALUES IN ('de');
		CREATE TABLE parted_us (note text, price int, region text NOT NULL, id int NOT NULL);
		ALTER TABLE parted ATTACH PARTITION parted_us FOR VALUES IN ('us');
		CREATE TABLE keyed (id int PRIMARY KEY, price int, note text);
		CREATE TABLE strict (id int PRIMARY KEY, price int);
		INSERT INTO hub SELECT i, 10 * i, 'n' || i FROM generate_series(1, 4) i;
		INSERT INTO parted SELECT i, 'de', 10 * i, 'n' || i FROM generate_series(1, 4) i;
		INSERT INTO strict VALUES (1, 1);
		CREATE EXTENSION ownership;
		SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm');
		SELECT ownership.assign('hub', '{id,price}', 'erp'), ownership.assign('hub', '{note}', 'crm');
		SELECT ownership.assign('parted', '{id,price}', 'erp'), ownership.assign('parted', '{region,note}', 'crm');
		UPDATE ownership.field SET key = (name = 'id') WHERE entity = 'parted';
		SELECT ownership.assign('keyed', '{id,note}', 'crm'), ownership.assign('keyed', '{price}', 'erp', policy => 'keep');
		SELECT ownership.assign('strict', NULL, 'erp');

		-- (a) and (b): an upsert
		CREATE FUNCTION up() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
		BEGIN
			IF new.note = 'keyed' THEN
				INSERT INTO keyed VALUES (new.id, new.price, new.note)
				ON CONFLICT (id) DO UPDATE SET price = excluded.price, note = excluded.note;
			ELSE
				INSERT INTO hub VALUES (new.id, new.price, new.note)
				ON CONFLICT (id) DO UPDATE SET price = excluded.price, note = excluded.note, seen = hub.seen + 1;
			END IF;
			RETURN NULL;
		END $$;
		-- (c): UPDATE, and INSERT where there was none
		CREATE FUNCTION found() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
		BEGIN
			UPDATE hub SET price = new.price WHERE id = new.id;
			IF NOT FOUND THEN INSERT INTO hub (id, price) VALUES (new.id, new.price); END IF;
			RETURN NULL;
		END $$;
		-- moves, MERGE, DELETE, and COPY
		CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
		BEGIN
			CASE new.note
				WHEN 'move' THEN UPDATE parted SET region = 'us', note = 'moved', price = new.price WHERE id = new.id;
				WHEN 'delete' THEN DELETE FROM parted WHERE id = new.id;
				WHEN 'merge' THEN
					MERGE INTO parted p USING (VALUES (new.id, 'de'), (99, 'us')) v(i, r) ON p.id = v.i
					WHEN MATCHED THEN UPDATE SET region = 'us', note = 'merged'
					WHEN NOT MATCHED THEN INSERT (id, region, price, note) VALUES (v.i, v.r, 99, 'z');
				WHEN 'switch' THEN
					UPDATE hub SET price = new.price, note = 'switched' WHERE id = new.id
						AND set_config('session_replication_role', 'origin', true) IS NOT NULL;
					PERFORM set_config('session_replication_role', 'replica', true);
				ELSE NULL;
			END CASE;
			RETURN NULL;
		END $$});
	foreach my $table (qw(up found own copied))
	{
		my $function = $table eq 'copied' ? 'up' : $table;
		$run->(qq{CREATE TRIGGER land AFTER INSERT OR UPDATE ON $table FOR EACH ROW EXECUTE FUNCTION $function();
			ALTER TABLE $table ENABLE ALWAYS TRIGGER land});
	}
	# a function of a column's default writes, too
	$run->(q{
		CREATE FUNCTION by_default() RETURNS int LANGUAGE plpgsql SET search_path = public AS $$
		DECLARE n int;
		BEGIN
			INSERT INTO hub VALUES (3, 777, 'by default') ON CONFLICT (id) DO UPDATE SET price = excluded.price, note = excluded.note;
			UPDATE hub SET price = 778 WHERE id = 3;
			GET DIAGNOSTICS n = ROW_COUNT;
			RETURN n;
		END $$;
		CREATE TABLE base (id int PRIMARY KEY, note text, updated int DEFAULT by_default())});

	#
	# The first copy.
	#
	$subscribe->('first', 'first', 'copy_data = true');
	$hub->wait_for_subscription_sync($pub, 'first');
	is($run->('SELECT * FROM hub ORDER BY id'), "1|10|copied|1\n2|20|copied too|1\n3|30|n3|0\n4|40|n4|0",
		"$how: first copy: its own column lands, the others stay, no row of another's key comes");
	is($evidence->(), join("\n",
		'hub|crm|UPDATE|kept|{price}|{"id": 1}|{"price": "10"}|{"price": "900"}',
		'hub|crm|UPDATE|kept|{price}|{"id": 2}|{"price": "20"}|{"price": "901"}',
		'hub|crm|INSERT|parked|{note}|{"id": 8}||{"note": "new"}',
		'hub|crm|INSERT|discarded|{price}|{"id": 8}||{"id": "8", "seen": "0", "price": "902"}'),
		"$how: first copy: evidence says what the UPDATE arm proposed");

	#
	# Apply.
	#
	source(q{DELETE FROM up; DELETE FROM found; DELETE FROM own; DELETE FROM base});
	$run->('DROP SUBSCRIPTION first');
	$subscribe->('live', 'live', 'copy_data = false');
	# (a) the key is the erp's
	$send->(q{INSERT INTO up VALUES (1, 99, 'up')});
	is($run->('SELECT * FROM hub WHERE id = 1'), '1|10|up|2', "$how: an upsert of a row whose key another owns updates it");
	is($evidence->(), 'hub|crm|UPDATE|kept|{price}|{"id": 1}|{"price": "10"}|{"price": "99"}', "$how: and evidence tells of an UPDATE");
	$send->(q{UPDATE up SET note = 'up again', price = 98 WHERE id = 1});
	is($run->('SELECT * FROM hub WHERE id = 1'), '1|10|up again|3', "$how: again");
	is($evidence->(), 'hub|crm|UPDATE|kept|{price}|{"id": 1}|{"price": "10"}|{"price": "98"}', "$how: again, evidence");
	$send->(q{INSERT INTO up VALUES (9, 9, 'nine')});
	is($run->('SELECT count(*) FROM hub WHERE id = 9'), '0', "$how: a row that the crm may not create");
	is($evidence->(), join("\n", 'hub|crm|INSERT|parked|{note}|{"id": 9}||{"note": "nine"}',
		'hub|crm|INSERT|discarded|{price}|{"id": 9}||{"id": "9", "seen": "0", "price": "9"}'), "$how: is evidence");

	# (b) the key is the crm's, the price the erp's
	$send->(q{INSERT INTO up VALUES (2, 50, 'keyed')});
	is($run->('SELECT * FROM keyed'), '2||keyed', "$how: a new row without another's value");
	$run->('SET ownership.enforcement = off; UPDATE keyed SET price = 30');
	$evidence->();
	$send->(q{UPDATE up SET price = 51 WHERE id = 2});
	is($run->('SELECT * FROM keyed'), '2|30|keyed', "$how: the erp's price stays");
	is($evidence->(), 'keyed|crm|UPDATE|kept|{price}|{"id": 2}|{"price": "30"}|{"price": "51"}', "$how: evidence says what was proposed");
	$run->('SELECT ownership.accept(max(id)) FROM ownership.conflict');
	is($run->('SELECT * FROM keyed'), '2|51|keyed', "$how: and can be accepted");
	$evidence->();

	# (c) a wholly kept UPDATE counts its row
	$send->(q{INSERT INTO found VALUES (4, 400, 'x')});
	is($run->('SELECT * FROM hub WHERE id = 4'), '4|40|n4|0', "$how: UPDATE; IF NOT FOUND: found");
	is($evidence->(), 'hub|crm|UPDATE|kept|{price}|{"id": 4}|{"price": "40"}|{"price": "400"}', "$how: evidence of the UPDATE alone");

	# a function of a column's default
	$send->(q{INSERT INTO base VALUES (1, 'b')});
	is($run->('SELECT * FROM base'), '1|b|1', "$how: a default's UPDATE counts its row");
	is($run->('SELECT * FROM hub WHERE id = 3'), '3|30|by default|0', "$how: a default's upsert");
	is($evidence->(), join("\n",
		'hub|crm|UPDATE|kept|{price}|{"id": 3}|{"price": "30"}|{"price": "777"}',
		'hub|crm|UPDATE|kept|{price}|{"id": 3}|{"price": "30"}|{"price": "778"}'), "$how: a default's evidence");

	# moves
	$send->(q{INSERT INTO own VALUES (1, 100, 'move')});
	is($run->('SELECT tableoid::regclass, id, region, price, note FROM parted WHERE id = 1'), 'parted_us|1|us|10|moved', "$how: a move over SQL");
	is($evidence->(), 'parted|crm|UPDATE|kept|{price}|{"id": 1}|{"price": "10"}|{"price": "100"}', "$how: its evidence");
	$send->(q{INSERT INTO own VALUES (2, 100, 'merge')});
	is($run->('SELECT tableoid::regclass, id, region, price, note FROM parted ORDER BY id'),
		"parted_us|1|us|10|moved\nparted_us|2|us|20|merged\nparted_de|3|de|30|n3\nparted_de|4|de|40|n4", "$how: MERGE with a move and a new row");
	is($evidence->(), 'parted|crm|INSERT|discarded|{id}|{"id": 99}||{"id": "99", "note": "z", "price": "99", "region": "us"}', "$how: its evidence");
	$send->(q{INSERT INTO own VALUES (3, 100, 'delete')});
	is($run->('SELECT count(*) FROM parted WHERE id = 3'), '1', "$how: DELETE of another's row");
	is($evidence->(), 'parted|crm|DELETE|discarded|{id}|{"id": 3}|{"id": "3"}|', "$how: its evidence");
	# a switch in the middle
	$send->(q{INSERT INTO own VALUES (4, 444, 'switch')});
	is($run->('SELECT * FROM hub WHERE id = 4'), '4|40|switched|0', "$how: session_replication_role switched in the middle");
	is($evidence->(), 'hub|crm|UPDATE|kept|{price}|{"id": 4}|{"price": "40"}|{"price": "444"}', "$how: its evidence");

	# an in-progress transaction that is streamed, and applied in parallel where there is that
	SKIP:
	{
		my $parallel = $hub->pg_version >= 16;
		$run->('ALTER SUBSCRIPTION live DISABLE');
		wait_for($hub, 'postgres', q{SELECT count(*) = 0 FROM pg_stat_subscription WHERE pid IS NOT NULL});
		$run->('ALTER SUBSCRIPTION live SET (streaming = ' . ($parallel ? 'parallel' : 'on') . ')');
		$run->('ALTER SUBSCRIPTION live ENABLE');
		$send->(q{
			BEGIN;
			INSERT INTO own SELECT i, i, repeat('x', 500) FROM generate_series(1000, 2000) i;
			UPDATE up SET note = 'streamed', price = 97 WHERE id = 1;
			INSERT INTO found VALUES (3, 333, 'x');
			INSERT INTO own SELECT i, i, repeat('x', 500) FROM generate_series(2001, 3000) i;
			COMMIT});
		is($run->('SELECT * FROM hub WHERE id IN (1, 3) ORDER BY id'), "1|10|streamed|4\n3|30|by default|0", "$how: streamed");
		is($evidence->(), join("\n",
			'hub|crm|UPDATE|kept|{price}|{"id": 1}|{"price": "10"}|{"price": "97"}',
			'hub|crm|UPDATE|kept|{price}|{"id": 3}|{"price": "30"}|{"price": "333"}'), "$how: streamed: evidence");
	}

	# `reject` stays softened in a worker, strict stays strict
	$run->(q{
		CREATE OR REPLACE FUNCTION own() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
		BEGIN
			BEGIN UPDATE strict SET price = new.price; UPDATE hub SET note = new.note WHERE id = 1;
			EXCEPTION WHEN insufficient_privilege THEN UPDATE hub SET note = 'refused' WHERE id = 1; END;
			RETURN NULL;
		END $$});
	$send->(q{INSERT INTO own VALUES (4001, 5, 'soft')});
	is($run->('SELECT strict.price, hub.note FROM strict, hub WHERE hub.id = 1'), '1|soft', "$how: reject is softened");
	is($evidence->(), 'strict|crm|UPDATE|kept|{price}|{"id": 1}|{"price": "1"}|{"price": "5"}', "$how: with evidence");
	$run->(q{SELECT ownership.identify('crm', subscription => 'live', strict => true)});
	$send->(q{INSERT INTO own VALUES (4002, 6, 'strict')});
	is($run->('SELECT strict.price, hub.note FROM strict, hub WHERE hub.id = 1'), '1|refused', "$how: strict is strict");
	$evidence->();

	is($run->(q{SELECT count(*) FROM pg_subscription WHERE subenabled}), '1', "$how: the stream has not stopped");
	my $log = slurp_file($hub->logfile);
	unlike($log, qr/leak|not closed|still referenced|ERROR: .*(duplicate key|may not)/, "$how: nothing leaks, no error");
	$run->('DROP SUBSCRIPTION live');
	source('DELETE FROM up; DELETE FROM found; DELETE FROM own; DELETE FROM base');
	$hub->stop;
}

done_testing();
