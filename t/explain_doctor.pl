# doctor(), where its statements need a reload or a restart: psql runs them as they are,
# and then nothing is wrong any more.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('hub', activity => 1, extra => "ownership.flush_interval = '50ms'\n");

sub super { return sql($node, 'postgres', $_[0]) }

# wrong([CHECK]): the problems
sub wrong
{
	my ($check) = @_;
	return super('SELECT check_name, problem FROM ownership.doctor() WHERE NOT ok' . ($check ? " AND check_name = '$check'" : ''));
}

# mend(CHECK): runs its statements; one session that does not come from a transaction
sub mend
{
	my ($check) = @_;
	my $statement = super("SELECT statement FROM ownership.doctor() WHERE check_name = '$check'");
	isnt($statement, '', "$check: there is a statement");
	super($statement);
	return $statement;
}

super(q{
	CREATE ROLE erp LOGIN; CREATE ROLE crm LOGIN;
	CREATE EXTENSION ownership;
	SELECT ownership.add_system('erp', 'erp', role => 'erp'), ownership.add_system('crm', 'crm', role => 'crm');
	CREATE TABLE product (sku text PRIMARY KEY, price int);
	INSERT INTO product VALUES ('A', 1);
	GRANT ALL ON product TO crm;
	SELECT ownership.assign('product', NULL, 'erp')});

#
# Not preloaded
#
like(wrong(), qr/^preloaded\|The library is not preloaded: .*restart the server\.$/, 'only that is wrong');
is(psql_as($node, 'postgres', 'crm', q{SELECT ok, statement IS NULL FROM ownership.doctor() WHERE check_name = 'preloaded'}), 'f|t',
	'a role that may not see the setting gets no statement that would take other libraries away');
is(mend('preloaded'), q{ALTER SYSTEM SET shared_preload_libraries = 'ownership'}, 'the statement');
super('SELECT pg_reload_conf()');
wait_for($node, 'postgres', q{SELECT pending_restart FROM pg_settings WHERE name = 'shared_preload_libraries'});
is(super(q{SELECT problem, statement IS NULL FROM ownership.doctor() WHERE check_name = 'preloaded'}), 'The library will be preloaded when the server is restarted.|t',
	'the restart is what is left to do');
