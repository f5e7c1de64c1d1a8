# Copies that disagree, and "why did my price not arrive?", where other sessions
# and real feeds are needed.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $hub = new_node('hub', preload => 1, activity => 1,
	extra => "track_commit_timestamp = on\nownership.flush_interval = 100ms\n");
my $erp = new_node('erp');

sub super { return sql($hub, 'postgres', shift); }

sql($erp, 'postgres', q{
	CREATE TABLE item (item_code text PRIMARY KEY, list_price numeric);
	INSERT INTO item SELECT 'S' || i, i FROM generate_series(1, 5000) i;
	CREATE PUBLICATION p FOR TABLE item WITH (publish = 'insert, update, delete')});
super(q{
	CREATE EXTENSION ownership;
	CREATE ROLE steward LOGIN;
	CREATE ROLE crm LOGIN;
	SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm', role => 'crm'),
		ownership.identify(NULL, role => 'steward', steward => true);
	CREATE TABLE item (item_code text PRIMARY KEY, list_price numeric);
	CREATE TABLE product (sku text PRIMARY KEY, price numeric(10,2));
	INSERT INTO product SELECT 'S' || i, i FROM generate_series(1, 5000) i;
	GRANT ALL ON ALL TABLES IN SCHEMA public TO steward, crm;
	GRANT SELECT ON ALL TABLES IN SCHEMA ownership TO steward;
	SELECT ownership.add_tables('item', source => 'erp'), ownership.assign('product', NULL, 'erp');
	SELECT ownership.link('product.sku', '{item.item_code}'), ownership.link('product.price', '{item.list_price}')});

# why(SKU): place, event, system, value, whether dated and detail, line by line
sub why
{
	my ($sku) = @_;
	return psql_as($hub, 'postgres', 'steward',
		qq{SELECT concat_ws(' ', place, event, system, value, CASE WHEN at IS NOT NULL THEN 'dated' END, detail) FROM ownership.why('product.price', '{"sku":"$sku"}')});
}

#
# The feed: it is not there, disabled, running, failing.
#
my $seen = why('S1');
like($seen, qr/^product\.price answer erp The authoritative copy item\.list_price has no such row\. Nothing was refused: what is missing here never arrived\.$/m, 'no feed: it never arrived');
like($seen, qr/^item\.list_price feed erp none No subscription of this database feeds item\.$/m, 'and nothing feeds it');
super("CREATE SUBSCRIPTION feed CONNECTION '" . connstr($erp, 'postgres') . "' PUBLICATION p WITH (enabled = false)");
like(why('S1'), qr/^item\.list_price feed disabled Subscription feed: disabled, no worker runs, the initial copy is not done \(state i\).*, it belongs to no system: identify it\.$/m, 'a feed that is no system\'s');
super(q{SELECT ownership.identify('erp', subscription => 'feed'); ALTER SUBSCRIPTION feed ENABLE});
$erp->wait_for_catchup('feed');
wait_for($hub, 'postgres', q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel});
$seen = why('S1');
like($seen, qr/^product\.price answer erp 1 All copies agree\. Nothing was refused/m, 'it arrived');
like($seen, qr/^item\.list_price value erp 1 dated The authoritative copy\.$/m, 'and when, as the commit timestamp says');
like($seen, qr/^item\.list_price feed erp running dated Subscription feed: enabled, its worker runs, the table is in sync, 0 errors applying, 0 copying\.$/m, 'its feed runs');
unlike($seen, qr/answer.*feed/, 'and is no part of the answer');

sql($erp, 'postgres', q{UPDATE item SET list_price = 2 WHERE item_code = 'S1'});
$erp->wait_for_catchup('feed');
super('SELECT ownership.flush()');
$seen = why('S1');
like($seen, qr/^product\.price answer erp 2 product\.price differs from the authoritative copy item\.list_price\./m, 'nobody carried it on');
like($seen, qr/^product\.price value erp 1\.00 dated A shared table; it differs\.$/m, 'what is there');
like($seen, qr/^product\.price last write erp None was seen, in any row\.$/m, 'the owner never wrote there');

