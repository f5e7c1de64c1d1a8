# Values of deleted rows that were remembered long enough: the worker deletes
# them, and flush() and prune() do.  No user's code runs in it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('hub', preload => 1, activity => 1, extra => "ownership.flush_interval = '100ms'\n");

sub super { return sql($node, 'postgres', $_[0]) }

# remember(KEY, AGE): a value as a DELETE leaves it
sub remember
{
	my ($key, $age, $more) = @_;
	return super(qq{INSERT INTO ownership.conflict (recorded_at, table_schema, table_name, row_key, operation, system, outcome, columns, stored)
		SELECT now() - interval '$age', 'public', 'product', jsonb_build_object('id', '$key'), 'DELETE', 'erp', 'remembered', '{title}', '{"title": "t"}' }
		. ($more // ''));
}
sub left { return super(q{SELECT string_agg(row_key ->> 'id', ' ' ORDER BY id) FROM ownership.conflict WHERE outcome = 'remembered'}) }

super(q{
	CREATE ROLE erp LOGIN; CREATE ROLE pim LOGIN; CREATE ROLE mallory LOGIN;
	CREATE EXTENSION ownership;
	CREATE TABLE product (id int PRIMARY KEY, price int, title text);
	CREATE TABLE caught (what text);
	GRANT ALL ON product, caught TO PUBLIC;
	SELECT ownership.add_system('erp', 'erp', role => 'erp'), ownership.add_system('pim', 'pim', role => 'pim');
	SELECT ownership.assign('product', '{id,price}', 'erp'), ownership.assign('product', '{title}', 'pim')});

# a session that reads starts the worker
sub traffic { $node->safe_psql('postgres', 'SELECT price FROM product', extra_params => [ '-U', 'pim' ]); return }

#
# The worker
#
remember('young', '1 day');
remember('old', '8 days');
remember('resolved', '8 days');
super(q{UPDATE ownership.conflict SET resolution = 'applied' WHERE row_key ->> 'id' = 'resolved'});
is(super('SELECT count(*) FROM ownership.waiting'), '1', 'what is over is not shown');
traffic();
wait_for($node, 'postgres', q{SELECT count(*) FROM ownership.conflict WHERE row_key ->> 'id' IN ('old', 'resolved')}, '0');
is(left(), 'young', 'the worker deletes what is over, resolved or not');

# a short time, many values, and a trigger of another role
my $worker = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'ownership worker'};
wait_for($node, 'postgres', $worker, '0');
super(q{UPDATE ownership.mirrored_table SET remember = '1 second'});
is(super('SELECT count(*) FROM ownership.waiting'), '0', 'a table has a time of its own');
remember('many', '1 minute', 'FROM generate_series(1, 25000)');
remember('now', '0');
is(super(q{SELECT count(*) FROM ownership.waiting}), '1', 'for a second it is there');
super(q{GRANT TRIGGER ON ownership.conflict TO mallory; GRANT USAGE, CREATE ON SCHEMA public TO mallory});
$node->safe_psql('postgres', q{
	CREATE FUNCTION public.catch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO public.caught VALUES (current_user); RETURN NULL; END$$;
	CREATE TRIGGER catch BEFORE DELETE ON ownership.conflict FOR EACH ROW EXECUTE FUNCTION public.catch()}, extra_params => [ '-U', 'mallory' ]);
sleep 1;
traffic();
wait_for($node, 'postgres', q{SELECT count(*) FROM ownership.conflict WHERE outcome = 'remembered'}, '0');
is(super('SELECT count(*) FROM caught'), '0', 'the worker runs no code of users');

# a locked table is no obstacle
my $locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK ownership.conflict IN SHARE MODE');
wait_for($node, 'postgres', $worker, '0');
traffic();
super('SELECT ownership.flush()');
is(super(q{SELECT reads > 0 FROM ownership.activity WHERE column_name = 'price' AND system = 'pim'}), 't', 'activity is written meanwhile');
$locker->query_safe('COMMIT');
$locker->quit;

#
# flush(), in the session's own transaction, by any role
#
remember('flushed', '1 minute');
like(error_as($node, 'postgres', 'pim', 'SELECT ownership.flush()'), qr/ERROR:  42501: trigger "catch" of table "ownership.conflict" runs code of role "mallory"/, 'not with a trigger of another role');
super('DROP TRIGGER catch ON ownership.conflict; DROP FUNCTION catch');
$node->safe_psql('postgres', 'SELECT ownership.flush()', extra_params => [ '-U', 'pim' ]);
is(left(), '', 'flush() deletes it');
remember('read only', '1 minute');
super('BEGIN READ ONLY; SELECT ownership.flush(); COMMIT');
super('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT ownership.flush(); COMMIT');
pass('transactions that cannot delete');
super('SELECT ownership.prune($$100 years$$)');
is(left(), '', 'prune() deletes what is over');
remember('young', '0');
super(q{UPDATE ownership.mirrored_table SET remember = NULL; SELECT ownership.prune('0')});
is(left(), 'young', '... and no more');

#
# Without the worker
#
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
remember('old', '8 days');
super('SELECT ownership.flush()');
is(left(), 'young', 'flush() deletes it without a worker');
remember('old', '8 days');
super(q{SELECT ownership.prune('1 year')});
is(left(), 'young', 'so does prune()');
super(q{SET ownership.remember = '12h'; SELECT ownership.prune('1 year')});
is(left(), 'young', 'the setting counts');
super(q{UPDATE ownership.conflict SET recorded_at = now() - interval '13 hours'; SET ownership.remember = '12h'; SELECT ownership.flush()});
is(left(), '', 'for flush(), too');

done_testing();
