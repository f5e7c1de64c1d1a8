# The worker: when it comes and goes, and what it survives.  Nothing that was
# handed over is lost but by a crash, and no user's code runs in it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $extra = "ownership.flush_interval = '100ms'\nrestart_after_crash = on\n";
my $node = new_node('hub', preload => 1, activity => 1, extra => $extra);
my $worker = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'ownership worker' AND datname = current_database()};

sub super { return sql($node, $_[1] // 'postgres', $_[0]) }
sub fact { return super("SELECT value FROM ownership.status WHERE fact = '$_[0]'", $_[1]) }
sub note_of { return super("SELECT note FROM ownership.status WHERE fact = '$_[0]'", $_[1]) }

sub setup
{
	my ($n, $db) = @_;
	sql($n, $db, q{
		CREATE EXTENSION ownership;
		CREATE TABLE product (id int PRIMARY KEY, price int);
		INSERT INTO product VALUES (1, 1);
		GRANT ALL ON product TO PUBLIC;
		SELECT ownership.add_system('erp', 'erp', role => 'erp'), ownership.add_system('crm', 'crm', role => 'crm');
		SELECT ownership.assign('product', NULL, 'erp')});
	return;
}

# reads of a column by crm, in a session of its own
sub reads
{
	my ($n, $db) = @_;
	$n->safe_psql($db // 'postgres', 'SELECT price FROM product', extra_params => [ '-U', 'crm' ]);
	# it hands over as it ends, which may be after its client has
	wait_for($n, $db // 'postgres', q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'crm' AND backend_type = 'client backend'}, '0');
	return;
}

# counted(NODE, DATABASE): what the table says when all is written
sub counted
{
	my ($n, $db) = @_;
	return sql($n, $db // 'postgres', q{SELECT ownership.flush();
		SELECT coalesce(sum(reads), 0) FROM ownership.activity WHERE system = 'crm' AND column_name = 'price'}) =~ s/^\s+//r;
}

super('CREATE ROLE erp LOGIN; CREATE ROLE crm LOGIN');
setup($node, 'postgres');

#
# It comes when there is something to write, and goes when there is not.
#
wait_for($node, 'postgres', "SELECT count(*) FROM ($worker) w", '0');
is(super(q{SELECT system FROM ownership.activity WHERE system = 'crm'}), '', 'nothing yet');
reads($node);
wait_for($node, 'postgres', q{SELECT reads FROM ownership.activity WHERE system = 'crm'}, '1');
pass('it is written without being asked for');
wait_for($node, 'postgres', "SELECT count(*) FROM ($worker) w", '0');
pass('an idle worker ends');
like(note_of('worker'), qr/started when there is something to write/, 'status says so');
is(fact('oldest_unflushed'), '', 'all is written');
reads($node);
is(counted($node), '2', 'flush() starts it');

# a connected process would be in the way
super('CREATE DATABASE template_db');
setup($node, 'template_db');
reads($node, 'template_db');
super('CREATE DATABASE copy_db TEMPLATE template_db');
pass('CREATE DATABASE ... TEMPLATE right after activity');
reads($node, 'copy_db');
super('DROP DATABASE copy_db');
pass('DROP DATABASE, too');
reads($node, 'template_db');
reads($node);
is(counted($node), '3', 'databases are told apart');
is(counted($node, 'template_db'), '2', 'each has its own');
reads($node, 'template_db');
super('DROP DATABASE template_db WITH (FORCE)');

#
# Databases without the extension; an extension that comes and goes
#
super('CREATE DATABASE other');
super('CREATE TABLE product (id int PRIMARY KEY, price int); GRANT ALL ON product TO PUBLIC', 'other');
reads($node, 'other');
is(super(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'ownership worker' AND datname = 'other'}), '0', 'a database without the extension has no worker');
super('CREATE SCHEMA ownership; CREATE TABLE ownership.activity (x int); CREATE TABLE ownership.mirrored_table (x int)', 'other');
reads($node, 'other');
pass('somebody else\'s schema of that name does no harm');
super('DROP SCHEMA ownership CASCADE; DROP TABLE product', 'other');
setup($node, 'other');
my $session = $node->background_psql('other', on_error_stop => 0);
$session->query('SET SESSION AUTHORIZATION crm');
$session->query('UPDATE product SET price = 2');
$session->query('SELECT price FROM product');
super('DROP EXTENSION ownership CASCADE', 'other');
pass('DROP EXTENSION while there is a worker');
$session->query('SELECT price FROM product');
super(q{CREATE EXTENSION ownership;
	SELECT ownership.add_system('erp', 'erp', role => 'erp'), ownership.add_system('crm', 'crm', role => 'crm');
	SELECT ownership.assign('product', NULL, 'erp')}, 'other');
$session->quit;
is(counted($node, 'other'), '0', 'what was left for the old one does not come to the new one');
is(super('SELECT count(*) FROM ownership.conflict', 'other'), '0', 'attempts neither');
reads($node, 'other');
is(counted($node, 'other'), '1', 'it goes on with the new one');
foreach my $i (1 .. 5)
{
	reads($node, 'other');
	super(q{BEGIN; DROP EXTENSION ownership CASCADE; SELECT pg_sleep(0.2); ROLLBACK}, 'other');
}
is(counted($node, 'other'), '6', 'a DROP that is rolled back loses nothing');

#
# Locks and errors
#
reads($node) for 1 .. 2;
my $lock = $node->background_psql('postgres');
$lock->query('BEGIN; LOCK TABLE ownership.activity IN ACCESS EXCLUSIVE MODE');
my $start = time;
reads($node) for 1 .. 10;
cmp_ok(time - $start, '<', 120, 'nobody waits for a locked table');
$lock->query('COMMIT');
$lock->quit;
is(counted($node), '15', 'all comes when it is free');
my $id_reads = q{SELECT ownership.flush(); SELECT sum(reads) FROM ownership.activity WHERE column_name = 'id'};
foreach my $ends ([ 'renamed', '' ], [ 'renamed back', q{UPDATE ownership.system SET name = 'crm' WHERE name = 'sales';} ])
{
	my ($what, $more) = @$ends;

	$lock = $node->background_psql('postgres');
	$lock->query(q{BEGIN; UPDATE ownership.system SET name = 'sales' WHERE name = 'crm'});
	$node->safe_psql('postgres', 'SELECT id FROM product', extra_params => [ '-U', 'crm' ]);
	wait_for($node, 'postgres', "SELECT count(*) FROM pg_stat_activity WHERE pid = ($worker) AND wait_event_type = 'Lock'", '1');
	$lock->query("$more COMMIT");
	$lock->quit;
	is(super($id_reads) =~ s/^\s+//r, $more ? '1' : '', "a system is $what while its counts are written");
	super(q{UPDATE ownership.system SET name = 'crm' WHERE name = 'sales'});
}
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/activity_system_fkey/, 'which is no error');
super(q{ALTER TABLE ownership.activity ADD CONSTRAINT no CHECK (reads < 0) NOT VALID});
reads($node);
like(error_as($node, 'postgres', 'postgres', 'SELECT ownership.flush()'),
	qr/ERROR:  55000: activity could not be written.*violates check constraint "no"/s, 'flush() tells of an error');
like(note_of('worker'), qr/violates check constraint/, 'status, too');
isnt(fact('oldest_unflushed'), '', 'and since when');
reads($node);
super('ALTER TABLE ownership.activity DROP CONSTRAINT no');
is(counted($node), '17', 'nothing was lost');
is(fact('oldest_unflushed'), '', 'nor is left');
super(q{ALTER DATABASE postgres SET default_transaction_read_only = on});
reads($node);
is(counted($node), '18', 'settings of the database do not disturb it');
super(q{SET default_transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only});

#
# No code of users runs in it: neither as a superuser, nor at all but by the
# table's owner.
#
super(q{
	CREATE ROLE mallory LOGIN;
	GRANT CREATE, USAGE ON SCHEMA public TO mallory;
	CREATE TABLE loot (who text);
	GRANT INSERT ON loot TO PUBLIC;
	GRANT TRIGGER ON ownership.activity, ownership.conflict TO mallory});
psql_as($node, 'postgres', 'mallory', q{
	CREATE FUNCTION steal() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO public.loot VALUES (current_user); RETURN NEW; END$$;
	CREATE TRIGGER steal BEFORE INSERT OR UPDATE ON ownership.activity FOR EACH ROW EXECUTE FUNCTION steal();
	CREATE TRIGGER steal BEFORE INSERT ON ownership.conflict FOR EACH ROW EXECUTE FUNCTION steal();
	CREATE FUNCTION unnest(anyarray) RETURNS SETOF anyelement LANGUAGE sql AS 'INSERT INTO public.loot VALUES (current_user); SELECT NULL'});
reads($node);
error_as($node, 'postgres', 'crm', 'UPDATE product SET price = 4');
is(counted($node), '19', 'a trigger of somebody else');
is(super('SELECT count(*) FROM loot'), '0', 'does not fire');
super('DROP TRIGGER steal ON ownership.activity; DROP TRIGGER steal ON ownership.conflict');
super(q{ALTER TABLE ownership.activity OWNER TO mallory; GRANT SELECT ON ownership.system TO mallory;
	CREATE TRIGGER steal BEFORE INSERT OR UPDATE ON ownership.activity FOR EACH ROW EXECUTE FUNCTION steal();
	ALTER TABLE ownership.activity ENABLE ALWAYS TRIGGER steal});
reads($node);
is(counted($node), '20', 'an owner\'s own trigger');
is(super('SELECT DISTINCT who FROM loot'), 'mallory', 'runs as the owner');
super('DROP TRIGGER steal ON ownership.activity; ALTER TABLE ownership.activity OWNER TO CURRENT_USER');

#
# Its end by others
#
reads($node);
super("SELECT pg_terminate_backend(pid) FROM ($worker) w");
reads($node);
is(counted($node), '22', 'pg_terminate_backend() loses nothing');

# a clean restart, while a session has what it has not handed over
super("ALTER SYSTEM SET ownership.flush_interval = '1h'; SELECT pg_reload_conf()");
wait_for($node, 'postgres', 'SHOW ownership.flush_interval', '1h');
my $idle = $node->background_psql('postgres', on_error_stop => 0);
$idle->query('SET SESSION AUTHORIZATION crm; SELECT price FROM product');
super("ALTER SYSTEM SET ownership.flush_interval = '100ms'; SELECT pg_reload_conf()");
reads($node);
# what no worker is there for is lost, as in a crash
wait_for($node, 'postgres', "SELECT count(*) FROM ($worker) w", '1');
$node->restart;
eval { $idle->quit };
is(counted($node), '24', 'a restart loses nothing while there is a worker');

# crashes: what is in the tables stays, and it goes on
foreach my $victim ('a worker', 'a session')
{
	my $before = counted($node);
	my $busy = $node->background_psql('postgres', on_error_stop => 0);
	$busy->query('SET SESSION AUTHORIZATION crm; SELECT price FROM product');
	wait_for($node, 'postgres', q{SELECT sum(reads) = } . ($before + 1) . q{ FROM ownership.activity WHERE system = 'crm' AND column_name = 'price'});
	reads($node);
	my $pid;
	if ($victim eq 'a worker')
	{
		for (1 .. 100)
		{
			last if ($pid = super($worker));
			reads($node);
		}
	}
	else
	{
		$pid = $busy->query('RESET SESSION AUTHORIZATION; SELECT pg_backend_pid()');
	}
	like($pid, qr/^\d+$/, "$victim to kill");
	kill 'KILL', $pid;
	$node->poll_query_until('postgres', "SELECT pg_postmaster_start_time() IS NOT NULL AND pg_sleep(0.1) IS NOT NULL", 't');
	eval { $busy->quit };
	my $log = slurp_file($node->logfile);
	like($log, qr/was terminated by signal 9: Killed/, 'it was');
	cmp_ok(counted($node), '>=', $before + 1, "kill -9 of $victim: what was written is there");
	my $after = counted($node);
	reads($node);
	is(counted($node), $after + 1, 'and it goes on');
}

#
# A standby counts and writes nothing; promoted, it goes on.
#
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
counted($node);
reads($node);
my $there = counted($node);
$node->wait_for_catchup($standby);
reads($standby);
my $reader = $standby->background_psql('postgres');
$reader->query('SET SESSION AUTHORIZATION crm; SELECT price FROM product');
like(error_as($standby, 'postgres', 'postgres', 'SELECT ownership.flush()'), qr/ERROR:  55000: recovery is in progress/, 'flush() says so');
is(sql($standby, 'postgres', q{SELECT value FROM ownership.status WHERE fact = 'standby'}), 'yes', 'status, too');
is(sql($standby, 'postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'ownership worker'}), '0', 'no worker on a standby');
$standby->promote;
is(counted($standby), $there, 'nothing of the standby\'s is counted');
$reader->query('SELECT price FROM product');
$reader->quit;
reads($standby);
wait_for($standby, 'postgres', q{SELECT sum(reads) FROM ownership.activity WHERE system = 'crm' AND column_name = 'price'}, $there + 2);
pass('promoted, it goes on, in sessions from before, too');
$standby->stop;
$node->stop;

#
# No process to be had; and a server without the library preloaded
#
my $small = new_node('small', preload => 1, activity => 1, extra => "$extra\nmax_worker_processes = 1\n");
sql($small, 'postgres', 'CREATE ROLE erp LOGIN; CREATE ROLE crm LOGIN');
setup($small, 'postgres');
reads($small);
like(error_as($small, 'postgres', 'postgres', 'SELECT ownership.flush()'), qr/ERROR:  53000: could not start the worker.*max_worker_processes/s, 'no process');
is(sql($small, 'postgres', q{SELECT value FROM ownership.status WHERE fact = 'worker'}), 'cannot be started', 'status says so');
$small->append_conf('postgresql.conf', 'max_worker_processes = 8');
$small->restart;
reads($small);
cmp_ok(counted($small), '>=', 1, 'with one, it is written');
$small->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$small->restart;
my ($rc, $out, $err) = $small->psql('postgres', 'SELECT ownership.flush()');
like($err, qr/NOTICE:  activity is not remembered.*HINT:  Set shared_preload_libraries/s, 'not preloaded: flush() says how to');
is(sql($small, 'postgres', q{SELECT value, note ~ 'shared_preload_libraries' FROM ownership.status WHERE fact = 'preloaded'}), 'no|t', 'status, too');
reads($small);
like(error_as($small, 'postgres', 'crm', 'UPDATE product SET price = 3'), qr/42501/, 'the guard works');
$small->append_conf('postgresql.conf', "shared_preload_libraries = 'ownership'\nownership.activity_size = 0");
$small->restart;
is(sql($small, 'postgres', q{SELECT value, note ~ 'activity_size' FROM ownership.status WHERE fact = 'preloaded'}), 'yes|t', 'activity_size = 0: nothing is remembered');
reads($small);
$small->stop;
done_testing();