super('ALTER SUBSCRIPTION feed DISABLE');
wait_for($hub, 'postgres', q{SELECT count(*) = 0 FROM pg_stat_subscription WHERE pid IS NOT NULL});
like(why('S1'), qr/answer.* Subscription feed, which feeds item, is disabled\./, 'a disabled feed is part of the answer');
like(why('S1'), qr/^item\.list_price feed erp disabled .*Subscription feed: disabled, no worker runs/m, 'and told');

# an error in the stream
super(q{ALTER TABLE item ADD CONSTRAINT low CHECK (list_price < 100000)});
sql($erp, 'postgres', q{UPDATE item SET list_price = 100000 WHERE item_code = 'S1'});
super('ALTER SUBSCRIPTION feed ENABLE');
wait_for($hub, 'postgres', q{SELECT apply_error_count > 0 FROM pg_stat_subscription_stats});
like(why('S1'), qr/^item\.list_price feed erp .*[1-9]\d* errors applying/m, 'errors in the stream are counted');
super(q{ALTER TABLE item DROP CONSTRAINT low});
$erp->wait_for_catchup('feed');

#
# A rejected attempt is told, although its transaction rolled back.
#
like(error_as($hub, 'postgres', 'crm', q{UPDATE product SET price = 77 WHERE sku = 'S2'}), qr/42501/, 'rejected');
super('SELECT ownership.flush()');
$seen = why('S2');
like($seen, qr/^product\.price rejected crm 77\.00 dated UPDATE failed with an error, stored: 2\.00, role crm/m, 'a rejected attempt');
like($seen, qr/answer.*1 refused write is open; it is of "crm", and was rejected\./, 'is the answer');
like($seen, qr/^product\.price rule crm rejected The system of record of field "product\.price" is "erp", not "crm"\.$/m, 'with the rule');
unlike(psql_as($hub, 'postgres', 'crm', q{SELECT * FROM ownership.why('product.price', '{"sku":"S2"}')}), qr/77\.00/, 'not to whoever may not read evidence');

#
# A locked table keeps nobody from looking at the risks.
#
super('ALTER SUBSCRIPTION feed DISABLE');
is(super(q{SELECT string_agg(relation, ' ') FROM ownership.risks WHERE risk = 'drifting'}), 'product', 'drifting');
my $locker = $hub->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE product IN ACCESS EXCLUSIVE MODE');
is(super(q{SET statement_timeout = '60s'; SELECT coalesce(string_agg(relation, ' '), '') FROM ownership.risks WHERE risk = 'drifting'}), '', 'not while the table is locked');
$locker->query_safe('ROLLBACK');
is(super(q{SELECT string_agg(relation, ' ') FROM ownership.risks WHERE risk = 'drifting'}), 'product', 'and again');

#
# reconcile_all: batches are committed; what is locked is skipped; two at a time.
#
super(q{SET ownership.enforcement = off; UPDATE product SET price = 0});
$locker->query_safe(q{BEGIN; SELECT FROM product WHERE sku = 'S3' FOR UPDATE});
my ($rc, $out, $err) = $hub->psql('postgres',
	q{SET lock_timeout = '200ms'; CALL ownership.reconcile_all('product.price', batch_size => 2000)}, extra_params => [ '-U', 'steward' ]);
is($rc, 0, 'a locked row is no error');
like($err, qr/WARNING:  row \{"sku": "S3"\} of table "product" was not reconciled: canceling statement due to lock timeout/, 'but a warning');
is(super(q{SELECT string_agg(row_key ->> 'sku', ' ') FROM ownership.drift('product.price')}), 'S3', 'the others are written');
$locker->query_safe('ROLLBACK');

super(q{SET ownership.enforcement = off; UPDATE product SET price = 0; TRUNCATE ownership.conflict;
	CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.sku = $$S4$$ THEN PERFORM pg_sleep(60); END IF; RETURN NEW; END';
	CREATE TRIGGER stop BEFORE UPDATE ON product FOR EACH ROW EXECUTE FUNCTION stop()});
