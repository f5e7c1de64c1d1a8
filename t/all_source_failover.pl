# A source fails over to a standby without the slot of the hub's feed. What the how-to
# "Fail over to a standby" says: the feed does not run; with a slot that is created anew
# changes are missing, before the slot was made, or until the source has come to where the
# hub is; nothing in the hub tells, and a comparison with the source does. Copied again,
# the hub has everything.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $source = new_node('source');
my $hub = new_node('hub', preload => 1, extra => "wal_retrieve_retry_interval = '100ms'\n");

sub hub { return sql($hub, 'postgres', $_[0]) }

sql($source, 'postgres', q{
	CREATE TABLE product (id int PRIMARY KEY, price int);
	CREATE PUBLICATION p FOR TABLE product});
hub(q{
	CREATE EXTENSION ownership;
	CREATE TABLE product (id int PRIMARY KEY, price int, title text);
	SELECT ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim', role => 'postgres'), ownership.identify('erp', subscription => 'erp_feed');
	SELECT ownership.assign('product', '{id,price}', 'erp', policy => 'keep'), ownership.assign('product', '{title}', 'pim', policy => 'keep')});
hub("CREATE SUBSCRIPTION erp_feed CONNECTION '" . connstr($source, 'postgres') . "' PUBLICATION p");
wait_for($hub, 'postgres', q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel});

# fails over: WITH runs on the source when the standby has stopped to follow, or does not
sub fails_over
{
	my ($name, $last, $follows) = @_;
	$source->backup($name);
	my $standby = PostgreSQL::Test::Cluster->new($name);
	$standby->init_from_backup($source, $name, has_streaming => 1);
	$standby->start;
	$source->wait_for_catchup($standby, 'replay', $source->lsn('insert'));
	$standby->stop if !$follows;
	my $log = -s $hub->logfile;
	sql($source, 'postgres', $last);
	wait_for_feed($source, $hub, 'erp_feed', $log);
	$source->wait_for_catchup($standby, 'replay', $source->lsn('insert')) if $follows;
	$source->stop('immediate');
	$standby->start if !$follows;
	$standby->promote;
	$source = $standby;
	hub("ALTER SUBSCRIPTION erp_feed CONNECTION '" . connstr($source, 'postgres') . "'");
	wait_for($hub, 'postgres', q{SELECT value = 'not running' FROM ownership.why('product.price', '{"id": 1}') WHERE event = 'feed'})
		and pass("$name: the feed does not run");
	hub('ALTER SUBSCRIPTION erp_feed DISABLE');
	return;
}

# the two statements of the how-to
my $positions = sub {
	my $remote = hub(q{SELECT remote_lsn FROM pg_replication_origin_status WHERE external_id = 'pg_' || (SELECT oid FROM pg_subscription WHERE subname = 'erp_feed')});
	return sql($source, 'postgres', "SELECT confirmed_flush_lsn > '$remote', pg_current_wal_lsn() < '$remote' FROM pg_replication_slots WHERE slot_name = 'erp_feed'");
};
my $new_slot = q{SELECT slot_name FROM pg_create_logical_replication_slot('erp_feed', 'pgoutput')};
my $here = sub { return hub("SELECT string_agg(id::text, ',' ORDER BY id) FROM product WHERE id < 100") };
my $answer = sub { return hub(q{SELECT detail FROM ownership.why('product.price', '{"id": 1}') WHERE event = 'answer'}) };

#
# The standby has all; but the slot is made after a change
#
fails_over('second', 'INSERT INTO product VALUES (1, 1)', 1);
sql($source, 'postgres', 'INSERT INTO product VALUES (2, 2)');
sql($source, 'postgres', $new_slot);
is($positions->(), 't|f', 'the slot begins after what the hub has');
hub('ALTER SUBSCRIPTION erp_feed ENABLE');
sql($source, 'postgres', 'INSERT INTO product VALUES (3, 3)');
wait_for($hub, 'postgres', 'SELECT count(*) = 1 FROM product WHERE id = 3');
is($here->(), '1,3', 'what was committed before it never comes');
unlike($answer->(), qr/erp_feed/, 'and the hub has no sign of it');

#
# The standby lacks what the hub has
#
fails_over('third', 'INSERT INTO product SELECT i, 0 FROM generate_series(100, 20000) i', 0);
sql($source, 'postgres', $new_slot);
is($positions->(), 'f|t', 'the source is before what the hub has');
hub('ALTER SUBSCRIPTION erp_feed ENABLE');
wait_for($hub, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_subscription WHERE latest_end_lsn IS NOT NULL});
sql($source, 'postgres', 'INSERT INTO product VALUES (4, 4)');
sql($source, 'postgres', q{CREATE TABLE filler AS SELECT repeat('x', 100) AS t FROM generate_series(1, 60000) i});
sql($source, 'postgres', 'INSERT INTO product VALUES (5, 5)');
wait_for($hub, 'postgres', 'SELECT count(*) = 1 FROM product WHERE id = 5');
is($here->(), '1,3,5', 'what it commits up to there never comes');
unlike($answer->(), qr/erp_feed/, 'and the hub has no sign of it, again');

#
# Copied again, with what others have in the rows
#
hub(q{UPDATE product SET title = 'Lamp' WHERE id = 1});
sql($source, 'postgres', q{UPDATE product SET price = 10 WHERE id = 1});
wait_for($hub, 'postgres', 'SELECT price = 10 FROM product WHERE id = 1');
hub('ALTER SUBSCRIPTION erp_feed DISABLE');
hub('ALTER SUBSCRIPTION erp_feed SET (slot_name = NONE)');
hub('DROP SUBSCRIPTION erp_feed');
wait_for($source, 'postgres', q{SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'erp_feed'});
sql($source, 'postgres', q{SELECT pg_drop_replication_slot('erp_feed')});
hub("CREATE SUBSCRIPTION erp_feed CONNECTION '" . connstr($source, 'postgres') . "' PUBLICATION p");
wait_for($hub, 'postgres', q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel});
is($here->(), '1,2,3,4,5', 'the first copy brings what was missing');
is(hub('SELECT price, title FROM product WHERE id = 1'), '10|Lamp', 'and leaves what others have');
is(hub('SELECT count(*) FROM ownership.conflict'), '0', 'without a conflict');

$source->stop;
$hub->stop;
done_testing();
