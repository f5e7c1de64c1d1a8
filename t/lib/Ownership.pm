# What the TAP tests share: clusters that find the extension, and SQL as a role.
package Ownership;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Psql;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(new_node sql psql_as error_as connstr wait_for wait_for_feed wait_for_exits);

# new_node(NAME, preload => 0 | 1, activity => 0 | 1, extra => "lines for postgresql.conf",
#	initdb => [ options ], install => prefix of another server, conf => file of settings by which that server finds the extension)
#
# Without activity, the worker does not write rejected attempts to
# ownership.conflict while a test looks at other evidence there.
#
# A running cluster that can publish and subscribe.  PostgreSQL's own defaults
# for such tests allow ten connections, too few for several feeds.
sub new_node
{
	my ($name, %opt) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, $opt{install} ? (install_path => $opt{install}) : ());
	my $conf = $opt{conf} // $ENV{OWNERSHIP_CONF};

	$node->init(
		allows_streaming => 'logical',
		extra => [ '--no-locale', '--encoding=UTF8', @{ $opt{initdb} // [] } ]);
	# the test programs' own configuration may be too new for another server
	$node->adjust_conf('postgresql.conf', 'autovacuum_worker_slots', undef) if $opt{install} && $node->pg_version < 18;
	$node->append_conf('postgresql.conf', <<'END');
fsync = off
max_connections = 40
max_worker_processes = 20
max_logical_replication_workers = 12
max_sync_workers_per_subscription = 4
max_prepared_transactions = 10
shared_buffers = 16MB
END
	# where "make check" has installed the extension; not set with installcheck
	$node->append_conf('postgresql.conf', slurp_file($conf)) if $conf;
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = 'ownership'\n")
	  if $opt{preload};
	$node->append_conf('postgresql.conf', "ownership.activity_size = 0\n")
	  if !$opt{activity};
	$node->append_conf('postgresql.conf', $opt{extra}) if $opt{extra};
	$node->start;
	return $node;
}

# sql(NODE, DATABASE, SQL): as the superuser; its output, unaligned.  Dies on an error.
sub sql
{
	my ($node, $db, $sql) = @_;
	return $sql =~ /\\/ ? $node->safe_psql($db, $sql) : Psql::run($node, $db, $sql);
}

# psql_as(NODE, DATABASE, ROLE, SQL): like sql(), connected as a role.
sub psql_as
{
	my ($node, $db, $role, $sql) = @_;
	return $sql =~ /\\/ ? $node->safe_psql($db, $sql, extra_params => [ '-U', $role ]) : Psql::run($node, $db, $sql, $role);
}

# error_as(NODE, DATABASE, ROLE, SQL): the error of SQL that must fail, with its
# SQLSTATE, detail and hint; '' if it does not fail.
sub error_as
{
	my ($node, $db, $role, $sql) = @_;
	my ($rc, undef, $stderr) = $node->psql(
		$db, $sql,
		extra_params => [ '-U', $role, '-v', 'VERBOSITY=verbose' ]);
	return $rc == 0 ? '' : $stderr;
}

# connstr(NODE, DATABASE[, ROLE]): for an SQL literal, without quotes around it.
sub connstr
{
	my ($node, $db, $role) = @_;
	return ($node->connstr($db) . ($role ? " user=$role" : '')) =~ s/'/''/gr;
}

# wait_for(NODE, DATABASE, QUERY[, EXPECTED]): waits until QUERY returns EXPECTED
# ('t').  Fails the test, and prints the last result, when the time limit is over.
sub wait_for
{
	my ($node, $db, $query, $expected) = @_;
	my $end = time() + $PostgreSQL::Test::Utils::timeout_default;
	my $result = '';

	$expected //= 't';
	# what fails now may do later: the server may be starting
	until (($result = eval { sql($node, $db, $query) } // $@) eq $expected)
	{
		if (time() > $end)
		{
			diag("the last result was: $result");
			return fail("timed out waiting for: $query");
		}
		usleep(50_000);
	}
	return 1;
}

# wait_for_feed(SOURCE, HUB, SUBSCRIPTION, OFFSET): waits until the hub has applied what the
# source has written.  If a replication worker of the hub has stopped by an error, by its
# log from OFFSET on, the test fails by that, and ends: nothing more would arrive.
sub wait_for_feed
{
	my ($source, $hub, $subscription, $offset) = @_;
	my $sent = $source->lsn('write');
	my $end = time() + $PostgreSQL::Test::Utils::timeout_default;
	my $stopped;

	until (sql($source, 'postgres', "SELECT count(*) = 1 FROM pg_stat_replication WHERE application_name = '$subscription' AND replay_lsn >= '$sent'") eq 't')
	{
		# the prefix of a client's lines has the client's name, too
		($stopped) = slurp_file($hub->logfile, $offset) =~ /^[^\[\n]*\[\d+\] (ERROR: .*)/m;
		$stopped //= 'nothing arrives' if time() > $end;
		last if defined $stopped;
		usleep(20_000);
	}
	return 1 if !defined $stopped;
	fail("the stream of $subscription goes on");
	die "the stream of $subscription has stopped: $stopped\n";
}

# wait_for_exits(NODE, DATABASE): waits until the earlier sessions of the test have
# ended.  A client does not wait for that; but only then their locks are free, and
# what they counted is handed over.
sub wait_for_exits
{
	my ($node, $db) = @_;
	return wait_for($node, $db, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'});
}

1;