($rc, $out, $err) = $hub->psql('postgres', q{SET statement_timeout = '3s'; CALL ownership.reconcile_all('product.price', batch_size => 500)}, extra_params => [ '-U', 'steward' ]);
isnt($rc, 0, 'cancelled');
like($err, qr/statement timeout/, 'by a timeout');
my $left = super(q{SELECT count(*) FROM ownership.drift('product.price')});
ok($left > 0 && $left <= 4500 && $left % 500 == 0, "what was committed stays ($left left)");
is(super('SELECT count(*) FROM ownership.conflict'), 5000 - $left, 'with its evidence');
super('DROP TRIGGER stop ON product');
is(psql_as($hub, 'postgres', 'steward', q{SELECT ownership.reconcile('product.price')}), $left, 'another run goes on');
is(super(q{SELECT count(*) FROM ownership.drift('product.price')}), 0, 'and all agree');

super(q{SET ownership.enforcement = off; UPDATE product SET price = 0; TRUNCATE ownership.conflict});
my @runs;
foreach my $i (1 .. 2)
{
	my ($in, $o, $e) = ('', '', '');
	push @runs, { out => \$o, err => \$e, handle => IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $hub->connstr('postgres') . ' user=steward', '-c', q{CALL ownership.reconcile_all('product.price', batch_size => 100)} ],
		'<', \$in, '>', \$o, '2>', \$e) };
}
foreach my $run (@runs)
{
	ok($run->{handle}->finish, 'two runs at a time') or diag(${ $run->{err} });
}
is(super(q{SELECT count(*) FROM ownership.drift('product.price')}), 0, 'all agree');
is(super('SELECT count(*), count(DISTINCT row_key) FROM ownership.conflict'), '5000|5000', 'each row was written once');

#
# Speed: many rows, and many fields without copies.
#
super(q{SET ownership.enforcement = off;
	INSERT INTO item SELECT 'T' || i, i FROM generate_series(1, 95000) i;
	INSERT INTO product SELECT 'T' || i, i FROM generate_series(1, 95000) i;
	UPDATE product SET price = 0 WHERE sku = 'T500'; ANALYZE});
is(super(q{SET statement_timeout = '20s'; SELECT row_key, source_value, copy_value FROM ownership.drift('product.price')}), '{"sku": "T500"}|500|0.00', 'drift of 100,000 rows');
is(super(q{SET statement_timeout = '20s'; SELECT rows_compared, rows_differing FROM ownership.drift_summary()}), '100000|1', 'drift_summary of 100,000 rows');
is(super(q{SET statement_timeout = '20s'; SELECT string_agg(relation, ' ') FROM ownership.risks WHERE risk = 'drifting'}), 'product', 'the risk of 100,000 rows');
# of what looks much larger only a sample is taken, here of next to nothing
super(q{ALTER TABLE product SET (autovacuum_enabled = off); UPDATE pg_class SET reltuples = 1e15 WHERE relname = 'product'});
is(super(q{SELECT coalesce(string_agg(relation, ' '), '') FROM ownership.risks WHERE risk = 'drifting'}), '', 'a sample for the risks');
is(super(q{SELECT rows_compared, rows_differing FROM ownership.drift_summary()}), '100000|1', 'not for the summary');
super(q{INSERT INTO ownership.field (entity, name, owner) SELECT 'many', 'f' || i, 'erp' FROM generate_series(1, 100000) i;
	INSERT INTO ownership.mirrored_column SELECT 'many', 't' || i % 100, 'c' || i, 'many', 'f' || i, false FROM generate_series(1, 100000) i;
	ANALYZE ownership.mirrored_column, ownership.field});
is(super(q{SET statement_timeout = '20s'; SELECT count(*) FROM ownership.compare_copies('*', false)}), 1, '100,000 fields without copies');

super('DROP SUBSCRIPTION feed');
$locker->quit;
$erp->stop;
$hub->stop;
done_testing();