# beside other libraries
my $other = -e (`pg_config --pkglibdir` =~ s/\n//r) . '/auto_explain.so' ? 'auto_explain' : undef;
SKIP:
{
	skip 'no other library', 3 if !$other;
	super("ALTER SYSTEM SET shared_preload_libraries = '$other'");
	$node->restart;
	is(mend('preloaded'), qq{ALTER SYSTEM SET shared_preload_libraries = '$other', 'ownership'}, 'other libraries stay');
}
$node->restart;
is(super('SHOW shared_preload_libraries'), $other ? "$other, ownership" : 'ownership', 'preloaded');
is(wrong(), '', 'nothing is wrong');

super('ALTER SYSTEM SET ownership.activity_size = 0');
$node->restart;
like(wrong(), qr/^preloaded\|ownership\.activity_size is 0/, 'nothing is remembered');
mend('preloaded');
$node->restart;
is(wrong(), '', 'mended');

#
# Settings in the server's configuration
#
super('ALTER SYSTEM SET ownership.enforcement = observe; ');
super('SELECT pg_reload_conf()');
wait_for($node, 'postgres', q{SELECT current_setting('ownership.enforcement')}, 'observe');
is(wrong(), q{settings|ownership.enforcement is observe in the server's configuration.}, 'ALTER SYSTEM');
like(mend('settings'), qr/^ALTER SYSTEM RESET ownership\.enforcement;\nSELECT pg_reload_conf\(\)$/, 'is reset');
wait_for($node, 'postgres', q{SELECT current_setting('ownership.enforcement')}, 'on');
is(wrong(), '', 'mended');
$node->append_conf('postgresql.conf', 'ownership.enforcement = off');
$node->reload;
wait_for($node, 'postgres', q{SELECT current_setting('ownership.enforcement')}, 'off');
is(wrong(), q{settings|ownership.enforcement is off in the server's configuration.}, 'in the file');
like(mend('settings'), qr/^ALTER SYSTEM SET ownership\.enforcement = 'on'/, 'is overridden');
wait_for($node, 'postgres', q{SELECT current_setting('ownership.enforcement')}, 'on');
is(wrong(), '', 'mended');

#
# The worker
#
my $attempt = sub { error_as($node, 'postgres', 'crm', q{UPDATE product SET price = 2}) };
super('ALTER TABLE ownership.activity ADD CONSTRAINT never CHECK (rejected < 1)');
$attempt->();
wait_for($node, 'postgres', q{SELECT value LIKE 'failed%' FROM ownership.status WHERE fact = 'worker'});
like(wrong(), qr/^worker\|The worker that writes .* fails\. .*violates check constraint "never"$/, 'it fails');
my (undef, undef, $error) = $node->psql('postgres', super(q{SELECT statement FROM ownership.doctor() WHERE check_name = 'worker'}));
like($error, qr/violates check constraint "never"/, 'the statement says why, as long as the cause is there');
super('ALTER TABLE ownership.activity DROP CONSTRAINT never');
mend('worker');
is(wrong(), '', 'mended');

# a lock that stays: status says so after a minute, which the test does not wait for
my $locker = $node->background_psql('postgres');
$locker->query('BEGIN; LOCK TABLE ownership.conflict IN SHARE ROW EXCLUSIVE MODE');
$attempt->();
SKIP:
{
	skip 'a minute is too long; OWNERSHIP_LONG=1 waits', 3 if !$ENV{OWNERSHIP_LONG};
	wait_for($node, 'postgres', q{SELECT value LIKE 'behind%' FROM ownership.status WHERE fact = 'worker'});
	like(wrong(), qr/^worker\|.*have waited for more than a minute.*A session has locked/, 'it waits');
	like(mend('worker'), qr/^SELECT pg_terminate_backend\(\d+\)$/, 'for a session');
	super('SELECT ownership.flush()');
	is(wrong(), '', 'mended');
}
$locker->{timeout}->reset if $locker->{timeout};
eval { $locker->quit };

# no process for it
super('ALTER SYSTEM SET max_worker_processes = 1');
super('ALTER SYSTEM SET max_logical_replication_workers = 1');
$node->restart;
my $free = super(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'logical replication launcher'});
SKIP:
{
	skip 'the launcher does not take the only process', 3 if !$free;
	$attempt->();
	wait_for($node, 'postgres', q{SELECT value LIKE 'cannot%' FROM ownership.status WHERE fact = 'worker'});
	like(wrong(), qr/^worker\|There is no process for the worker/, 'no process');
	is(mend('worker'), 'ALTER SYSTEM SET max_worker_processes = 9', 'more of them');
}
super('ALTER SYSTEM RESET max_worker_processes') if !$free;
$node->restart;
$attempt->();
super('SELECT ownership.flush()');
is(wrong(), '', 'mended');

#
# Shared memory
#
super(q{ALTER SYSTEM SET ownership.queue_size = '16kB'});
super(q{ALTER SYSTEM SET ownership.flush_interval = '1h'});
$node->restart;
# the worker makes no room meanwhile
my $holder = $node->background_psql('postgres');
$holder->query('BEGIN; LOCK TABLE ownership.conflict IN SHARE ROW EXCLUSIVE MODE');
$node->psql('postgres', join('', map { "UPDATE product SET price = $_;\n" } 1 .. 200), extra_params => [ '-U', 'crm' ], on_error_stop => 0);
wait_for($node, 'postgres', q{SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = 'client backend'});
$holder->quit;
wait_for_exits($node, 'postgres');
like(wrong(), qr/^memory\|\d+ rejected attempts have found no room in shared memory/, 'attempts were dropped');
is(super(q{SELECT value > 0 FROM ownership.metrics WHERE name = 'attempts_dropped_total'}), 't', 'the metric, too');
is(mend('memory'), q{ALTER SYSTEM SET ownership.queue_size = '32kB'}, 'more of it');
super('ALTER SYSTEM RESET ownership.flush_interval');
$node->restart;
is(super('SHOW ownership.queue_size'), '32kB', 'twice as much');
is(wrong(), '', 'mended');

#
# Feeds: where a synchronous standby is waited for, by all but them
#
super(q{SET client_min_messages = error; CREATE SUBSCRIPTION "a feed" CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE, enabled = false)});
super(q{SELECT ownership.identify('erp', subscription => 'a feed');
	SET allow_system_table_mods = on; INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate) SELECT oid, 'product'::regclass, 'r' FROM pg_subscription});
is(wrong(), '', 'nobody waits for a standby');
super(q{ALTER SYSTEM SET synchronous_standby_names = 'standby'; SELECT pg_reload_conf()});
{
	# there is none here
	local $ENV{PGOPTIONS} = '-c synchronous_commit=local';
	wait_for($node, 'postgres', 'SHOW synchronous_standby_names', 'standby');
	like(wrong(), qr/^feeds\|Subscription a feed does not wait for the synchronous standby \(synchronous_commit = off\)/, 'a feed does not');
	is(mend('feeds'), 'ALTER SUBSCRIPTION "a feed" SET (synchronous_commit = on)', 'it has to');
	is(wrong(), '', 'mended');
	super('ALTER SUBSCRIPTION "a feed" SET (synchronous_commit = local)');
	like(wrong(), qr/synchronous_commit = local/, 'its own disk is not enough');
	super('ALTER SUBSCRIPTION "a feed" SET (synchronous_commit = remote_apply)');
	is(wrong(), '', 'more than that is');
	super('DROP SUBSCRIPTION "a feed"');
	super('ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()');
	wait_for($node, 'postgres', 'SHOW synchronous_standby_names', '');
}

#
# Versions: objects of an older version, and an update script that leads to this one
#
my $version = super('SELECT ownership.library_version()');
my ($installed) = $ENV{OWNERSHIP_CONF} ? slurp_file($ENV{OWNERSHIP_CONF}) =~ /(?:extension_control_path|extension_destdir) = '([^':]+)/ : ();
my ($script) = grep { -e } $installed ? glob("$installed/extension/ownership--0.2.0--$version.sql $installed/*/*/*/*/extension/ownership--0.2.0--$version.sql") : ();
SKIP:
{
	skip 'no private installation to put an update script into', 3 if !$script || !-w ($script =~ s{/[^/]*\z}{}r);
	my $mine = $script =~ s/--0\.2\.0--/--0.2.9--/r;
	append_to_file($mine, "/* nothing to do */\n");
	super(q{UPDATE pg_extension SET extversion = '0.2.9' WHERE extname = 'ownership'});
	like(wrong(), qr/^versions\|The library is of version \Q$version\E, and the SQL objects in this database are of version 0\.2\.9\.$/, 'older objects');
	is(super(q{SELECT value FROM ownership.metrics WHERE name = 'version_differs'}), 1, 'the metric, too');
	mend('versions');
	is(wrong(), '', 'mended');
	unlink $mine;
}

$node->stop;
done_testing();
