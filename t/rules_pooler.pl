# The setting ownership.system behind PgBouncer, with transactions of several clients in
# one server connection: SET of one client reaches the others, unless the pooler tracks the
# setting; SET LOCAL, and a role a system, never do.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($pgbouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin';
if (!$pgbouncer)
{
	diag('NOT TESTED: ownership.system behind PgBouncer, which is not installed');
	plan skip_all => 'no PgBouncer';
}
my ($major, $minor) = `$pgbouncer --version` =~ /PgBouncer (\d+)\.(\d+)/ or die 'PgBouncer does not tell its version';
# track_extra_parameters came with 1.20
my $tracks = $major > 1 || $minor >= 20;
diag("PgBouncer $major.$minor");

my $hub = new_node('hub', preload => 1);
sql($hub, 'postgres', q{
	CREATE ROLE middleware LOGIN;
	CREATE ROLE erp_app LOGIN;
	CREATE ROLE pim_app LOGIN;
	GRANT SET ON PARAMETER "ownership.system" TO middleware;
	CREATE EXTENSION ownership;
	CREATE TABLE product (sku text PRIMARY KEY, price int, title text);
	INSERT INTO product VALUES ('A', 1, 'a');
	GRANT SELECT, UPDATE ON product TO middleware, erp_app, pim_app;
	SELECT ownership.add_system('erp', 'erp', role => 'erp_app'), ownership.add_system('pim', 'pim', role => 'pim_app'),
		ownership.assign('product', '{sku,price}', 'erp'), ownership.assign('product', '{title}', 'pim')});

# pool(SETTING ...): a pooler with one server connection a role, which it hands over
# at the end of each transaction; what connects to it, and what stops it
my $pools = 0;

sub pool
{
	my (@settings) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir_short();
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $database = 'host=' . $hub->host . ' port=' . $hub->port . ' dbname=postgres';
	my $log = "$PostgreSQL::Test::Utils::log_path/pgbouncer_" . ++$pools . '.log';

	append_to_file("$dir/users.txt", join('', map { qq{"$_" ""\n} } qw(middleware erp_app pim_app)));
	append_to_file("$dir/pgbouncer.ini", join("\n", '[databases]', "postgres = $database", '[pgbouncer]',
		'listen_addr =', "listen_port = $port", "unix_socket_dir = $dir", 'auth_type = trust', "auth_file = $dir/users.txt",
		'pool_mode = transaction', 'default_pool_size = 1', "logfile = $log", @settings, ''));
	my $process = IPC::Run::start([ $pgbouncer, '-q', "$dir/pgbouncer.ini" ], '<', \undef, '>', '/dev/null', '2>', '/dev/null');
	foreach (1 .. 100)
	{
		last if -S "$dir/.s.PGSQL.$port";
		select(undef, undef, undef, 0.1);
	}
	die "PgBouncer does not start: see $log" if !-S "$dir/.s.PGSQL.$port";
	return ("host=$dir port=$port dbname=postgres", sub { $process->kill_kill(grace => 5) });
}

# client(CONNINFO, ROLE): a session through the pooler; run(SESSION, SQL): what psql prints, errors too
sub client
{
	my ($pooler, $role) = @_;
	my %session = (in => '', out => '');

	$session{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', "$pooler user=$role" ], '<', \$session{in}, '>', \$session{out}, '2>&1',
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%session;
}

sub run
{
	my ($session, $sql) = @_;
	$session->{out} = '';
	$session->{in} .= "$sql;\n\\echo :end:\n";
	$session->{run}->pump until $session->{out} =~ /^:end:$/m;
	return $session->{out} =~ s/\n?^:end:\n//mr;
}

my $whose = q{SELECT coalesce(ownership.current_system(), 'nobody')};

#
# What every version does
#
my ($pooler, $stop) = pool();
my ($first, $second) = map { client($pooler, 'middleware') } 1 .. 2;
run($second, $whose);
is(run($first, "SET ownership.system = 'pim'; $whose"), 'pim', 'a client sets its system');
is(run($second, $whose), 'pim', 'the other client of the server connection has it then');
is(run($second, q{UPDATE product SET title = 'not from the PIM' WHERE sku = 'A' RETURNING title}), 'not from the PIM', 'and writes in its name');
run($first, 'RESET ownership.system');
is(run($second, $whose), 'nobody', 'until it is reset');

is(run($first, "BEGIN; SET LOCAL ownership.system = 'erp'; UPDATE product SET price = 2 WHERE sku = 'A'; $whose; COMMIT"), 'erp',
	'SET LOCAL in the transaction that writes');
is(run($second, $whose), 'nobody', 'does not reach the other client');
is(run($first, $whose), 'nobody', 'nor the next transaction');
run($first, q{BEGIN; SET LOCAL ownership.system = 'erp'; SELECT 1/0; COMMIT});
is(run($second, $whose), 'nobody', 'nor does it after an error');
like(run($second, q{UPDATE product SET price = 3 WHERE sku = 'A'}), qr/may not write|not the system of record/, 'who forgets it is nobody, and is refused');

my ($erp, $pim) = (client($pooler, 'erp_app'), client($pooler, 'pim_app'));
is(run($erp, $whose), 'erp', 'a role a system');
is(run($pim, $whose), 'pim', 'has a server connection of its own');
is(run($erp, $whose), 'erp', 'always');
is(sql($hub, 'postgres', q{SELECT count(*) FROM pg_stat_activity WHERE usename IN ('middleware', 'erp_app', 'pim_app')}), '3', 'one a role');
$_->{in} .= "\\q\n", $_->{run}->finish foreach $first, $second, $erp, $pim;
$stop->();

#
# A server connection for the whole session of a client, reset for the next one
#
($pooler, $stop) = pool('pool_mode = session');
$first = client($pooler, 'middleware');
is(run($first, "SET ownership.system = 'pim'; SELECT pg_backend_pid(); $whose") =~ s/^(\d+)\n//r, 'pim', 'session: a client sets its system');
my $pid = run($first, 'SELECT pg_backend_pid()');
$first->{in} .= "\\q\n", $first->{run}->finish;
$second = client($pooler, 'middleware');
is(run($second, "SELECT pg_backend_pid(); $whose"), "$pid\nnobody", 'the next client of the same server connection has none');
$second->{in} .= "\\q\n", $second->{run}->finish;
$stop->();

#
# What 1.20 and later do if told so
#
SKIP:
{
	diag("NOT TESTED: track_extra_parameters, which PgBouncer $major.$minor does not know"), skip('no track_extra_parameters', 7) if !$tracks;

	($pooler, $stop) = pool('track_extra_parameters = ownership.system');
	($first, $second) = map { client($pooler, 'middleware') } 1 .. 2;
	run($second, $whose);
	is(run($first, "SET ownership.system = 'pim'; $whose"), 'pim', 'tracked: a client sets its system');
	is(run($second, $whose), 'nobody', 'the other one is still nobody');
	is(run($second, "SET ownership.system = 'erp'; $whose"), 'erp', 'has another system');
	is(run($first, $whose), 'pim', 'and each has its own again');
	my $third = client("$pooler options='-c ownership.system=erp'", 'middleware');
	is(run($third, $whose), 'erp', 'a connection string sets it, too');
	is(run($first, $whose), 'pim', 'for this client alone');
	is(sql($hub, 'postgres', q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'middleware'}), '1', 'in one server connection');
	$_->{in} .= "\\q\n", $_->{run}->finish foreach $first, $second, $third;
	$stop->();
}

done_testing();
