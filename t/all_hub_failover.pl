# The hub fails over to its synchronous standby. A feed that does not wait for it has told
# its source that a change is safe which the standby lacks: nobody sends that again. A
# feed with synchronous_commit = on goes on with it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $source = new_node('source');
sql($source, 'postgres', q{
	CREATE TABLE product (id int PRIMARY KEY, price int);
	CREATE PUBLICATION p FOR TABLE product});

foreach my $commit ('off', 'on')
{
	my $hub = new_node("hub_$commit", preload => 1, extra => "wal_retrieve_retry_interval = '100ms'\n");
	my $next = 10 * ($commit eq 'on');
	my $row = sub { return "INSERT INTO product VALUES (" . ($next + $_[0]) . ", 1)" };
	my $there = sub { return 'SELECT count(*) FROM product WHERE id = ' . ($next + $_[0]) };
	my $feed = "feed_$commit";

	sql($hub, 'postgres', q{
		CREATE EXTENSION ownership;
		CREATE TABLE product (id int PRIMARY KEY, price int);
		SELECT ownership.add_system('erp', 'erp'), ownership.assign('product', NULL, 'erp')});
	sql($hub, 'postgres', "CREATE SUBSCRIPTION $feed CONNECTION '" . connstr($source, 'postgres') . "' PUBLICATION p WITH (synchronous_commit = $commit)");
	sql($hub, 'postgres', "SELECT ownership.identify('erp', subscription => '$feed')");
	wait_for($hub, 'postgres', q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel});
	$hub->backup('base');
	my $standby = PostgreSQL::Test::Cluster->new("standby_$commit");
	$standby->init_from_backup($hub, 'base', has_streaming => 1);
	$standby->start;
	$hub->append_conf('postgresql.conf', "synchronous_standby_names = 'standby_$commit'");
	$hub->reload;
	sql($source, 'postgres', $row->(1));
	wait_for($standby, 'postgres', $there->(1), '1');
	is(sql($hub, 'postgres', q{SELECT ok FROM ownership.doctor() WHERE check_name = 'feeds'}), $commit eq 'on' ? 't' : 'f', "$commit: what doctor() says");

	# the standby is away for a moment, and then the hub's server dies
	$standby->stop;
	sql($source, 'postgres', $row->(2));
	my $sent = $source->lsn('write');
	wait_for($hub, 'postgres', $commit eq 'on' ? q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'} : $there->(2) . ' HAVING count(*) = 1',
		$commit eq 'on' ? 't' : '1');
	my $confirmed = "SELECT confirmed_flush_lsn >= '$sent' FROM pg_replication_slots WHERE slot_name = '$feed'";
	wait_for($source, 'postgres', $confirmed) if $commit eq 'off';
	is(sql($source, 'postgres', $confirmed), $commit eq 'on' ? 'f' : 't', "$commit: what the source is told");
	$hub->stop('immediate');
	$standby->append_conf('postgresql.conf', "synchronous_standby_names = ''");
	$standby->start;
	$standby->promote;
	sql($source, 'postgres', $row->(3));
	wait_for($standby, 'postgres', $there->(3), '1');
	is(sql($standby, 'postgres', $there->(2)), $commit eq 'on' ? '1' : '0', "$commit: what the new leader has");
	$standby->stop;
	sql($source, 'postgres', "SELECT pg_drop_replication_slot('$feed')");
}

$source->stop;
done_testing();
